from torch import Tensor


def value_loss(value_N: Tensor, old_value_N: Tensor, return_N: Tensor, clip: float) -> Tensor:
    """Half the squared error of every value, [N]; moving further than `clip` from its old one gains a value nothing."""
    raise NotImplementedError
