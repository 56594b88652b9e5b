from torch import Tensor


def best_of_n(scores_K: Tensor, n: int) -> float:
    """The mean of the greatest of n scores, over all ways to draw n of the K."""
    raise NotImplementedError
