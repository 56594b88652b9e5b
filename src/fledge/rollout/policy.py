"""Policy losses of single tokens, and the pass over packed rows that gives their log-probabilities.

Log-probabilities of the policy, of its older self and of the reference come from one function, in one dtype, at the sampling
temperature: before the first step every ratio is 1 and every KL is 0. Letters: N chosen tokens, V vocabulary, D hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["grpo", "dr_grpo", "dapo", "cispo"]


@dataclass(frozen=True)
class Rule:
    """What a variant of GRPO changes.

    Attributes:
        clip_high: how far a ratio may rise above 1; for CISPO the largest weight.
        mean: over what the loss is a mean: "sequence" (every answer counts the same), "token" (every token), or "constant"
            (a sum, divided by the longest answer that is allowed).
        normalise: whether advantages are divided by the group's standard deviation.
    """

    clip_high: float
    mean: Literal["sequence", "token", "constant"]
    normalise: bool


RULES: dict[Kind, Rule] = {
    "grpo": Rule(0.2, "sequence", True),
    "dr_grpo": Rule(0.2, "constant", False),
    "dapo": Rule(0.28, "token", True),
    "cispo": Rule(5.0, "token", True),
}
"""GRPO (arXiv:2402.03300); Dr. GRPO (arXiv:2503.20783); DAPO: higher upper clip, token mean (arXiv:2503.14476); CISPO: the
importance weight is clipped, the gradient never is (MiniMax-M1, arXiv:2506.13585)."""


def clipped_loss(logp_N: Tensor, old_N: Tensor, advantage_N: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """PPO's surrogate: (loss of every token, bool whether it was clipped, so that it has no gradient), both [N].

    -min(r A, clip(r, 1 - low, 1 + high) A) with r = exp(logp - old) (Schulman et al., 2017, arXiv:1707.06347, eq. 7).
    """
    ratio_N = (logp_N - old_N).exp()
    free, held = ratio_N * advantage_N, ratio_N.clamp(1 - low, 1 + high) * advantage_N
    return -torch.minimum(free, held), (free > held).detach()


def cispo_loss(logp_N: Tensor, old_N: Tensor, advantage_N: Tensor, high: float) -> tuple[Tensor, Tensor]:
    """-min(r, high) A logp with the weight detached: (loss of every token, bool whether its weight was cut)."""
    ratio_N = (logp_N - old_N).exp().detach()
    return -ratio_N.clamp(max=high) * advantage_N * logp_N, ratio_N > high


def policy_loss(
    kind: Kind, logp_N: Tensor, old_N: Tensor, advantage_N: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """The loss of every token in one variant, and which were clipped."""
    if kind == "cispo":
        return cispo_loss(logp_N, old_N, advantage_N, high)
    return clipped_loss(logp_N, old_N, advantage_N, low, high)


def k3(logp_N: Tensor, reference_N: Tensor) -> Tensor:
    """An estimate of KL(policy ‖ reference) from one sample, never negative: exp(d) - d - 1 with d = reference - logp
    (Schulman, 2020, "Approximating KL divergence")."""
    difference_N = reference_N - logp_N
    return difference_N.exp() - difference_N - 1


def value_loss(value_N: Tensor, old_N: Tensor, return_N: Tensor, clip: float) -> Tensor:
    """Half the squared error of the critic, [N]; a value may gain nothing by moving further than `clip` from its old one."""
    held_N = old_N + (value_N - old_N).clamp(-clip, clip)
    return 0.5 * torch.maximum((value_N - return_N).square(), (held_N - return_N).square())
