"""Local models: what the platform takes of llama.cpp's speed."""
