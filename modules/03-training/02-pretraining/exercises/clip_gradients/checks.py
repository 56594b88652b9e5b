"""What clip_gradients must do. Oracle: the numbers in one row, in Python floats; equals torch.nn.utils.clip_grad_norm_."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(grads: list[Tensor], max_norm: float) -> Tensor:
    norm = math.hypot(*[number for grad in grads for number in grad.flatten().tolist()])
    if max_norm < norm + 1e-6:
        for grad in grads:
            grad.copy_(grad.double() * (max_norm / (norm + 1e-6)))
    return torch.tensor(norm, dtype=torch.float32)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, grads: list[Tensor], max_norm: float, zh: str, en: str, **more) -> Case:
        numbers = sum(grad.numel() for grad in grads)
        return Case(name, (grads, max_norm), mutates=(0,), length=numbers, about=Text(zh, en), **more)

    def drawn(scale: float = 1.0) -> list[Tensor]:
        return [normal(rng, 3, 4, scale=scale), normal(rng, 5, scale=scale), normal(rng, 2, 1, 3, scale=scale)]

    zeros = [torch.zeros(2, 3), torch.zeros(4)]
    some_zero = [torch.zeros(2, 2), normal(rng, 6, scale=5), torch.zeros(3)]
    uneven = [normal(rng, 8, scale=0.01), normal(rng, 8, scale=20), normal(rng, 8, scale=0.5)]
    strided = [normal(rng, 4, 6, scale=3).T, normal(rng, 10, scale=3)[::2]]
    return [
        case("example", [torch.tensor([3.0]), torch.tensor([4.0])], 1.0, "题目里的例子", "the example of the task"),
        case(
            "not_needed",
            [torch.tensor([3.0]), torch.tensor([4.0])],
            10.0,
            "范数没有超过",
            "the norm is below the limit",
        ),
        case("long", drawn(4.0), 1.0, "范数太大", "a norm beyond the limit"),
        case("short", drawn(0.05), 1.0, "范数很小：不变", "a small norm: nothing changes"),
        case("other_limit", drawn(4.0), 2.5, "max_norm = 2.5", "max_norm = 2.5"),
        case("large_limit", drawn(0.3), 50.0, "max_norm 远大于范数", "max_norm far beyond the norm"),
        case("uneven", uneven, 1.0, "几个张量的大小差得很远", "tensors of very different sizes"),
        case(
            "each_small",
            [normal(rng, 4, scale=0.4) for _ in range(30)],
            1.0,
            "每个都小，合起来大",
            "each is small, together they are not",
        ),
        case("one_tensor", [normal(rng, 6, scale=3)], 1.0, "只有一个张量", "a single tensor"),
        case("scalar", [torch.tensor(-7.0), normal(rng, 3)], 2.0, "有一个 0 维张量", "one tensor has 0 dimensions"),
        case("some_zero", some_zero, 1.0, "有的张量全是 0", "some tensors are all zeros"),
        case("zeros", zeros, 1.0, "全部是 0", "everything is 0", extreme=True),
        case("tiny", drawn(1e-7), 1e-7, "梯度和 1e-6 差不多小", "gradients as small as the 1e-6", slack=64),
        case("strided", strided, 1.0, "内存不连续的张量", "tensors that are not contiguous in memory"),
        case("cost", [normal(rng, 24, 24), normal(rng, 64)], 1.0, "大一些的梯度", "larger gradients"),
    ]
