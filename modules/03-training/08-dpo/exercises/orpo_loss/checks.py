"""What orpo_loss must do. Oracle: odds of probabilities, number by number, in Python's floats (near 1 by the exact difference)."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(chosen_B: Tensor, rejected_B: Tensor, nll_B: Tensor, lam: float) -> Tensor:
    chosen, rejected = chosen_B.double(), rejected_B.double()
    log_odds = [logp - (1 - logp.exp()).log() for logp in (chosen, rejected)]
    x = log_odds[0] - log_odds[1]
    return (nll_B.double() + lam * torch.logaddexp(torch.zeros_like(x), -x)).to(chosen_B.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, count: int, lam: float, zh: str, en: str) -> Case:
        logps = [-(normal(rng, count).abs() + 0.1) for _ in range(2)]
        nll = normal(rng, count).abs()
        return Case(name, (*logps, nll, lam), grad=True, slack=256, about=Text(zh, en))

    example = torch.tensor([0.8]).log(), torch.tensor([0.5]).log(), torch.tensor([0.223])
    certain = torch.tensor([-1e-5, -2e-4, -0.7]), torch.tensor([-0.7, -3e-5, -1e-5]), torch.tensor([1e-5, 2e-4, 0.7])
    far = torch.tensor([-200.0, -0.1, -300.0]), torch.tensor([-0.1, -200.0, -0.2]), torch.tensor([200.0, 0.1, 300.0])
    return [
        Case("example", (*example, 0.1), grad=True, slack=64, about=Text("题目里的例子", "the example of the task")),
        case("pairs", 6, 0.1, "六对", "six pairs"),
        case("large_lambda", 5, 2.0, "λ = 2", "λ = 2"),
        case("one", 1, 0.5, "只有一对", "a single pair"),
        Case("certain", (*certain, 1.0), extreme=True, slack=256, about=Text("p 非常接近 1", "p very near 1")),
        Case("far", (*far, 1.0), extreme=True, slack=256, about=Text("p 非常小", "very small p")),
    ]
