from torch import Tensor


def cross_entropy(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Sum of -ln p(target) over the N positions, in float32; a target of -100 counts nothing."""
    logits = logits_NV.float()
    scores = logits.gather(-1, targets_N.clamp(min=0)[:, None])[
        :, 0
    ]  # -100 is no index: any row will do, it is masked below
    losses = logits.logsumexp(-1) - scores
    return losses.masked_fill(targets_N == -100, 0.0).sum()
