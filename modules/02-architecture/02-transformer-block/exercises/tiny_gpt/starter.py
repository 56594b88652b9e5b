import torch
import torch.nn.functional as F
from torch import Tensor


def tiny_gpt(ids: Tensor, weights: dict[str, Tensor], config: dict) -> Tensor:
    """A Llama with a tied head: ids [B, T] -> logits [B, T, V] in float32; weights under Hugging Face's names."""
    raise NotImplementedError


# The three pieces below are ready to use. Copy your transformer_block here too, or import it.


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Every vector of `x` [..., C] at root mean square 1, times `weight` [C]."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def apply_rope(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of every head vector by its position's angles; cos and sin are [T, D]."""
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin


def rope_tables(length: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos and sin [T, D] of the angles position * theta^(-2i/D), each angle standing twice."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2).double() / head_dim)
    angles = torch.arange(length).double()[:, None] * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().float(), angles.sin().float()
