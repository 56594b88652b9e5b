"""One Transformer whose config and state dict are Hugging Face's: Qwen3, Qwen3-MoE, Llama, Mistral."""
