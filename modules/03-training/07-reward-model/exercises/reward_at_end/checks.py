"""What reward_at_end must do. Oracle: row by row in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(hidden_BTD: Tensor, lengths_B: Tensor, weight_D: Tensor) -> Tensor:
    rows = [row[n - 1].double() @ weight_D.double() for row, n in zip(hidden_BTD, lengths_B.tolist())]
    return torch.stack(rows).to(hidden_BTD.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, T: int, lengths: list[int], zh: str, en: str) -> Case:
        args = (normal(rng, len(lengths), T, 8), torch.tensor(lengths), normal(rng, 8))
        return Case(name, args, grad=True, length=8, about=Text(zh, en))

    return [
        case("ragged", 9, [9, 4, 7, 2, 5], "长短不一", "different lengths"),
        case("full", 6, [6, 6, 6], "都没有填充", "no padding at all"),
        case("short", 7, [2, 3, 1], "都有填充", "padding everywhere"),
        case("one_answer", 5, [3], "只有一条", "a single answer"),
        case("one_token", 1, [1, 1], "只有一个词元", "a single token"),
        case("ones", 5, [1, 1, 5], "长度是 1", "answers of length 1"),
    ]
