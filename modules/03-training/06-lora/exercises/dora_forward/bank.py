"""Wrong and right ways to write DoRA."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def V_of(W, A, B, scale):
    return W + scale * B @ A


def right(x, W, A, B, m, scale, lengths):
    return (x @ W.T + scale * (x @ A.T) @ B.T) * (m / lengths)


@mistake(
    Text(
        "长度传了梯度：论文把 ‖V‖ 当常数，要 detach。",
        "The gradient passes through the lengths: the paper takes ‖V‖ for a constant, detach it.",
    )
)
def lengths_with_gradient(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, V_of(W, A, B, alpha / r).norm(dim=1))


@mistake(
    Text(
        "量的是每一列的长度：应当是每一行（dim=1），一共 out 个。",
        "The lengths of the columns are taken: those of the rows (dim=1), out numbers.",
    )
)
def columns(x, W, A, B, m, alpha, r):
    V = V_of(W, A, B, alpha / r)
    return x @ (V / V.detach().norm(dim=0)).T * m


@mistake(Text("没有除以长度：m 是长度，不是倍数。", "Not divided by the length: m is a length and no factor."))
def not_divided(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, 1.0)


@mistake(
    Text("除以的是 W 的长度：应当是 V = W + 更新的长度。", "Divided by the length of W: it is that of V = W + update.")
)
def length_of_W(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, W.detach().norm(dim=1))


@mistake(Text("m 不见了：方向归一化以后要乘长度 m。", "m is gone: the direction must be made as long as m says."))
def no_magnitude(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, torch.ones_like(m), alpha / r, V_of(W, A, B, alpha / r).detach().norm(dim=1)) + 0 * m.sum()


@mistake(Text("缩放忘了：更新要乘 alpha / r。", "The scale is missing: the update counts alpha / r times."))
def scale_forgotten(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, 1.0, V_of(W, A, B, 1.0).detach().norm(dim=1))


@mistake(
    Text(
        "算长度时忘了缩放：V 里的更新也要乘 alpha / r。",
        "The lengths forget the scale: in V too the update counts alpha / r times.",
    )
)
def lengths_without_scale(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, V_of(W, A, B, 1.0).detach().norm(dim=1))


@mistake(
    Text(
        "只有冻结的部分乘了 m / 长度：小路也要乘。",
        "Only the frozen part counts m / length times: the small road does too.",
    )
)
def road_not_scaled(x, W, A, B, m, alpha, r):
    scale = alpha / r
    lengths = V_of(W, A, B, scale).detach().norm(dim=1)
    return x @ W.T * (m / lengths) + scale * (x @ A.T) @ B.T


@mistake(
    Text(
        "长度用的是整个矩阵的范数：每一行有自己的长度。",
        "The norm of the whole matrix is taken: every row has a length of its own.",
    )
)
def one_length(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, V_of(W, A, B, alpha / r).detach().norm())


@mistake(
    Text(
        "用的是绝对值之和（1 范数）：长度是平方和的根。",
        "The sum of absolute values (1-norm) is taken: a length is the root of the sum of squares.",
    )
)
def one_norm(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, V_of(W, A, B, alpha / r).detach().abs().sum(1))


@mistake(Text("长度没有开方。", "The root of the length is missing."))
def squared_length(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m, alpha / r, V_of(W, A, B, alpha / r).detach().square().sum(1))


@mistake(Text("m 被当成了常数（detach）：长度学不动。", "m is a constant (detach): the lengths cannot learn."))
def magnitude_detached(x, W, A, B, m, alpha, r):
    return right(x, W, A, B, m.detach(), alpha / r, V_of(W, A, B, alpha / r).detach().norm(dim=1))


@variant
def by_the_weight(x, W, A, B, m, alpha, r):
    V = V_of(W, A, B, alpha / r)
    return F.linear(x, V * (m / V.detach().norm(dim=1))[:, None])


@variant
def as_peft_does(x, W, A, B, m, alpha, r):
    scale = alpha / r
    factor = m / V_of(W, A, B, scale).detach().norm(dim=1)
    base = F.linear(x, W)
    return base + (factor - 1) * base + factor * scale * F.linear(F.linear(x, A), B)


@variant
def under_no_grad(x, W, A, B, m, alpha, r):
    with torch.no_grad():
        lengths = torch.linalg.vector_norm(W + alpha / r * (B @ A), dim=1)
    return (F.linear(x, W) + F.linear(F.linear(x, A), B) * (alpha / r)) * m / lengths
