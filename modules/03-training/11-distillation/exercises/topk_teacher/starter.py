from torch import Tensor


def topk_teacher(logits_NV: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k most probable tokens of every position: (probabilities [N, k] in float32 that add up to 1, ids [N, k])."""
    raise NotImplementedError
