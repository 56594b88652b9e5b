def lora_parameters(config: dict, r: int, targets: list[str]) -> int:
    """The number of trained parameters of LoRA of rank r on those layers of every block."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    sizes = {
        "q_proj": (queries, width),
        "k_proj": (keys, width),
        "v_proj": (keys, width),
        "o_proj": (width, queries),
        "gate_proj": (inner, width),
        "up_proj": (inner, width),
        "down_proj": (width, inner),
    }
    return config["num_hidden_layers"] * sum(r * sum(sizes[name]) for name in targets)
