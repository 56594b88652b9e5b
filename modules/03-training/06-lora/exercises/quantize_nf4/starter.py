from torch import Tensor


def quantize_nf4(w: Tensor, codebook: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """(numbers of the nearest values, uint8 [blocks, block]; the largest absolute value of every block, float32 [blocks])."""
    raise NotImplementedError
