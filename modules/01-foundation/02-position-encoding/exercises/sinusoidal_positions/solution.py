import torch
from torch import Tensor


def sinusoidal_positions(num_positions: int, dim: int) -> Tensor:
    """The encodings of positions 0, 1, …: sines in the even columns, cosines in the odd -> fp32 [num_positions, dim]."""
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    even_columns = torch.arange(0, dim, 2, dtype=torch.float64)
    angles = positions / 10000 ** (even_columns / dim)
    table = torch.empty(num_positions, dim, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles[:, : dim // 2].cos()  # an odd dim has one cosine fewer
    return table.float()
