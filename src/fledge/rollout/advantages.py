"""How much better an episode was than expected, in four ways: than its group, than the prompt before, than the critic said.

Letters: G groups, N episodes of one prompt, T tokens that the model chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

TINY = 1e-4  # beside a standard deviation (as in TRL): a group of equal rewards has none


def group_advantage(rewards_GN: Tensor, normalise: bool = True) -> Tensor:
    """Reward minus the mean of its group, [G, N] (GRPO; Shao et al., 2024, arXiv:2402.03300, eq. 3).

    `normalise` divides by the group's standard deviation (N - 1 below). Dr. GRPO leaves that out: it makes questions that are
    nearly always, or nearly never, answered rightly count the most (Liu et al., 2025, arXiv:2503.20783).
    """
    centred = rewards_GN - rewards_GN.mean(1, keepdim=True)
    return centred / (rewards_GN.std(1, keepdim=True) + TINY) if normalise else centred


def zero_signal(rewards_GN: Tensor) -> Tensor:
    """Bool [G]: groups whose rewards are all equal; nothing can be learned from them."""
    return rewards_GN.max(1).values == rewards_GN.min(1).values


def gae(
    rewards_T: Sequence[float], values_T: Sequence[float], gamma: float, lam: float
) -> tuple[list[float], list[float]]:
    """Generalised advantage estimates of one episode's tokens, and the returns that the critic learns: (advantages, returns).

    `values_T[t]` is what the critic expected before token t; after the last one nothing more is to come. A_t = δ_t + γλ A_{t+1}
    with δ_t = r_t + γ V_{t+1} - V_t (Schulman et al., 2016, arXiv:1506.02438, eq. 16), the return is A_t + V_t.
    """
    advantages = [0.0] * len(rewards_T)
    ahead = next_value = 0.0
    for t in reversed(range(len(rewards_T))):
        delta = rewards_T[t] + gamma * next_value - values_T[t]
        ahead = delta + gamma * lam * ahead
        advantages[t], next_value = ahead, values_T[t]
    return advantages, [advantage + value for advantage, value in zip(advantages, values_T)]


def whiten(values_N: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 (a single value, or equal ones, become 0)."""
    centred = values_N - values_N.mean()
    spread = centred.square().mean().sqrt()
    if spread <= 1e-6 * values_N.abs().max():  # equal but for the rounding of their mean, which is no signal
        return values_N * 0
    return centred / (spread + 1e-8)


class Baseline:
    """What a prompt's answers were worth so far (SPO, single-stream policy optimization; Xu and Ding, 2025, arXiv:2509.13232).

    A running mean of its rewards in which every visit makes the earlier ones count `decay` times as much, because the policy
    has changed since. For rewards 0 and 1 it is the mean of the paper's Beta tracker. A prompt begins at the running mean of
    all prompts, as firmly as 1 / (1 - decay) visits would make it.
    """

    def __init__(self, decay: float):
        self.decay = decay
        self.of: dict[str, list[float]] = {}  # prompt -> [decayed sum of rewards, decayed count]
        self.all = [0.0, 0.0]

    def state_dict(self) -> dict[str, Any]:
        return {"of": self.of, "all": self.all}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.of, self.all = state["of"], state["all"]

    def expected(self, prompt: int) -> float:
        """The mean that is expected of a prompt's next answer; 0 before any was seen."""
        total, count = self.of.get(str(prompt), self.all)
        return total / count if count else 0.0

    def learn(self, prompt: int, reward: float) -> None:
        firm = 1 / (1 - self.decay)
        total, count = self.of.get(str(prompt), (firm * self.expected(prompt), firm if self.all[1] else 0.0))
        self.of[str(prompt)] = [self.decay * total + reward, self.decay * count + 1]
        self.all = [ALL_DECAY * self.all[0] + reward, ALL_DECAY * self.all[1] + 1]


ALL_DECAY = 0.99  # of the mean of all prompts: about the last hundred answers
