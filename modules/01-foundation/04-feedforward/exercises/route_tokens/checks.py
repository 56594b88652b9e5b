"""What route_tokens must do. Oracle: one word at a time in float64, experts sorted in plain Python."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logits_NE: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor]:
    weights, experts = [], []
    for row in logits_NE:
        scores = row.tolist()
        best = sorted(range(len(scores)), key=lambda e: -scores[e])[:k]
        exponentials = torch.exp(row.double() - max(scores))
        chosen = exponentials[best]
        weights.append(chosen / (chosen.sum() if normalise else exponentials.sum()))
        experts.append(torch.tensor(best))
    return torch.stack(weights).float(), torch.stack(experts)


def cases(rng: torch.Generator) -> list[Case]:
    def spread(N: int, E: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Logits 0, 0.5, 1, … in random order: no ties, and exact in half precision too."""
        return torch.rand((N, E), generator=rng).argsort(-1).to(dtype) / 2

    rows = torch.tensor([[10_000.0], [0.0], [-10_000.0]])
    return [
        Case(
            "plain",
            (normal(rng, 5, 8), 2, False),
            grad=True,
            length=8,
            about=Text("八个专家选两个", "two of eight experts"),
        ),
        Case(
            "normalised",
            (normal(rng, 5, 8), 2, True),
            grad=True,
            length=8,
            about=Text("八个专家选两个，权重和为 1", "two of eight experts, weights that add up to 1"),
        ),
        Case(
            "one",
            (normal(rng, 6, 4), 1, False),
            grad=True,
            length=4,
            about=Text(
                "k = 1：权重是概率，梯度要能流过", "k = 1: the weight is the probability, and the gradient flows"
            ),
        ),
        Case(
            "one_normalised",
            (normal(rng, 6, 4), 1, True),
            length=4,
            about=Text("k = 1，权重正好是 1", "k = 1, where the weight is exactly 1"),
        ),
        Case(
            "all",
            (normal(rng, 4, 5), 5, False),
            grad=True,
            length=5,
            about=Text("k = E：所有专家", "k = E: all experts"),
        ),
        Case(
            "square",
            (normal(rng, 6, 6), 3, True),
            grad=True,
            length=6,
            about=Text("N = E，形状查不出写错的维度", "N = E, so that no shape gives a wrong dimension away"),
        ),
        Case("one_word", (normal(rng, 1, 16), 4, False), length=16, about=Text("只有一个词", "a single word")),
        Case("strided", (normal(rng, 8, 5).T, 3, False), length=8, about=Text("转置过的 logits", "transposed logits")),
        Case(
            "bfloat16",
            (spread(7, 8, torch.bfloat16), 3, False),
            grad=True,
            length=8,
            about=Text("bf16 的 logits，权重仍是 fp32", "logits in bf16, weights still in fp32"),
        ),
        Case("half", (spread(5, 6, torch.float16), 2, True), length=6, about=Text("fp16 的 logits", "logits in fp16")),
        Case(
            "large",
            (spread(3, 8) + rows, 3, False),
            extreme=True,
            grad=True,
            length=8,
            slack=16384,  # fp32 numbers near 10000 are 0.001 apart: a right formula may round there
            about=Text("分数在 ±10000 附近", "scores near ±10000"),
        ),
        Case("cost", (normal(rng, 64, 32), 4, True), length=64, about=Text("大一些的输入", "a larger input")),
    ]
