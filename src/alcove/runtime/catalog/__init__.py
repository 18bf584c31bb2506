"""Models on this machine's disk, laid out as Ollama lays them out: blobs by their digest, and a manifest for each name.

So an Ollama of the same machine can use what Alcove pulled, and Alcove what Ollama pulled.
"""
