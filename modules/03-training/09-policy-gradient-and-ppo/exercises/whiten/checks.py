"""What whiten must do. Oracle: in Python's floats, number by number."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(x_NT: Tensor, mask_NT: Tensor) -> Tensor:
    kept = [x for x, there in zip(x_NT.double().flatten().tolist(), mask_NT.flatten().tolist()) if there]
    mean = math.fsum(kept) / len(kept)
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in kept) / len(kept))
    out = (x_NT.double() - mean) / (spread + 1e-8)
    return torch.where(mask_NT, out, torch.zeros_like(out)).to(x_NT.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, x: Tensor, mask: Tensor, zh: str, en: str, *, extreme: bool = False) -> Case:
        length = int(mask.sum())
        return Case(name, (x, mask), length=length, slack=64, extreme=extreme, about=Text(zh, en))

    def lengths(*sizes: int) -> Tensor:
        return torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]

    ragged, padded = lengths(2, 7, 4), normal(rng, 3, 7)
    padded[~ragged] = 50.0
    infinite = normal(rng, 2, 5)
    infinite[1, 3:] = float("inf")
    rows = normal(rng, 4, 6) + torch.tensor([0.0, 3.0, -3.0, 10.0])[:, None]
    return [
        case("example", torch.tensor([[1.0, 3.0, 99.0]]), lengths(2, 3)[:1], "题目里的例子", "the example of the task"),
        case("full", normal(rng, 4, 8), lengths(8, 8, 8, 8), "没有填充", "no padding"),
        case("ragged", padded, ragged, "长短不一，填充里是 50", "several lengths, 50 in the padding"),
        case("rows_differ", rows, lengths(6, 6, 6, 6), "各行的平均不同", "rows with other means"),
        case("two", torch.tensor([[0.5, 2.5]]), lengths(2), "只有两个数", "two numbers"),
        case("one", torch.tensor([[3.0, 7.0]]), lengths(1, 2)[:1], "只有一个数", "a single number", extreme=True),
        case("equal", torch.full((2, 4), 2.0), lengths(4, 4), "都相等", "all equal", extreme=True),
        case("infinite", infinite, lengths(5, 3), "填充里是无穷大", "infinity in the padding", extreme=True),
        case("tiny", 1e-6 * normal(rng, 3, 5), lengths(5, 5, 5), "很小的数", "very small numbers", extreme=True),
        case("double", normal(rng, 3, 5).double(), lengths(5, 2, 4), "float64", "float64"),
    ]
