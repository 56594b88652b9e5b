"""What rms_norm must do. Oracle: the formula in float64 (Zhang & Sennrich, 2019); equals torch.nn.functional.rms_norm."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal

HALF = {"extreme": True, "slack": 4}  # sums are taken in float32: only the roundings of the result count, so length 1


def oracle(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    x64 = x.double()
    size = (x64.pow(2).sum(-1, keepdim=True) / x.shape[-1] + eps).sqrt()
    return (x64 / size * weight.double()).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    zeros = normal(rng, 3, 6)
    zeros[1] = 0
    return [
        Case(
            "plain",
            (normal(rng, 3, 8), normal(rng, 8), 1e-6),
            grad=True,
            length=8,
            about=Text("三个长度为 8 的向量", "three vectors of length 8"),
        ),
        Case(
            "one_vector",
            (normal(rng, 7), normal(rng, 7), 1e-6),
            length=7,
            about=Text("x 只有一维：单独一个向量", "x has one dimension: a single vector"),
        ),
        Case(
            "batch",
            (normal(rng, 2, 3, 5), normal(rng, 5), 1e-5),
            grad=True,
            length=5,
            about=Text("x 有三维 [2, 3, 5]", "x has three dimensions, [2, 3, 5]"),
        ),
        Case(
            "square",
            (normal(rng, 6, 6), normal(rng, 6), 1e-6),
            length=6,
            about=Text(
                "行数等于列数：弄错维度也不会报错", "as many rows as columns: the wrong dimension raises no error"
            ),
        ),
        Case(
            "shifted",
            (normal(rng, 4, 16) + 5, normal(rng, 16), 1e-6),
            length=16,
            about=Text("平均值远离 0 的向量", "vectors whose mean is far from 0"),
        ),
        Case(
            "big_eps",
            (normal(rng, 3, 8), normal(rng, 8), 0.5),
            grad=True,
            length=8,
            about=Text("eps 很大（0.5）", "a large eps (0.5)"),
        ),
        Case(
            "small_numbers",
            (normal(rng, 3, 8, scale=1e-3), normal(rng, 8), 1e-5),
            length=8,
            about=Text("x 很小，eps 与 x² 差不多大", "x so small that eps is as big as x²"),
        ),
        Case(
            "strided",
            (normal(rng, 9, 5).T, normal(rng, 18)[::2], 1e-6),
            grad=True,
            length=9,
            about=Text(
                "x 和 weight 在内存中不连续（转置、切片）",
                "x and weight are not contiguous in memory (transpose, slice)",
            ),
        ),
        Case(
            "zeros",
            (zeros, normal(rng, 6), 1e-6),
            length=6,
            extreme=True,
            about=Text("其中一个向量全是 0", "one of the vectors is all zeros"),
        ),
        Case(
            "half",
            (normal(rng, 4, 64, dtype=torch.float16, scale=300), normal(rng, 64, dtype=torch.float16), 1e-6),
            **HALF,
            about=Text("float16，x 的大小在 300 左右", "float16, x around 300"),
        ),
        Case(
            "half_and_float_weight",
            (normal(rng, 3, 33, dtype=torch.float16), normal(rng, 33), 1e-5),
            **HALF,
            about=Text("x 是 float16，weight 是 float32", "x is float16, weight is float32"),
        ),
        Case(
            "bfloat16",
            (normal(rng, 4, 64, dtype=torch.bfloat16, scale=10), normal(rng, 64, dtype=torch.bfloat16), 1e-6),
            **HALF,
            about=Text("bfloat16", "bfloat16"),
        ),
        Case(
            "cost",
            (normal(rng, 64, 128), normal(rng, 128), 1e-6),
            grad=True,
            about=Text("量开销用的大输入", "the large input on which costs are measured"),
        ),
    ]
