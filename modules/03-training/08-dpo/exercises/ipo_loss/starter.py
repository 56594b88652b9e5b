from torch import Tensor


def ipo_loss(chosen_B: Tensor, rejected_B: Tensor, ref_chosen_B: Tensor, ref_rejected_B: Tensor, tau: float) -> Tensor:
    """The loss of every pair, [B], from log-probabilities of answers under the model and under its reference."""
    raise NotImplementedError
