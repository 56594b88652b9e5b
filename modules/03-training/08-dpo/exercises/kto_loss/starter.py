from torch import Tensor


def kto_loss(logps_B: Tensor, ref_B: Tensor, good_B: Tensor, kl: float, beta: float) -> Tensor:
    """The loss of every judged answer, [B]; good_B is bool, kl the reference point."""
    raise NotImplementedError
