import torch
from torch import Tensor


def sample(
    logits_BV: Tensor,
    uniform_B: Tensor,
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    """Draw one token id a row, int64 [B], after temperature, top-k, top-p and min-p; `uniform_B` lies in [0, 1)."""
    logits = logits_BV / temperature
    if top_k > 0:
        kth = logits.topk(min(top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < kth, float("-inf"))
    if top_p < 1:
        ordered, order = logits.sort(dim=-1)
        drop = ordered.softmax(-1).cumsum(-1) <= 1 - top_p  # the least likely tokens, together at most 1 - p
        drop[:, -1] = False  # the most likely one stays
        logits = logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), float("-inf"))
    if min_p > 0:
        p = logits.softmax(-1)
        logits = logits.masked_fill(p < min_p * p.amax(-1, keepdim=True), float("-inf"))

    p = logits.softmax(-1)
    ids = (p.cumsum(-1) <= uniform_B[:, None]).sum(-1)
    places = torch.arange(p.shape[-1]).expand_as(p)
    last = places.masked_fill(p == 0, 0).amax(-1)  # rounding may leave every sum below u
    return torch.minimum(ids, last)
