import torch


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Attention of queries [..., T, D] over keys [..., S, D] and values [..., S, E] -> [..., T, E].

    `mask`: None, or bool that broadcasts to [..., T, S], True = may attend. A query that sees nothing gives zeros.
    """
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is None:
        return scores.softmax(-1) @ v
    # A finite lowest number instead of -inf: a row that sees nothing then stays free of nan, in the gradient too.
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)
    return weights.masked_fill(~mask, 0) @ v
