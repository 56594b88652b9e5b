import torch
from torch import Tensor


def sinusoidal_positions(num_positions: int, dim: int) -> Tensor:
    """The encodings of positions 0, 1, …: sines in the even columns, cosines in the odd -> fp32 [num_positions, dim]."""
    raise NotImplementedError
