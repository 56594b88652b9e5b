from torch import Tensor


def whiten(x_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the numbers that the mask keeps, [N, T]; 0 elsewhere."""
    raise NotImplementedError
