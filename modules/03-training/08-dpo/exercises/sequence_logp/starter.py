from torch import Tensor


def sequence_logp(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """log p of every answer, [B]: the sum over its tokens; labels of -100 are no part of it."""
    raise NotImplementedError
