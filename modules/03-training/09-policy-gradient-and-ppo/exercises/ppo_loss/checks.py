"""What ppo_loss must do. Oracle: written case by case, with the ratio held only where the token went too far the favourable way."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logp_N: Tensor, old_logp_N: Tensor, advantage_N: Tensor, clip: float) -> Tensor:
    ratio = (logp_N.double() - old_logp_N.double()).exp()
    advantage = advantage_N.double()
    up = (advantage > 0) & (ratio > 1 + clip)
    down = (advantage < 0) & (ratio < 1 - clip)
    held = torch.where(up, torch.full_like(ratio, 1 + clip), torch.full_like(ratio, 1 - clip))
    return (-torch.where(up | down, held, ratio) * advantage).to(logp_N.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, ratios: list[float], advantages: list[float], zh: str, en: str, clip: float = 0.2) -> Case:
        old = -normal(rng, len(ratios)).abs() - 1
        logp = old + torch.tensor(ratios).log()
        graded = all(
            advantages
        )  # at an advantage of 0 both sides are equal, and the gradient to it is a matter of taste
        return Case(name, (logp, old, torch.tensor(advantages), clip), grad=graded, slack=64, about=Text(zh, en))

    spread = (0.6 * normal(rng, 40)).exp().tolist()
    return [
        case("example", [1.5, 1.5], [1.0, -1.0], "题目里的例子", "the example of the task"),
        case("good_and_likelier", [1.1, 1.3, 2.0], [1.0, 2.0, 0.5], "好的词元，更可能了", "good tokens, more likely"),
        case("good_and_rarer", [0.95, 0.7, 0.3], [1.0, 2.0, 0.5], "好的词元，更不可能了", "good tokens, less likely"),
        case("bad_and_rarer", [0.95, 0.7, 0.3], [-1.0, -2.0, -0.5], "坏的词元，更不可能了", "bad tokens, less likely"),
        case("bad_and_likelier", [1.1, 1.3, 2.0], [-1.0, -2.0, -0.5], "坏的词元，更可能了", "bad tokens, more likely"),
        case("first_step", [1.0, 1.0, 1.0], [1.0, -1.0, 0.5], "第一步：比值都是 1", "the first step: all ratios are 1"),
        case("many", spread, normal(rng, 40).tolist(), "四十个词元", "forty tokens"),
        case("other_clip", spread[:10], normal(rng, 10).tolist(), "另一个裁剪范围", "another clip range", clip=0.05),
        case("nothing_expected", [1.5, 0.5], [0.0, 0.0], "优势是 0", "advantages of 0"),
    ]
