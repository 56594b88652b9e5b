"""What softmax must do. Oracle: torch's own softmax in float64, cast to the dtype of x."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(x: Tensor, dim: int) -> Tensor:
    return torch.softmax(x.double(), dim).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    hidden = normal(rng, 5, 6)
    hidden[0, 1:] = float("-inf")  # one finite score: it takes all the weight
    hidden[2, 3] = float("-inf")
    hidden[:, 0] += 1.0
    # Every row is stable only with its own maximum: one maximum for all would push the last rows to 0 / 0.
    rows = normal(rng, 3, 7) + torch.tensor([[1e4], [0.0], [-1e4]])
    return [
        Case("plain", (normal(rng, 3, 7), -1), grad=True, length=7, about=Text("一般的输入", "ordinary input")),
        Case("dim_0", (normal(rng, 4, 3), 0), grad=True, length=4, about=Text("沿第 0 维", "along dimension 0")),
        Case("square", (normal(rng, 5, 5), 1), grad=True, length=5, about=Text("方阵，沿第 1 维", "a square matrix")),
        Case(
            "middle",
            (normal(rng, 2, 5, 3, scale=3), -2),
            grad=True,
            length=5,
            about=Text("三维张量，沿中间一维", "three dimensions, along the middle one"),
        ),
        Case("vector", (normal(rng, 9), 0), length=9, about=Text("一个向量", "a vector")),
        Case("strided", (normal(rng, 6, 4).T, -1), length=6, about=Text("转置过的张量", "a transposed tensor")),
        Case(
            "large",
            (normal(rng, 4, 8, scale=1e4), -1),
            extreme=True,
            length=8,
            about=Text("分数在 ±10000 上下", "scores around ±10000"),
        ),
        # fp32 numbers near 10000 are 0.001 apart, so a right formula may round there: hence the wider tolerance.
        Case(
            "rows_apart",
            (rows, -1),
            extreme=True,
            grad=True,
            length=7,
            slack=16384,
            about=Text("一行在 +10000 附近，另一行在 -10000 附近", "one row near +10000, another near -10000"),
        ),
        Case(
            "hidden",
            (hidden, -1),
            extreme=True,
            grad=True,
            length=6,
            about=Text("有些分数是 -inf", "some scores are -inf"),
        ),
        Case(
            "half",
            (normal(rng, 3, 33, dtype=torch.float16, scale=30), -1),
            extreme=True,
            length=33,
            about=Text("fp16，分数大到 exp 会溢出", "fp16, with scores whose exp overflows"),
        ),
        # 100 000 numbers near 1 add up to more than 65 504, the largest fp16 number.
        Case(
            "half_long",
            (normal(rng, 1, 100_000, dtype=torch.float16, scale=0.02), -1),
            extreme=True,
            about=Text("fp16，一行有十万个分数", "fp16, a hundred thousand scores in a row"),
        ),
        Case("cost", (normal(rng, 64, 128), -1), length=128, about=Text("大一些的输入", "a larger input")),
    ]
