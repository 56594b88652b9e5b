"""What lora_forward must do. Oracle: the merged weight in float64 (Hu et al., 2021, arXiv:2106.09685)."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(x: Tensor, W: Tensor, A: Tensor, B: Tensor, alpha: float, r: int) -> Tensor:
    weight = W.double() + alpha / r * torch.einsum("or,ri->oi", B.double(), A.double())
    return torch.einsum("...i,oi->...o", x.double(), weight).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, before: tuple[int, ...], n_in: int, n_out: int, r: int, alpha: float, about: Text) -> Case:
        args = (
            normal(rng, *before, n_in),
            normal(rng, n_out, n_in),
            normal(rng, r, n_in),
            normal(rng, n_out, r),
            alpha,
            r,
        )
        return Case(name, args, grad=True, length=n_in * (r + 1), about=about)

    plain = case("plain", (5,), 8, 6, 2, 6.0, Text("五个向量，8 进 6 出，秩 2", "five vectors, 8 in, 6 out, rank 2"))
    x, W, A, B, alpha, r = plain.args
    return [
        plain,
        case("one_vector", (), 4, 3, 1, 3.0, Text("单独一个向量，秩 1", "a single vector, rank 1")),
        case("batch", (2, 3), 8, 8, 4, 2.0, Text("x 是 [2, 3, 8]", "x is [2, 3, 8]")),
        case(
            "square",
            (8,),
            8,
            8,
            8,
            12.0,
            Text("进、出、秩都是 8：转置错了也不会报错", "in, out and rank all 8: a wrong transpose raises no error"),
        ),
        case("large_alpha", (3,), 6, 10, 4, 64.0, Text("alpha 远大于 r", "alpha much larger than r")),
        case("alpha_is_r", (3,), 6, 10, 4, 4.0, Text("alpha 等于 r：缩放是 1", "alpha equals r: a scale of 1")),
        Case(
            "zero_B",
            (x, W, A, torch.zeros_like(B), alpha, r),
            grad=True,
            length=8,
            about=Text("B 全是 0：刚开始训练时", "B all zeros: as training begins"),
        ),
        Case(
            "float64",
            tuple(a.double() if isinstance(a, Tensor) else a for a in plain.args),
            length=24,
            about=Text("float64", "float64"),
        ),
    ]
