from torch import Tensor


def cispo_loss(logp_N: Tensor, old_logp_N: Tensor, advantage_N: Tensor, high: float) -> Tensor:
    """The loss of CISPO for every token: a policy gradient whose importance weight is cut at `high`.

    logp_N: [N], log-probabilities under the policy that is trained; old_logp_N: [N], under the one that sampled the tokens;
    advantage_N: [N]. Returns [N], to be minimised.
    """
    weight_N = (logp_N - old_logp_N).exp().clamp(max=high).detach()
    return -weight_N * advantage_N * logp_N
