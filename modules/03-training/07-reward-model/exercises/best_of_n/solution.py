from math import comb

from torch import Tensor


def best_of_n(scores_K: Tensor, n: int) -> float:
    """The mean of the greatest of n scores, over all ways to draw n of the K."""
    ordered, total = sorted(scores_K.tolist()), comb(len(scores_K), n)
    return sum(score * (comb(i, n - 1) / total) for i, score in enumerate(ordered))
