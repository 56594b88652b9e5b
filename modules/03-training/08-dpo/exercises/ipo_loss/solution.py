from torch import Tensor


def ipo_loss(chosen_B: Tensor, rejected_B: Tensor, ref_chosen_B: Tensor, ref_rejected_B: Tensor, tau: float) -> Tensor:
    """The loss of every pair, [B], from log-probabilities of answers under the model and under its reference."""
    margin_B = (chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)
    return (margin_B - 1 / (2 * tau)) ** 2
