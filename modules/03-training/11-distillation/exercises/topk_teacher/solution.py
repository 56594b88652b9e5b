from torch import Tensor


def topk_teacher(logits_NV: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k most probable tokens of every position: (probabilities [N, k] in float32 that add up to 1, ids [N, k])."""
    values, ids = logits_NV.float().topk(min(k, logits_NV.shape[-1]), dim=-1)
    return values.softmax(-1), ids
