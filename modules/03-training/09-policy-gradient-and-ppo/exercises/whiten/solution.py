import torch
from torch import Tensor


def whiten(x_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the numbers that the mask keeps, [N, T]; 0 elsewhere."""
    kept = x_NT[mask_NT]
    centred = kept - kept.mean()
    out_NT = torch.zeros_like(x_NT)
    out_NT[mask_NT] = centred / (centred.square().mean().sqrt() + 1e-8)
    return out_NT
