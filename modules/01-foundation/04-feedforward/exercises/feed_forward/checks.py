"""What feed_forward must do. Oracle: the sum over hidden units in float64, each unit's gate with a tanh (Shazeer, 2020)."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    gate = torch.einsum("...c,fc->...f", x.double(), w_gate.double())
    up = torch.einsum("...c,fc->...f", x.double(), w_up.double())
    passed = gate * 0.5 * (1 + torch.tanh(gate / 2)) * up
    return torch.einsum("...f,cf->...c", passed, w_down.double()).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def weights(C: int, hidden: int) -> tuple[Tensor, Tensor, Tensor]:
        # Gates and contents of about 1.5, where silu is far from both a line and a step.
        wide = [normal(rng, hidden, C, scale=1.5 * C**-0.5) for _ in range(2)]
        return wide[0], wide[1], normal(rng, C, hidden, scale=hidden**-0.5)

    return [
        Case(
            "plain",
            (normal(rng, 5, 8), *weights(8, 20)),
            grad=True,
            length=28,
            about=Text("一般的输入", "ordinary input"),
        ),
        Case(
            "batch",
            (normal(rng, 2, 3, 6), *weights(6, 16)),
            grad=True,
            length=22,
            about=Text("[B, T, C] 的输入", "input [B, T, C]"),
        ),
        Case(
            "vector",
            (normal(rng, 6), *weights(6, 9)),
            grad=True,
            length=15,
            about=Text("只有一个向量", "a single vector"),
        ),
        Case(
            "square",
            (normal(rng, 7, 7), *weights(7, 7)),
            grad=True,
            length=14,
            about=Text("C = F，形状查不出忘记的转置", "C = F, so that no shape gives a missing transpose away"),
        ),
        Case("narrow", (normal(rng, 4, 10), *weights(10, 3)), length=13, about=Text("F 比 C 小", "F smaller than C")),
        Case(
            "strided",
            (normal(rng, 8, 5).T, *(w.T.contiguous().T for w in weights(8, 12))),
            grad=True,
            length=20,
            about=Text("不连续的输入和权重", "input and weights that are not contiguous"),
        ),
        Case(
            "large",
            (normal(rng, 4, 8, scale=300), *weights(8, 16)),
            grad=True,
            extreme=True,
            length=24,
            about=Text("门的值有几百那么大", "gates in the hundreds"),
        ),
        Case("cost", (normal(rng, 24, 32), *weights(32, 96)), length=128, about=Text("大一些的输入", "a larger input")),
    ]
