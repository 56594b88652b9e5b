"""What cispo_loss must do. Oracle: the formula in float64, with the weight as a plain number."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logp_N: Tensor, old_logp_N: Tensor, advantage_N: Tensor, high: float) -> Tensor:
    pairs = zip(logp_N.double().tolist(), old_logp_N.double().tolist())
    weights = torch.tensor([min(math.exp(new - old), high) for new, old in pairs], dtype=torch.float64)
    return (-(weights * advantage_N.double()) * logp_N.double()).to(logp_N.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, ratios: list[float], advantages: list[float], high: float, zh: str, en: str) -> Case:
        old = -normal(rng, len(ratios)).abs() - 1
        logp = old + torch.tensor(ratios).log()
        return Case(name, (logp, old, torch.tensor(advantages), high), grad=True, slack=64, about=Text(zh, en))

    spread = normal(rng, 30).exp().tolist()
    example = (torch.tensor([-1.0]), torch.tensor([-3.0]), torch.tensor([2.0]), 5.0)
    return [
        Case("example", example, grad=True, slack=64, about=Text("题目里的例子", "the example of the task")),
        case("uncut", [0.5, 0.9, 1.2], [1.0, -1.0, 2.0], 5.0, "没有一个要截断", "nothing to cut"),
        case("cut", [3.0, 8.0, 20.0], [1.0, -1.0, 2.0], 2.0, "都要截断", "all are cut"),
        case(
            "small_ratios", [0.01, 0.1], [1.0, -1.0], 2.0, "比值很小：下面不截断", "small ratios: there is no lower cut"
        ),
        case("first_step", [1.0, 1.0], [1.0, -1.0], 5.0, "第一步：比值都是 1", "the first step: all ratios are 1"),
        case("many", spread, normal(rng, 30).tolist(), 1.5, "三十个词元", "thirty tokens"),
    ]
