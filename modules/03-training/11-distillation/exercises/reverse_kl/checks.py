"""What reverse_kl must do. Oracle: the formula in float64, position by position."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(student_NV: Tensor, teacher_NV: Tensor, learnt_N: Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.float64) + 0 * student_NV.double().sum()
    for s, t, counts in zip(student_NV.double(), teacher_NV.double(), learnt_N.tolist()):
        if counts:
            q, p = s - torch.logsumexp(s, 0), t - torch.logsumexp(t, 0)
            total = total + (q.exp() * (q - p)).sum()
    return (total / max(1, int(learnt_N.sum()))).float()


def cases(rng: torch.Generator) -> list[Case]:
    def pair(N: int, V: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
        return normal(rng, N, V, scale=scale), normal(rng, N, V, scale=scale)

    by_hand = torch.tensor([[0.25, 0.75]]).log(), torch.zeros(1, 2)
    some = torch.tensor([True, False, True, True, False, False])
    far = torch.tensor([[200.0, 0.0, -200.0], [0.0, 150.0, 1.0]])
    half = tuple(x.bfloat16() for x in pair(4, 32))
    every = torch.ones(5, dtype=torch.bool)
    return [
        Case("by_hand", (*by_hand, every[:1]), about=Text("题目里的例子", "the example of the task")),
        Case("plain", (*pair(5, 11), every), grad=True, length=55, about=Text("每个位置都算", "every position counts")),
        Case("some", (*pair(6, 9), some), grad=True, length=54, about=Text("只有一些位置算", "only some positions count")),
        Case("none", (*pair(3, 9), every[:3] & False), about=Text("没有位置算：结果是 0", "no position counts: the result is 0")),
        Case("large", (far, far.flip(1), every[:2]), extreme=True, about=Text("很大的 logits", "very large logits")),
        Case("bfloat16", (*half, every[:4]), grad=True, length=128, about=Text("bfloat16 的 logits", "logits in bfloat16")),
    ]  # fmt: skip
