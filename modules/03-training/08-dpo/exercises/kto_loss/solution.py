import torch
from torch import Tensor


def kto_loss(logps_B: Tensor, ref_B: Tensor, good_B: Tensor, kl: float, beta: float) -> Tensor:
    """The loss of every judged answer, [B]; good_B is bool, kl the reference point."""
    ahead_B = (logps_B - ref_B) - max(kl, 0.0)
    return 1 - torch.sigmoid(beta * torch.where(good_B, ahead_B, -ahead_B))
