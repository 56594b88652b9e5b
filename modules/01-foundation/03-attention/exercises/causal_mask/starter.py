import torch


def causal_mask(num_queries: int, num_keys: int) -> torch.Tensor:
    """bool [T, S], True = may attend: the T queries are the last of S positions, each sees itself and those before."""
    raise NotImplementedError
