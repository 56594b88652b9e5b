from torch import Tensor


def kl_estimate(logp_N: Tensor, ref_logp_N: Tensor, kind: str) -> Tensor:
    """An estimate of KL(policy ‖ reference) for every sampled token, in nats.

    logp_N, ref_logp_N: [N], the log-probabilities of tokens that the policy sampled, under the policy and under the reference.
    kind: "k1", "k2" or "k3". Returns [N].
    """
    difference_N = ref_logp_N - logp_N
    if kind == "k1":
        return -difference_N
    if kind == "k2":
        return difference_N.square() / 2
    return difference_N.exp() - 1 - difference_N
