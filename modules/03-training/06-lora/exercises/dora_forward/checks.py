"""What dora_forward must do. Oracle: the weight in float64, its rows' lengths as constants (Liu et al., 2024, section 4.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(x: Tensor, W: Tensor, A: Tensor, B: Tensor, m: Tensor, alpha: float, r: int) -> Tensor:
    V = W.double() + alpha / r * torch.einsum("or,ri->oi", B.double(), A.double())
    lengths = V.detach().square().sum(1).sqrt()
    weight = V * (m.double() / lengths)[:, None]
    return torch.einsum("...i,oi->...o", x.double(), weight).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, before: tuple[int, ...], n_in: int, n_out: int, r: int, alpha: float, about: Text) -> Case:
        W, m = normal(rng, n_out, n_in), normal(rng, n_out).abs() + 0.5
        args = (normal(rng, *before, n_in), W, normal(rng, r, n_in), normal(rng, n_out, r), m, alpha, r)
        return Case(name, args, grad=True, length=n_in * (r + 1), about=about)

    plain = case("plain", (5,), 8, 6, 2, 3.0, Text("五个向量，8 进 6 出，秩 2", "five vectors, 8 in, 6 out, rank 2"))
    x, W, A, B, _, alpha, r = plain.args
    zero = torch.zeros_like(B)
    return [
        plain,
        case("one_vector", (), 4, 3, 1, 2.0, Text("单独一个向量", "a single vector")),
        case("batch", (2, 3), 8, 8, 4, 2.0, Text("x 是 [2, 3, 8]", "x is [2, 3, 8]")),
        case("square", (6,), 6, 6, 6, 9.0, Text("进、出、秩都是 6", "in, out and rank all 6")),
        case("alpha_is_r", (3,), 6, 10, 4, 4.0, Text("alpha 等于 r", "alpha equals r")),
        Case(
            "start",
            (x, W, A, zero, W.norm(dim=1), alpha, r),
            grad=True,
            length=8,
            about=Text("刚开始：B = 0，m 是 W 各行的长度", "the start: B = 0 and m the lengths of W's rows"),
        ),
        Case(
            "longer",
            (x, W, A, zero, 3 * W.norm(dim=1), alpha, r),
            grad=True,
            length=8,
            about=Text("长度变成三倍", "three times as long"),
        ),
    ]
