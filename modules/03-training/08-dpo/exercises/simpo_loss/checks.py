"""What simpo_loss must do. Oracle: log(1 + exp(-x)), pair by pair, in Python's floats."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(
    chosen_B: Tensor,
    rejected_B: Tensor,
    chosen_lengths_B: Tensor,
    rejected_lengths_B: Tensor,
    beta: float,
    gamma: float,
) -> Tensor:
    x = beta * (chosen_B.double() / chosen_lengths_B - rejected_B.double() / rejected_lengths_B) - gamma
    return torch.logaddexp(torch.zeros_like(x), -x).to(chosen_B.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def lengths(count: int) -> Tensor:
        return torch.randint(1, 40, (count,), generator=rng)

    def case(name: str, count: int, beta: float, gamma: float, zh: str, en: str) -> Case:
        chosen, rejected = lengths(count), lengths(count)
        sums = [-(normal(rng, count).abs() + 0.2) * size for size in (chosen, rejected)]
        return Case(name, (*sums, chosen, rejected, beta, gamma), grad=True, slack=64, about=Text(zh, en))

    one, two = torch.tensor([1, 3]), torch.tensor([3, 1])
    far = torch.tensor([-900.0, -1.0]), torch.tensor([-2.0, -700.0])
    example = torch.tensor([-6.0]), torch.tensor([-4.0]), torch.tensor([3]), torch.tensor([1])
    return [
        Case("example", (*example, 1.0, 0.5), grad=True, about=Text("题目里的例子", "the example of the task")),
        case("pairs", 6, 2.5, 0.8, "六对", "six pairs"),
        case("no_target", 5, 2.0, 0.0, "γ = 0", "γ = 0"),
        case("small_beta", 5, 0.3, 1.2, "β 小", "a small β"),
        Case("far", (*far, one, two, 2.0, 0.5), grad=True, extreme=True, about=Text("差得非常远", "very far apart")),
        case("one", 1, 2.0, 1.0, "只有一对", "a single pair"),
    ]
