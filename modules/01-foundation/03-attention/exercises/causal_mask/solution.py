import torch


def causal_mask(num_queries: int, num_keys: int) -> torch.Tensor:
    """bool [T, S], True = may attend: the T queries are the last of S positions, each sees itself and those before."""
    first = num_keys - num_queries  # the position of the first query: so many keys are older than all queries
    queries = torch.arange(first, num_keys)[:, None]
    keys = torch.arange(num_keys)[None, :]
    return keys <= queries
