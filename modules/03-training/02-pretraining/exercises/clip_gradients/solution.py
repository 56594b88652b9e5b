import torch
from torch import Tensor


def clip_gradients(grads: list[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients in place so that their total L2 norm is at most `max_norm`; return the norm from before."""
    norm = torch.stack([grad.square().sum() for grad in grads]).sum().sqrt()
    factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    for grad in grads:
        grad.mul_(factor)
    return norm
