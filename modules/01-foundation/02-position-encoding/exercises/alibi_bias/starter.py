import torch
from torch import Tensor


def alibi_bias(num_heads: int, length: int) -> Tensor:
    """What ALiBi adds to causal attention scores: minus slope times distance, -inf for the future -> fp32 [H, T, T]."""
    raise NotImplementedError
