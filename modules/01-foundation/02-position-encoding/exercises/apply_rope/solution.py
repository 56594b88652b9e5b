import torch
from torch import Tensor


def apply_rope(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of every head vector by the angles whose cos and sin are [T, D] or [B, 1, T, D]."""
    first, second = x_BHTD.chunk(2, dim=-1)
    quarter_turn = torch.cat((-second, first), dim=-1)  # every pair (a, b) turned by 90 degrees: (-b, a)
    return x_BHTD * cos + quarter_turn * sin
