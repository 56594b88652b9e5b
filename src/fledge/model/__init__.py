"""One Transformer whose config and state dict are Hugging Face's: Qwen3, Qwen3-MoE, Qwen2, Llama, Mistral, Gemma 3 (text)."""
