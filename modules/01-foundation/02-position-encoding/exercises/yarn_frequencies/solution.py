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

    def pair_with(turns: float) -> float:  # the frequency formula solved for i: turns = original_length * f_i / 2 pi
        return dim * math.log(original_length / (turns * 2 * math.pi)) / (2 * math.log(base))

    low = max(math.floor(pair_with(beta_fast)), 0)
    high = min(math.ceil(pair_with(beta_slow)), dim - 1)
    i = torch.arange(dim // 2, dtype=torch.float32)
    ramp = ((i - low) / max(high - low, 0.001)).clamp(0, 1)  # 0: fast, keep; 1: slow, stretch
    frequencies = base ** (-2 * i / dim)
    return frequencies * (1 - ramp) + frequencies / factor * ramp, 0.1 * math.log(factor) + 1.0
