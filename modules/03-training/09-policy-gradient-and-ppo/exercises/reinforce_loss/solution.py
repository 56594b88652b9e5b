from torch import Tensor


def reinforce_loss(logp_NT: Tensor, mask_NT: Tensor, return_N: Tensor, baseline_N: Tensor) -> Tensor:
    """A scalar whose gradient is the policy gradient: the mean over answers of -(return - baseline) times log p of the answer."""
    answer_logp_N = (logp_NT * mask_NT).sum(1)
    advantage_N = (return_N - baseline_N).detach()
    return -(advantage_N * answer_logp_N).mean()
