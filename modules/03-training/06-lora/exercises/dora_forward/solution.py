from torch import Tensor


def dora_forward(x: Tensor, W: Tensor, A: Tensor, B: Tensor, m: Tensor, alpha: float, r: int) -> Tensor:
    """A linear layer with DoRA: x [..., in], W [out, in], A [r, in], B [out, r], m [out] -> [..., out]."""
    scale = alpha / r
    lengths = (W + scale * B @ A).detach().norm(dim=1)
    return (x @ W.T + scale * (x @ A.T) @ B.T) * (m / lengths)
