import torch
from torch import Tensor


def reward_at_end(hidden_BTD: Tensor, lengths_B: Tensor, weight_D: Tensor) -> Tensor:
    """The rewards of B answers, [B]: the head on the hidden state of the last token of each."""
    return hidden_BTD[torch.arange(len(lengths_B)), lengths_B - 1] @ weight_D
