from torch import Tensor


def reward_at_end(hidden_BTD: Tensor, lengths_B: Tensor, weight_D: Tensor) -> Tensor:
    """The rewards of B answers, [B]: the head on the hidden state of the last token of each."""
    raise NotImplementedError
