import torch
from torch import Tensor


def double_quant(scales: Tensor, block: int) -> tuple[Tensor, Tensor, float]:
    """(codes int8 [blocks, block]; the largest absolute value of every block, float32 [blocks]; the mean that was taken off)."""
    offset = scales.float().mean()
    blocks = (scales.float() - offset).reshape(-1, block)
    absmax = blocks.abs().amax(1)
    codes = torch.round(blocks / absmax.clamp(min=1e-30)[:, None] * 127)
    return codes.to(torch.int8), absmax, offset.item()
