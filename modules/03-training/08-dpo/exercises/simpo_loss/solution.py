import torch.nn.functional as F
from torch import Tensor


def simpo_loss(
    chosen_B: Tensor,
    rejected_B: Tensor,
    chosen_lengths_B: Tensor,
    rejected_lengths_B: Tensor,
    beta: float,
    gamma: float,
) -> Tensor:
    """The loss of every pair, [B], from log-probabilities of whole answers (sums) and how many tokens they have."""
    margin_B = chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B
    return -F.logsigmoid(beta * margin_B - gamma)
