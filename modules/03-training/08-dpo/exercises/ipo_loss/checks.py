"""What ipo_loss must do. Oracle: the formula, multiplied out, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(chosen_B: Tensor, rejected_B: Tensor, ref_chosen_B: Tensor, ref_rejected_B: Tensor, tau: float) -> Tensor:
    chosen, rejected, ref_chosen, ref_rejected = (
        x.double() for x in (chosen_B, rejected_B, ref_chosen_B, ref_rejected_B)
    )
    h = chosen - rejected - (ref_chosen - ref_rejected)
    return (h * h - h / tau + 1 / (4 * tau * tau)).to(chosen_B.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, size: int, tau: float, zh: str, en: str) -> Case:
        args = tuple(normal(rng, size, scale=2) - 5 for _ in range(4))
        return Case(name, (*args, tau), grad=True, slack=256, about=Text(zh, en))

    same = normal(rng, 5) - 20, normal(rng, 5) - 30
    beyond = torch.tensor([10.0, 0.0]), torch.tensor([0.0, 10.0]), torch.zeros(2), torch.zeros(2)
    return [
        case("pairs", 6, 0.3, "六对", "six pairs"),
        case("one", 1, 0.1, "只有一对", "a single pair"),
        case("large_tau", 5, 2.0, "τ = 2", "τ = 2"),
        Case(
            "step_0",
            (*same, *(x.clone() for x in same), 0.1),
            grad=True,
            about=Text("模型就是参考模型", "the model is its reference"),
        ),
        Case(
            "beyond",
            (*beyond, 0.5),
            grad=True,
            about=Text("差超过了目标，或方向反了", "beyond the goal, and the wrong way"),
        ),
    ]
