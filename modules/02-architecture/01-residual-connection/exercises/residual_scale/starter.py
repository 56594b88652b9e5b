from collections.abc import Sequence

import torch
from torch import Tensor


def residual_scale(weights: Sequence[Tensor], num_layers: int) -> None:
    """Multiply every residual projection in place by 1/sqrt(2 * num_layers) (GPT-2's initialisation)."""
    raise NotImplementedError
