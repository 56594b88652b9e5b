"""What bt_loss must do. Oracle: log(1 + e^-d) in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(chosen_B: Tensor, rejected_B: Tensor) -> Tensor:
    d = chosen_B.double() - rejected_B.double()
    return torch.logaddexp(torch.zeros_like(d), -d).mean().to(chosen_B.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    far = torch.tensor([100.0, -100.0, 0.0]), torch.tensor([-100.0, 100.0, 0.0])
    return [
        Case("pairs", (normal(rng, 6), normal(rng, 6)), grad=True, about=Text("六对", "six pairs")),
        Case("one", (normal(rng, 1), normal(rng, 1)), grad=True, about=Text("只有一对", "a single pair")),
        Case("equal", (torch.ones(4), torch.ones(4)), grad=True, about=Text("分数相同", "equal scores")),
        Case(
            "apart",
            (normal(rng, 5) + 1, normal(rng, 5) - 1),
            grad=True,
            slack=64,
            about=Text("分得很开", "scores well apart"),
        ),
        Case(
            "shifted",
            (normal(rng, 5) + 7, normal(rng, 5) + 7),
            grad=True,
            about=Text("都加了 7 分", "7 points more for all"),
        ),
        Case("far", far, grad=True, extreme=True, about=Text("相差 ±200", "scores ±200 apart")),
    ]
