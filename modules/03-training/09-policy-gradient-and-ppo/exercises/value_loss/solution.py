import torch
from torch import Tensor


def value_loss(value_N: Tensor, old_value_N: Tensor, return_N: Tensor, clip: float) -> Tensor:
    """Half the squared error of every value, [N]; moving further than `clip` from its old one gains a value nothing."""
    held_N = old_value_N + (value_N - old_value_N).clamp(-clip, clip)
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (held_N - return_N) ** 2)
