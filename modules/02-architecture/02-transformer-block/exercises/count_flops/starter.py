def count_flops(config: dict, length: int) -> int:
    """FLOPs (2 for a multiply-add) of all matrix products in one forward pass over one sequence of `length` tokens."""
    raise NotImplementedError
