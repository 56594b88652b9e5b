import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Scale every vector of `x` [..., D] to root mean square 1, times `weight` [D] -> [..., D], dtype of `x`."""
    x32 = x.float()  # the square of 300 does not fit into float16
    mean_square = x32.square().mean(dim=-1, keepdim=True)
    normed = x32 * torch.rsqrt(mean_square + eps)
    return normed.to(x.dtype) * weight.to(x.dtype)
