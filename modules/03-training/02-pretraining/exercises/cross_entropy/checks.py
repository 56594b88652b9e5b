"""What cross_entropy must do. Oracle: position by position in float64; equals torch.nn.functional.cross_entropy with a sum."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    total = logits_NV.double().sum() * 0  # keeps the graph when nothing counts
    for row, target in zip(logits_NV.double(), targets_N.tolist()):
        if target != -100:
            total = total - (row - row.max()).log_softmax(-1)[target]
    return total.float()


def targets(rng: torch.Generator, N: int, V: int, *ignored: int) -> Tensor:
    drawn = torch.randint(0, V, (N,), generator=rng)
    drawn[list(ignored)] = -100
    return drawn


def cases(rng: torch.Generator) -> list[Case]:
    far = torch.tensor([[20_000.0, 0.0, -20_000.0], [-20_000.0, 20_000.0, 19_000.0]])
    alike = torch.full((3, 5), 500.0)
    unlikely = torch.tensor(
        [[60.0, -60.0, 0.0, 0.0], [0.0, 55.0, 10.0, -65.0]]
    )  # p underflows, exp(score) does not overflow
    almost = torch.tensor([[0.0, -30.0, -40.0], [0.0, -35.0, -20.0]])  # p of the target rounds to 1
    return [
        Case(
            "plain",
            (normal(rng, 5, 7, scale=2), targets(rng, 5, 7)),
            grad=True,
            length=35,
            about=Text("五个位置，七个词元", "five positions, seven tokens"),
        ),
        Case(
            "example",
            (torch.tensor([[0.0, 0.0], [5.0, 1.0]]), torch.tensor([1, -100])),
            grad=True,
            length=2,
            about=Text("题目里的例子", "the example of the task"),
        ),
        Case(
            "some_ignored",
            (normal(rng, 8, 6, scale=2), targets(rng, 8, 6, 0, 3, 4, 7)),
            grad=True,
            length=48,
            about=Text("一半的位置是 -100", "half of the targets are -100"),
        ),
        Case(
            "all_ignored",
            (normal(rng, 4, 6), targets(rng, 4, 6, 0, 1, 2, 3)),
            grad=True,
            extreme=True,
            about=Text("所有目标都是 -100：结果和梯度都是 0", "all targets are -100: result and gradients are 0"),
        ),
        Case(
            "one_position",
            (normal(rng, 1, 9), targets(rng, 1, 9)),
            grad=True,
            length=9,
            about=Text("只有一个位置", "a single position"),
        ),
        Case(
            "square",
            (normal(rng, 6, 6, scale=3), torch.tensor([0, 0, 1, 5, 5, 2])),
            grad=True,
            length=36,
            about=Text("N = V：弄错维度也不会报错", "N = V: the wrong dimension raises no error"),
        ),
        Case(
            "far_apart",
            (far, torch.tensor([2, 0])),
            grad=True,
            extreme=True,
            length=3,
            about=Text("分数是 ±20000，目标是最不可能的词元", "scores of ±20000, the target the least likely token"),
        ),
        Case(
            "unlikely",
            (unlikely, torch.tensor([1, 3])),
            grad=True,
            extreme=True,
            length=4,
            about=Text("目标比最可能的词元低 120", "targets 120 below the most likely token"),
        ),
        Case(
            "all_large",
            (alike, targets(rng, 3, 5)),
            grad=True,
            extreme=True,
            length=15,
            slack=256,  # 500 + ln 5 keeps fewer digits of ln 5 than ln 5 alone
            about=Text("所有分数都是 500：损失是 3 ln 5", "all scores are 500: the loss is 3 ln 5"),
        ),
        Case(
            "ignored_and_large",
            (torch.cat((far, alike[:, :3])), torch.tensor([-100, -100, 0, 1, 2])),
            grad=True,
            extreme=True,
            length=15,
            slack=256,  # 500 + ln 5 keeps fewer digits of ln 5 than ln 5 alone
            about=Text("大分数的位置是 -100", "the positions with large scores are -100"),
        ),
        Case(
            "almost_right",
            (almost, torch.tensor([1, 2])),
            grad=True,
            length=6,
            about=Text("目标的概率极小", "targets of tiny probability"),
        ),
        Case(
            "half",
            (normal(rng, 4, 33, dtype=torch.float16, scale=20), targets(rng, 4, 33, 2)),
            grad=True,
            length=33,
            about=Text("logits 是 float16", "float16 logits"),
        ),
        Case(
            "bfloat16",
            (normal(rng, 64, 50, dtype=torch.bfloat16, scale=5), targets(rng, 64, 50, 1, 9)),
            length=64,
            about=Text("logits 是 bfloat16，位置很多", "bfloat16 logits, many positions"),
        ),
        Case(
            "strided",
            (normal(rng, 12, 10).T[::2, 1::2], targets(rng, 10, 6)[::2]),
            grad=True,
            length=30,
            about=Text("内存不连续的输入", "inputs that are not contiguous in memory"),
        ),
        Case(
            "cost",
            (normal(rng, 256, 512), targets(rng, 256, 512, 3)),
            grad=True,
            about=Text("大一些的输入", "larger input"),
        ),
    ]
