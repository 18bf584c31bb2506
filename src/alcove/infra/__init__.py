"""Technique without domain words: database, HTTP, logging, secrets, files, jobs, embeddings, vectors."""
