"""What swiglu must do. Oracle: the formula with a sigmoid written as a tanh, in float64 (Shazeer, 2020)."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(gate: Tensor, up: Tensor) -> Tensor:
    sigmoid = 0.5 * (1 + torch.tanh(gate.double() / 2))
    return (gate.double() * sigmoid * up.double()).to(gate.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def pair(*shape: int, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        return normal(rng, *shape, dtype=dtype, scale=scale), normal(rng, *shape, dtype=dtype)

    negative = -normal(rng, 3, 8, scale=300).abs() - 50
    far = torch.tensor([-1000.0, -100.0, -30.0, -12.0, 0.0, 12.0, 30.0, 100.0, 1000.0])
    return [
        Case("plain", pair(3, 8, scale=2), grad=True, about=Text("一般的输入", "ordinary input")),
        Case("vector", pair(7), grad=True, about=Text("一个向量", "a vector")),
        Case("batch", pair(2, 3, 5, scale=4), about=Text("三维张量", "three dimensions")),
        Case("one_number", pair(1), about=Text("只有一个数", "a single number")),
        Case(
            "strided",
            (normal(rng, 5, 4).T, normal(rng, 4, 10)[:, ::2]),
            grad=True,
            about=Text("不连续的张量", "tensors that are not contiguous"),
        ),
        Case(
            "far",
            (far, normal(rng, 9)),
            grad=True,
            extreme=True,
            about=Text("gate 从 -1000 到 1000", "gates from -1000 to 1000"),
        ),
        Case(
            "shut",
            (torch.cat([negative, normal(rng, 1, 8)]), normal(rng, 4, 8)),
            grad=True,
            extreme=True,
            about=Text("gate 是很大的负数", "large negative gates"),
        ),
        Case(
            "half",
            (far.to(torch.float16), normal(rng, 9, dtype=torch.float16)),
            grad=True,
            extreme=True,
            about=Text("fp16，gate 从 -1000 到 1000", "fp16, gates from -1000 to 1000"),
        ),
        Case(
            "half_plain",
            pair(4, 16, dtype=torch.float16),
            grad=True,
            about=Text("fp16", "fp16"),
        ),
        Case(
            "bfloat16",
            pair(4, 16, dtype=torch.bfloat16, scale=40),
            grad=True,
            extreme=True,
            about=Text("bf16，gate 有几十那么大", "bf16, gates in the tens"),
        ),
        Case("cost", pair(32, 64), about=Text("大一些的输入", "a larger input")),
    ]
