import torch
from torch import Tensor


def apply_rope_interleaved(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Turn the pairs (2i, 2i+1) of x [..., T, D] by the angles positions[t] * base^(-2i/D) -> [..., T, D], dtype of x."""
    dim = x.shape[-1]
    frequencies = base ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    angles = positions[:, None].float() * frequencies  # fp32: in bfloat16 even position 257 cannot be written
    cos, sin = angles.cos(), angles.sin()
    a, b = x[..., 0::2].float(), x[..., 1::2].float()
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2).to(x.dtype)
