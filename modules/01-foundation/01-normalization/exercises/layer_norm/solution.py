import torch
from torch import Tensor


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Give every row of x [..., D] mean 0 and variance 1, then times weight [D], plus bias [D] -> [..., D], dtype of x."""
    x32 = x.float()  # in half precision the square of 300 is already infinite
    centred = x32 - x32.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return (centred * torch.rsqrt(variance + eps) * weight + bias).to(x.dtype)
