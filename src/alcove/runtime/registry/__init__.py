"""Where models come from and go to: registries of Ollama's and OCI's protocol, the Hugging Face hub, plain HTTPS."""
