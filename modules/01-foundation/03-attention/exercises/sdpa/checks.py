"""What sdpa must do. Oracle: the definition in float64, one sum of exponentials over the visible keys (Vaswani et al., 2017)."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    scores = torch.einsum("...td,...sd->...ts", q.double(), k.double()) * q.shape[-1] ** -0.5
    visible = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    highest = scores.detach().masked_fill(~visible, -1e300).amax(-1, keepdim=True)
    parts = torch.where(visible, torch.exp(torch.where(visible, scores - highest, 0.0)), 0.0)
    weights = parts / parts.sum(-1, keepdim=True).clamp_min(1e-300)  # a row that sees nothing: 0 / tiny = 0
    return torch.einsum("...ts,...se->...te", weights, v.double()).to(q.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def coin(*shape: int) -> Tensor:
        return torch.rand(shape, generator=rng) < 0.6

    seen = coin(5, 6)
    seen[:, 2] = True  # every query sees at least one key
    blind = coin(4, 7)
    blind[:, 0] = True
    blind[2] = False  # the third query sees nothing
    padding = torch.tensor([[True] * 5 + [False] * 2, [True] * 3 + [False] * 4])[:, None, None, :]
    leak = torch.ones(3, 4, dtype=torch.bool)
    leak[:, 1] = False
    loud = normal(rng, 4, 8)
    loud[1] = 300.0  # the hidden key has by far the largest score: the least leak shows
    return [
        Case(
            "plain",
            (normal(rng, 3, 4), normal(rng, 5, 4), normal(rng, 5, 4), None),
            grad=True,
            length=5,
            about=Text("没有 mask", "no mask"),
        ),
        Case(
            "square",
            (normal(rng, 6, 6), normal(rng, 6, 6), normal(rng, 6, 6), None),
            grad=True,
            length=6,
            about=Text("T = S = D，形状查不出写错的维度", "T = S = D, so that no shape gives a wrong dimension away"),
        ),
        Case(
            "value_size",
            (normal(rng, 2, 3, 9), normal(rng, 2, 5, 9), normal(rng, 2, 5, 2), None),
            grad=True,
            length=9,
            about=Text("值的长度与键不同", "values of another size than keys"),
        ),
        Case(
            "one_key",
            (normal(rng, 4, 8), normal(rng, 1, 8), normal(rng, 1, 8), None),
            length=8,
            about=Text("只有一个键", "a single key"),
        ),
        Case(
            "mask",
            (normal(rng, 5, 8), normal(rng, 6, 8), normal(rng, 6, 8), seen),
            grad=True,
            length=8,
            about=Text("bool mask，True 表示可以看", "a bool mask, True = may attend"),
        ),
        Case(
            "padding",
            (normal(rng, 2, 3, 7, 4), normal(rng, 2, 3, 7, 4), normal(rng, 2, 3, 7, 4), padding),
            grad=True,
            length=7,
            about=Text("批次和头，mask 形状 [B, 1, 1, S]", "batch and heads, mask of shape [B, 1, 1, S]"),
        ),
        Case(
            "strided",
            (*(normal(rng, 2, 5, 3, 4).transpose(1, 2) for _ in range(3)), coin(5, 5).fill_diagonal_(True)),
            length=5,
            about=Text("转置过的张量", "transposed tensors"),
        ),
        Case(
            "blind",
            (normal(rng, 4, 8), normal(rng, 7, 8), normal(rng, 7, 8), blind),
            grad=True,
            extreme=True,
            length=8,
            about=Text("有一个查询什么也看不到", "one query may see nothing"),
        ),
        Case(
            "large",
            (normal(rng, 4, 16, scale=20), normal(rng, 6, 16, scale=20), normal(rng, 6, 16), None),
            extreme=True,
            length=16,
            slack=4096,  # scores in the hundreds: their rounding alone moves the weights
            about=Text("分数有几百那么大", "scores in the hundreds"),
        ),
        Case(
            "loud",
            (normal(rng, 3, 8).abs() + 1, loud, normal(rng, 4, 8), leak),
            extreme=True,
            length=8,
            about=Text("被遮住的键分数特别大", "the hidden key has a huge score"),
        ),
        Case(
            "far_below",
            (
                10 + normal(rng, 4, 8),
                normal(rng, 4, 8) - 10,
                normal(rng, 4, 8),
                torch.ones(4, 4, dtype=torch.bool).tril(),
            ),
            extreme=True,
            length=8,
            slack=4096,
            about=Text("看得到的键分数都在 -280 左右", "all visible scores are near -280"),
        ),
        Case(
            "cost",
            (
                normal(rng, 2, 4, 64, 16),
                normal(rng, 2, 4, 64, 16),
                normal(rng, 2, 4, 64, 16),
                torch.ones(64, 64).tril() > 0,
            ),
            length=64,
            about=Text("大一些的输入", "a larger input"),
        ),
    ]
