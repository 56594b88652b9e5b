import math

import torch
from torch import Tensor


def yarn_frequencies(
    dim: int,
    base: float,
    factor: float,
    original_length: int,
    beta_fast: float = 32.0,
    beta_slow: float = 1.0,
) -> tuple[Tensor, float]:
    """RoPE frequencies stretched by parts for a context `factor` times as long -> (fp32 [dim/2], attention factor)."""
    raise NotImplementedError
