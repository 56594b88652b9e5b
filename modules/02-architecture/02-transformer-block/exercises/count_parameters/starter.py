def count_parameters(config: dict) -> int:
    """The exact number of parameters of a Llama or Qwen3 with this configuration (Hugging Face's field names)."""
    raise NotImplementedError
