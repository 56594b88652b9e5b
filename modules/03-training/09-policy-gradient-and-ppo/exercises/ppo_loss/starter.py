from torch import Tensor


def ppo_loss(logp_N: Tensor, old_logp_N: Tensor, advantage_N: Tensor, clip: float) -> Tensor:
    """The clipped loss of PPO for every token.

    logp_N: [N], log-probabilities under the policy that is trained; old_logp_N: [N], under the one that sampled the tokens;
    advantage_N: [N]. Returns [N], to be minimised.
    """
    raise NotImplementedError
