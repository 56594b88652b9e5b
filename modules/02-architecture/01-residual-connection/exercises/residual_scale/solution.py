from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def residual_scale(weights: Sequence[Tensor], num_layers: int) -> None:
    """Multiply every residual projection in place by 1/sqrt(2 * num_layers) (GPT-2's initialisation)."""
    factor = (2 * num_layers) ** -0.5  # two additions to the stream in every layer
    for weight in weights:
        weight.mul_(factor)
