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
    raise NotImplementedError
