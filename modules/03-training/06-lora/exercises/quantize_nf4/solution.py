import torch
from torch import Tensor


def quantize_nf4(w: Tensor, codebook: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """(numbers of the nearest values, uint8 [blocks, block]; the largest absolute value of every block, float32 [blocks])."""
    blocks = w.float().reshape(-1, block)
    absmax = blocks.abs().amax(1)
    unit = blocks / absmax.clamp(min=1e-30)[:, None]
    codes = (unit[..., None] - codebook).abs().argmin(-1)
    return codes.to(torch.uint8), absmax
