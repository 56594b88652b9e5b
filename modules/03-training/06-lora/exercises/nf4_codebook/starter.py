from torch import Tensor


def nf4_codebook() -> Tensor:
    """The 16 values of NF4, sorted, float32 [16]."""
    raise NotImplementedError
