import torch
from torch import Tensor


def gae(rewards_T: Tensor, values_T: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates of the tokens of one answer.

    rewards_T: [T], the reward that came with each token; values_T: [T], what the critic expected before each token. After the
    last token the answer is over, and nothing more is to come. Returns [T].
    """
    advantages = torch.zeros_like(rewards_T)
    ahead, next_value = 0.0, 0.0
    for t in reversed(range(len(rewards_T))):
        delta = rewards_T[t] + gamma * next_value - values_T[t]
        ahead = delta + gamma * lam * ahead
        advantages[t] = ahead
        next_value = values_T[t]
    return advantages
