"""Losses of preference learning, over log-probabilities of whole answers: one number a pair, or a judged answer.

`chosen` and `rejected` are log p(answer | prompt) of the model that is trained, sums over the answer's tokens, fp32 [N];
`ref_` the same of the reference, which is the model as it was before. `lengths` are the answers' tokens. A reward is what a
loss takes the model to think of an answer; what a loss does is push the reward of the chosen one above that of the other.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.parts import REFERENCE

CERTAIN = -1e-6  # log of a probability that is 1 as far as fp32 knows


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    ref_chosen: Tensor,
    ref_rejected: Tensor,
    beta: float,
    label_smoothing: float = 0.0,
    pair_loss: Callable[..., Tensor] = REFERENCE.dpo_loss,
) -> Tensor:
    """The part of that name, `pair_loss`; with a share `label_smoothing` of pairs taken to be the wrong way round (cDPO, Mitchell,
    2023)."""
    losses = pair_loss(chosen, rejected, ref_chosen, ref_rejected, beta)
    if not label_smoothing:
        return losses
    turned = pair_loss(rejected, chosen, ref_rejected, ref_chosen, beta)
    return (1 - label_smoothing) * losses + label_smoothing * turned


def ipo_loss(
    chosen: Tensor,
    rejected: Tensor,
    ref_chosen: Tensor,
    ref_rejected: Tensor,
    beta: float,
    lengths: tuple[Tensor, Tensor],
) -> Tensor:
    """(difference of mean log-ratios - 1 / 2β)²: the difference has a goal, and once there it rests.

    IPO, Azar et al. (2023), arXiv:2310.12036, with means over tokens, so that β does not depend on how long answers are.
    """
    difference = (chosen - ref_chosen) / lengths[0] - (rejected - ref_rejected) / lengths[1]
    return (difference - 1 / (2 * beta)) ** 2


def simpo_loss(chosen: Tensor, rejected: Tensor, beta: float, gamma: float, lengths: tuple[Tensor, Tensor]) -> Tensor:
    """-log σ(β · difference of mean log-probabilities - γ): no reference, and no reward for being long.

    SimPO, Meng et al. (2024), arXiv:2405.14734.
    """
    return -F.logsigmoid(beta * (chosen / lengths[0] - rejected / lengths[1]) - gamma)


def orpo_loss(chosen: Tensor, rejected: Tensor, beta: float, lengths: tuple[Tensor, Tensor]) -> Tensor:
    """Fine-tuning on the chosen answer, and β times -log σ(log of the ratio of the odds of both): no reference.

    ORPO, Hong et al. (2024), arXiv:2403.07691.
    """
    mean_chosen, mean_rejected = chosen / lengths[0], rejected / lengths[1]
    chosen, rejected = (x.clamp(max=CERTAIN) for x in (mean_chosen, mean_rejected))  # certainty has no odds
    log_odds = (chosen - rejected) - (log1mexp(chosen) - log1mexp(rejected))
    return -mean_chosen - beta * F.logsigmoid(log_odds)


def kto_loss(logps: Tensor, ref: Tensor, good: Tensor, kl: Tensor, beta: float, weights: tuple[float, float]) -> Tensor:
    """w · (1 - σ(±β · (log-ratio - reference point))): every answer for itself, + for a good and - for a bad one.

    `kl`: the reference point, a number without gradient, at least 0; `weights`: of good answers, of bad ones.
    KTO, Ethayarajh et al. (2024), arXiv:2402.01306.
    """
    value = torch.sigmoid(beta * torch.where(good, (logps - ref) - kl, kl - (logps - ref)))
    return torch.where(good, weights[0], weights[1]) * (1 - value)


def reward_loss(chosen: Tensor, rejected: Tensor, margin: Tensor, centre: float) -> Tensor:
    """-log σ(r_chosen - r_rejected - margin): Bradley–Terry (1952), as in Ouyang et al. (2022), arXiv:2203.02155.

    The loss knows only differences; `centre` · (sum of both)² holds their mean near 0 (Eisenstein et al., 2023, arXiv:2312.09244).
    """
    return -F.logsigmoid(chosen - rejected - margin) + centre * (chosen + rejected) ** 2


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^x) of x < 0, exact near 0 and far from it (Mächler, 2012)."""
    near = x > -0.6931
    return torch.where(
        near, torch.log(-torch.expm1(torch.where(near, x, -1.0))), torch.log1p(-torch.exp(torch.where(near, -1.0, x)))
    )
