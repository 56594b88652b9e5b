"""What reinforce_loss must do. Oracle: answer by answer, token by token, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logp_NT: Tensor, mask_NT: Tensor, return_N: Tensor, baseline_N: Tensor) -> Tensor:
    total = logp_NT.new_zeros((), dtype=torch.float64)
    for logp_T, mask_T, got, expected in zip(logp_NT.double(), mask_NT, return_N.tolist(), baseline_N.tolist()):
        total = total - (got - expected) * logp_T[mask_T].sum()
    zero = 0 * (return_N.double().sum() + baseline_N.double().sum())  # they are numbers: a gradient of 0
    return (total / len(logp_NT) + zero).to(logp_NT.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, lengths: list[int], zh: str, en: str, *, before: int = 0, level: float = 0.0) -> Case:
        count, longest = len(lengths), before + max(lengths)
        places = torch.arange(longest)
        mask = (places >= before) & (places < before + torch.tensor(lengths)[:, None])
        logp = -normal(rng, count, longest).abs() - 0.1
        args = (logp, mask, normal(rng, count) + level, 0.5 * normal(rng, count) + level)
        return Case(name, args, grad=True, length=count * longest, slack=64, about=Text(zh, en))

    example = torch.tensor([[-1.5, -0.5], [-1.0, -7.0]]), torch.tensor([[True, True], [True, False]])
    return [
        Case(
            "example",
            (*example, torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5])),
            grad=True,
            about=Text("题目里的例子", "the example of the task"),
        ),
        case("even", [5, 5, 5], "一样长的回答", "answers of one length"),
        case("uneven", [1, 7, 3, 4], "长短不一", "answers of several lengths"),
        case("prompts", [4, 2, 3], "前面有问题", "prompts before them", before=3),
        case("large_rewards", [3, 6], "回报都在 10 上下", "returns near 10", level=10.0),
        case("one", [6], "只有一个回答", "a single answer"),
    ]
