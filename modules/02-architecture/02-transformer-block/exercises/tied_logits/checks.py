"""What tied_logits must do. Oracle: the dot product with every row, in float64 (weight tying: Press & Wolf, 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(hidden: Tensor, embedding: Tensor) -> Tensor:
    return torch.einsum("...d,vd->...v", hidden.double(), embedding.double()).float()


def cases(rng: torch.Generator) -> list[Case]:
    return [
        Case(
            "plain",
            (normal(rng, 2, 3, 8), normal(rng, 11, 8)),
            grad=True,
            length=11,
            about=Text("一般的输入", "ordinary input"),
        ),
        Case(
            "one_vector",
            (normal(rng, 5), normal(rng, 7, 5)),
            grad=True,
            length=7,
            about=Text("hidden 只有一个向量", "hidden is a single vector"),
        ),
        Case(
            "square",
            (normal(rng, 2, 4, 6), normal(rng, 6, 6)),
            grad=True,
            length=6,
            about=Text("V = D：忘了转置也不会报错", "V = D: a missing transpose raises no error"),
        ),
        Case(
            "all_square",
            (normal(rng, 5, 5), normal(rng, 5, 5)),
            grad=True,
            length=5,
            about=Text("hidden 和 embedding 都是方阵", "hidden and embedding are both square"),
        ),
        Case(
            "few_tokens",
            (normal(rng, 3, 1, 9), normal(rng, 2, 9)),
            length=9,
            about=Text("词表比 D 还小", "a vocabulary smaller than D"),
        ),
        Case(
            "strided",
            (normal(rng, 8, 3, 2).transpose(0, 2), normal(rng, 14, 16)[::2, ::2]),
            grad=True,
            length=8,
            about=Text("内存不连续的输入", "inputs that are not contiguous in memory"),
        ),
        Case(
            "half",
            (normal(rng, 2, 3, 64, dtype=torch.float16, scale=100), normal(rng, 9, 64, dtype=torch.float16, scale=100)),
            length=64,
            extreme=True,
            about=Text("float16 的大数：乘积超过 65504", "large float16 numbers: products beyond 65504"),
        ),
        Case(
            "mixed",
            (normal(rng, 2, 3, 16, dtype=torch.bfloat16), normal(rng, 9, 16)),
            length=16,
            about=Text("hidden 是 bfloat16，embedding 是 float32", "hidden in bfloat16, embedding in float32"),
        ),
        Case(
            "cost",
            (normal(rng, 2, 64, 64), normal(rng, 512, 64)),
            grad=True,
            about=Text("大一些的输入", "larger input"),
        ),
    ]
