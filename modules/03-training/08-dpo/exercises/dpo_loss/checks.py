"""What dpo_loss must do. Oracle: log(1 + e^-x) in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(chosen_B: Tensor, rejected_B: Tensor, ref_chosen_B: Tensor, ref_rejected_B: Tensor, beta: float) -> Tensor:
    chosen, rejected, ref_chosen, ref_rejected = (
        x.double() for x in (chosen_B, rejected_B, ref_chosen_B, ref_rejected_B)
    )
    x = beta * (chosen - ref_chosen - rejected + ref_rejected)
    return torch.logaddexp(torch.zeros_like(x), -x).to(chosen_B.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, size: int, beta: float, zh: str, en: str) -> Case:
        args = tuple(normal(rng, size, scale=4) - 20 for _ in range(4))
        return Case(name, (*args, beta), grad=True, slack=256, about=Text(zh, en))

    same = normal(rng, 5, scale=3) - 20, normal(rng, 5, scale=3) - 30
    far = (
        torch.tensor([-10.0, -900.0]),
        torch.tensor([-900.0, -10.0]),
        torch.tensor([-500.0] * 2),
        torch.tensor([-500.0] * 2),
    )
    return [
        case("pairs", 6, 0.1, "六对，β = 0.1", "six pairs, β = 0.1"),
        case("one", 1, 0.3, "只有一对", "a single pair"),
        case("large_beta", 5, 1.0, "β = 1", "β = 1"),
        case("small_beta", 5, 0.01, "β = 0.01", "β = 0.01"),
        Case(
            "step_0",
            (*same, *(x.clone() for x in same), 0.1),
            grad=True,
            about=Text("模型就是参考模型", "the model is its reference"),
        ),
        Case("far", (*far, 1.0), grad=True, extreme=True, about=Text("差得很远", "very far apart")),
    ]
