"""Wrong and right ways to merge."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def right(W, A, B, scale):
    return (W.float() + scale * (B.float() @ A.float())).to(W.dtype)


@mistake(Text("缩放忘了：更新要乘 alpha / r。", "The scale is missing: the update counts alpha / r times."))
def scale_forgotten(W, A, B, alpha, r):
    return right(W, A, B, 1.0)


@mistake(Text("只乘了 alpha，没有除以 r。", "Times alpha, but not over r."))
def not_over_r(W, A, B, alpha, r):
    return right(W, A, B, alpha)


@mistake(Text("只除以了 r，没有乘 alpha。", "Over r, but not times alpha."))
def not_times_alpha(W, A, B, alpha, r):
    return right(W, A, B, 1 / r)


@mistake(Text("合并了两次：更新只加一次。", "Merged twice: the update is added once."))
def merged_twice(W, A, B, alpha, r):
    return right(W, A, B, 2 * alpha / r)


@mistake(
    Text(
        "更新被减掉了：那是取出（unmerge），不是合并。", "The update is subtracted: that takes it out again (unmerge)."
    )
)
def unmerged(W, A, B, alpha, r):
    return right(W, A, B, -alpha / r)


@mistake(Text("你返回的是更新本身，W 不见了。", "You return the update alone; W is gone."))
def update_alone(W, A, B, alpha, r):
    return right(torch.zeros_like(W), A, B, alpha / r)


@mistake(Text("W 也乘了 alpha / r：只有更新要乘。", "W is scaled too: alpha / r is for the update alone."))
def base_scaled(W, A, B, alpha, r):
    return right(W.float() * alpha / r, A, B, alpha / r).to(W.dtype)


@mistake(Text("你改动了 W 本身：返回一个新的张量。", "You changed W itself: return a new tensor."))
def in_place(W, A, B, alpha, r):
    W += (alpha / r * (B.float() @ A.float())).to(W.dtype)
    return W


@mistake(
    Text(
        "更新在相加之前就舍入成了 bfloat16：先在 float32 里加完，再舍入一次。",
        "The update is rounded to bfloat16 before it is added: add in float32, and round once.",
    )
)
def rounded_before(W, A, B, alpha, r):
    return W + (alpha / r * (B.to(W.dtype) @ A.to(W.dtype))).to(W.dtype)


@mistake(Text("结果是 float32：要和 W 的 dtype 一样。", "The result is float32: it must have W's dtype."))
def left_in_float32(W, A, B, alpha, r):
    return W.float() + alpha / r * (B.float() @ A.float())


@mistake(Text("你除以的是 √r：那是 rsLoRA。", "You divide by √r: that is rsLoRA."))
def by_root(W, A, B, alpha, r):
    return right(W, A, B, alpha / r**0.5)


@variant
def by_addmm(W, A, B, alpha, r):
    return torch.addmm(W.float(), B.float(), A.float(), alpha=alpha / r).to(W.dtype)


@variant
def in_float64(W, A, B, alpha, r):
    return (W.double() + B.double() @ A.double() * alpha / r).to(W.dtype)


@variant
def as_a_sum_of_outer_products(W, A, B, alpha, r):
    merged = W.float().clone()
    for k in range(A.shape[0]):
        merged += alpha / r * torch.outer(B[:, k].float(), A[k].float())
    return merged.to(W.dtype)
