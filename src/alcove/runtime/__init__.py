"""Local models: kept on disk as Ollama keeps them, run in child processes, scheduled within this machine's memory."""
