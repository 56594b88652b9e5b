from torch import Tensor


def dora_forward(x: Tensor, W: Tensor, A: Tensor, B: Tensor, m: Tensor, alpha: float, r: int) -> Tensor:
    """A linear layer with DoRA: x [..., in], W [out, in], A [r, in], B [out, r], m [out] -> [..., out]."""
    raise NotImplementedError
