import torch
from torch import Tensor


def apply_rope(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of every head vector by the angles whose cos and sin are [T, D] or [B, 1, T, D]."""
    raise NotImplementedError
