from torch import Tensor


def tied_logits(hidden: Tensor, embedding: Tensor) -> Tensor:
    """Score every token: hidden [..., D] and embedding [V, D] -> logits [..., V] in float32."""
    return hidden.float() @ embedding.float().T
