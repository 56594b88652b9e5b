"""What value_loss must do. Oracle: case by case, in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(value_N: Tensor, old_value_N: Tensor, return_N: Tensor, clip: float) -> Tensor:
    value, old, target = value_N.double(), old_value_N.double(), return_N.double()
    held = torch.where(value > old + clip, old + clip, torch.where(value < old - clip, old - clip, value))
    free, kept = (value - target).square(), (held - target).square()
    return (0.5 * torch.where(kept > free, kept, free)).to(value_N.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(
        name: str, value: list[float], old: list[float], target: list[float], zh: str, en: str, clip: float = 0.2
    ) -> Case:
        args = (torch.tensor(value), torch.tensor(old), torch.tensor(target), clip)
        return Case(name, args, grad=True, slack=256, about=Text(zh, en))

    many = [normal(rng, 40).tolist() for _ in range(3)]
    return [
        case("example", [0.9], [0.5], [1.0], "题目里的例子", "the example of the task"),
        case("near", [0.55, 0.4, -0.1], [0.5, 0.5, 0.0], [1.0, 0.0, 2.0], "走得不远", "not far"),
        case("towards", [2.0, -2.0], [0.0, 0.0], [3.0, -3.0], "朝目标走过了头", "too far towards the return"),
        case("away", [2.0, -2.0], [0.0, 0.0], [-3.0, 3.0], "背着目标走", "away from the return"),
        case("beyond", [2.0, -1.5], [0.0, 0.0], [0.1, -0.15], "走过了目标", "past the return"),
        case("many", *many, "四十个", "forty"),
        case("wide", *many, "裁剪范围大", "a wide clip", clip=1.5),
        case("far_from_zero", [10.3, 9.5], [10.0, 10.0], [11.0, 11.0], "估计离 0 很远", "values far from 0"),
    ]
