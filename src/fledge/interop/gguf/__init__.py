"""GGUF, the format of llama.cpp and Ollama, as model folders. Begin with `folder.py`."""
