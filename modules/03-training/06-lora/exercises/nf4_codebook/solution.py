import torch
from torch import Tensor


def nf4_codebook() -> Tensor:
    """The 16 values of NF4, sorted, float32 [16]."""

    def quantiles(count: int) -> Tensor:
        steps = torch.linspace(0.9677083, 0.5, count + 1, dtype=torch.float64)[:-1]
        return torch.special.ndtri(steps)

    values = torch.cat((-quantiles(7), torch.zeros(1, dtype=torch.float64), quantiles(8))).sort().values
    return (values / values.max()).float()
