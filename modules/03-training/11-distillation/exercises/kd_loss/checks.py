"""What kd_loss must do. Oracle: the formula in float64, position by position; equals torch.nn.functional.kl_div."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(student_NV: Tensor, teacher_NV: Tensor, temperature: float) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for s, t in zip(student_NV.double() / temperature, teacher_NV.detach().double() / temperature):
        ln_q, ln_p = s - torch.logsumexp(s, 0), t - torch.logsumexp(t, 0)
        total = total + (ln_p.exp() * (ln_p - ln_q)).sum()
    return (temperature**2 * total).float()


def cases(rng: torch.Generator) -> list[Case]:
    def pair(N: int, V: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
        return normal(rng, N, V, scale=scale), normal(rng, N, V, scale=scale)

    by_hand = torch.tensor([[0.25, 0.75]]).log(), torch.zeros(1, 2)
    hand = torch.tensor(0.5 * math.log(4 / 3))
    same = normal(rng, 3, 7)
    far = torch.tensor([[400.0, 0.0, -400.0], [0.0, 300.0, 1.0]])
    half = tuple(x.bfloat16() for x in pair(4, 32))
    return [
        Case("by_hand", (*by_hand, 1.0), want=hand, about=Text("题目里的例子", "the example of the task")),
        Case("plain", (*pair(5, 11), 1.0), grad=True, length=55, about=Text("温度 1", "temperature 1")),
        Case("soft", (*pair(5, 11), 2.0), grad=True, length=55, about=Text("温度 2", "temperature 2")),
        Case("sharp", (*pair(4, 9), 0.5), grad=True, length=36, about=Text("温度 0.5", "temperature 0.5")),
        Case("one_position", (*pair(1, 6), 1.5), grad=True, length=6, about=Text("只有一个位置", "one position only")),
        Case("same", (same, same.clone(), 3.0), about=Text("学生就是老师：损失是 0", "the student is the teacher: 0")),
        Case("large", (far, far.flip(1), 1.0), extreme=True, about=Text("很大的 logits", "very large logits")),
        Case("bfloat16", (*half, 2.0), grad=True, length=128, about=Text("bfloat16 的 logits", "logits in bfloat16")),
    ]  # fmt: skip
