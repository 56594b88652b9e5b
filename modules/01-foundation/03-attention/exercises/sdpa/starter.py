import torch


def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Attention of queries [..., T, D] over keys [..., S, D] and values [..., S, E] -> [..., T, E].

    `mask`: None, or bool that broadcasts to [..., T, S], True = may attend. A query that sees nothing gives zeros.
    """
    raise NotImplementedError
