from torch import Tensor


def merge_lora(W: Tensor, A: Tensor, B: Tensor, alpha: float, r: int) -> Tensor:
    """The plain weight [out, in], of W's dtype, that W with this LoRA amounts to. W itself stays as it is."""
    merged = W.float() + (alpha / r) * (B.float() @ A.float())
    return merged.to(W.dtype)
