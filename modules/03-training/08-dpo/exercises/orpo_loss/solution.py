import torch
import torch.nn.functional as F
from torch import Tensor


def orpo_loss(chosen_B: Tensor, rejected_B: Tensor, nll_B: Tensor, lam: float) -> Tensor:
    """The loss of every pair, [B], from mean log-probabilities of a token and the loss of fine-tuning on the chosen answer."""
    log_odds_B = (chosen_B - torch.log(-torch.expm1(chosen_B))) - (rejected_B - torch.log(-torch.expm1(rejected_B)))
    return nll_B - lam * F.logsigmoid(log_odds_B)
