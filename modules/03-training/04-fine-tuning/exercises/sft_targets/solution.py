import torch
from torch import Tensor


def sft_targets(ids_T: Tensor, answer_T: Tensor) -> Tensor:
    """Next-token targets, int64 [T]; -100 where the next token is not part of an answer, and at the end."""
    targets = torch.full_like(ids_T, -100)
    targets[:-1] = torch.where(answer_T[1:], ids_T[1:], -100)
    return targets
