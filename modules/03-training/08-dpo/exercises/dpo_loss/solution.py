import torch.nn.functional as F
from torch import Tensor


def dpo_loss(chosen_B: Tensor, rejected_B: Tensor, ref_chosen_B: Tensor, ref_rejected_B: Tensor, beta: float) -> Tensor:
    """The loss of every pair, [B], from log-probabilities of whole answers under the model and under its reference."""
    margin_B = (chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)
    return -F.logsigmoid(beta * margin_B)
