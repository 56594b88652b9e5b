def count_parameters(config: dict) -> int:
    """The exact number of parameters of a Llama or Qwen3 with this configuration (Hugging Face's field names)."""
    width, head_dim = config["hidden_size"], config["head_dim"]
    queries = config["num_attention_heads"] * head_dim
    keys = config["num_key_value_heads"] * head_dim

    attention = width * queries + 2 * width * keys + queries * width
    if config["qk_norm"]:
        attention += 2 * head_dim
    mlp = 3 * width * config["intermediate_size"]
    norms = 2 * width

    tables = 1 if config["tie_word_embeddings"] else 2
    return tables * config["vocab_size"] * width + config["num_hidden_layers"] * (attention + mlp + norms) + width
