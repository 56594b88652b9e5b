import torch
from torch import Tensor


def apply_rope_interleaved(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Turn the pairs (2i, 2i+1) of x [..., T, D] by the angles positions[t] * base^(-2i/D) -> [..., T, D], dtype of x."""
    raise NotImplementedError
