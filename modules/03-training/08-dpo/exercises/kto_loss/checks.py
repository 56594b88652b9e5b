"""What kto_loss must do. Oracle: answer by answer in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logps_B: Tensor, ref_B: Tensor, good_B: Tensor, kl: float, beta: float) -> Tensor:
    rows = []
    for x, good in zip(logps_B.double() - ref_B.double(), good_B.tolist()):
        x = x - max(kl, 0.0)
        rows.append(torch.sigmoid(-beta * x if good else beta * x))
    return torch.stack(rows).to(logps_B.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, good: str, kl: float, beta: float, zh: str, en: str) -> Case:
        """Good: a letter an answer, g or b."""
        marks = torch.tensor([letter == "g" for letter in good])
        args = (normal(rng, len(good), scale=3) - 20, normal(rng, len(good), scale=3) - 20, marks, kl, beta)
        return Case(name, args, grad=True, slack=256, about=Text(zh, en))

    same = normal(rng, 4) - 20
    start = (same, same.clone(), torch.tensor([True, False, True, False]), 0.0, 0.1)
    return [
        case("mixed", "ggbgbb", 1.5, 0.3, "好的差的都有", "good and bad ones"),
        case("good_only", "gggg", 0.5, 0.1, "全是好的", "good ones only"),
        case("bad_only", "bbb", 2.0, 0.1, "全是差的", "bad ones only"),
        case("no_distance", "gbgb", 0.0, 1.0, "kl = 0", "kl = 0"),
        case("negative_kl", "gbbg", -1.0, 0.5, "估出来的 kl 小于 0", "an estimate of kl below 0"),
        case("one", "b", 1.0, 0.2, "只有一条", "a single answer"),
        Case("step_0", start, grad=True, about=Text("模型就是参考模型", "the model is its reference")),
    ]
