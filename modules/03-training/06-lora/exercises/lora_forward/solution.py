from torch import Tensor


def lora_forward(x: Tensor, W: Tensor, A: Tensor, B: Tensor, alpha: float, r: int) -> Tensor:
    """A linear layer with LoRA: x [..., in], W [out, in], A [r, in], B [out, r] -> [..., out]."""
    return x @ W.T + (alpha / r) * (x @ A.T) @ B.T
