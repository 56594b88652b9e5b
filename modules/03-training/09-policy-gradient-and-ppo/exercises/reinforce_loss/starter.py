from torch import Tensor


def reinforce_loss(logp_NT: Tensor, mask_NT: Tensor, return_N: Tensor, baseline_N: Tensor) -> Tensor:
    """A scalar whose gradient is the policy gradient: the mean over answers of -(return - baseline) times log p of the answer."""
    raise NotImplementedError
