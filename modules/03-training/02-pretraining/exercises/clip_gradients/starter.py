import torch
from torch import Tensor


def clip_gradients(grads: list[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients in place so that their total L2 norm is at most `max_norm`; return the norm from before."""
    raise NotImplementedError
