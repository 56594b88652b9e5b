import torch
from torch import Tensor


def ppo_loss(logp_N: Tensor, old_logp_N: Tensor, advantage_N: Tensor, clip: float) -> Tensor:
    """The clipped loss of PPO for every token.

    logp_N: [N], log-probabilities under the policy that is trained; old_logp_N: [N], under the one that sampled the tokens;
    advantage_N: [N]. Returns [N], to be minimised.
    """
    ratio_N = (logp_N - old_logp_N).exp()
    held_N = ratio_N.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio_N * advantage_N, held_N * advantage_N)
