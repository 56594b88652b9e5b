from torch import Tensor


def orpo_loss(chosen_B: Tensor, rejected_B: Tensor, nll_B: Tensor, lam: float) -> Tensor:
    """The loss of every pair, [B], from mean log-probabilities of a token and the loss of fine-tuning on the chosen answer."""
    raise NotImplementedError
