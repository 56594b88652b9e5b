from torch import Tensor


def bt_loss(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    """Mean over pairs of -log of the probability that the chosen answer wins; a number (0 dimensions)."""
    raise NotImplementedError
