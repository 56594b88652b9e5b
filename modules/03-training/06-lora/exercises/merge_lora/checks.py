"""What merge_lora must do. Oracle: float64, rounded once."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(W: Tensor, A: Tensor, B: Tensor, alpha: float, r: int) -> Tensor:
    return (W.double() + alpha / r * B.double() @ A.double()).to(W.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def args(n_out: int, n_in: int, r: int, alpha: float) -> tuple:
        return normal(rng, n_out, n_in), normal(rng, r, n_in), normal(rng, n_out, r), alpha, r

    W, A, B, alpha, r = args(16, 32, 4, 2.0)
    return [
        Case("plain", args(6, 8, 2, 6.0), length=3, about=Text("6 × 8 的权重，秩 2", "a weight of 6 × 8, rank 2")),
        Case("rank_one", args(5, 3, 1, 4.0), length=2, about=Text("秩 1", "rank 1")),
        Case("square", args(4, 4, 4, 12.0), length=5, about=Text("进、出、秩都是 4", "in, out and rank all 4")),
        Case("alpha_is_r", args(6, 8, 4, 4.0), length=5, about=Text("alpha 等于 r", "alpha equals r")),
        Case("zero_B", (W, A, torch.zeros_like(B), alpha, r), about=Text("B 全是 0", "B all zeros")),
        Case(
            "bfloat16",
            (W.bfloat16(), A * 0.3, B * 0.3, alpha, r),
            about=Text("W 是 bfloat16，A、B 是 float32", "W in bfloat16, A and B in float32"),
        ),
        Case(
            "cancelled",
            ((-alpha / r * B @ A).bfloat16(), A, B, alpha, r),
            slack=4,
            about=Text("W 是 bfloat16，更新几乎把它抵消", "W in bfloat16, and the update nearly cancels it"),
        ),
    ]
