import torch
from torch import Tensor


def softmax(x: Tensor, dim: int) -> Tensor:
    """Weights along `dim` that are >= 0 and add up to 1; same shape and dtype as `x`."""
    x32 = x.float()
    # A constant subtracted from every score cancels in the quotient; with the maximum, exp never sees a number above 0.
    exponentials = torch.exp(x32 - x32.amax(dim, keepdim=True))
    return (exponentials / exponentials.sum(dim, keepdim=True)).to(x.dtype)
