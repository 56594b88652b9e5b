def count_flops(config: dict, length: int) -> int:
    """FLOPs (2 for a multiply-add) of all matrix products in one forward pass over one sequence of `length` tokens."""
    width = config["hidden_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]

    # multiply-adds of one position
    linear = width * queries + 2 * width * keys + queries * width + 3 * width * config["intermediate_size"]
    attention = 2 * queries * length  # a score with every position, and every position's value
    head = width * config["vocab_size"]
    return 2 * length * (config["num_hidden_layers"] * (linear + attention) + head)
