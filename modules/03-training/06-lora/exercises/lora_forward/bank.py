"""Wrong and right ways to add LoRA to a linear layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def small_road(x, A, B):
    return x @ A.T @ B.T


@mistake(Text("缩放忘了：小路要乘 alpha / r。", "The scale is missing: the small road counts alpha / r times."))
def scale_forgotten(x, W, A, B, alpha, r):
    return x @ W.T + small_road(x, A, B)


@mistake(
    Text(
        "只乘了 alpha，没有除以 r：秩越大，更新就越大。",
        "Times alpha, but not over r: the larger the rank, the larger the update.",
    )
)
def not_over_r(x, W, A, B, alpha, r):
    return x @ W.T + alpha * small_road(x, A, B)


@mistake(Text("只除以了 r，没有乘 alpha。", "Over r, but not times alpha."))
def not_times_alpha(x, W, A, B, alpha, r):
    return x @ W.T + small_road(x, A, B) / r


@mistake(Text("alpha / r 乘了两次（A 一次，B 一次）。", "alpha / r is applied twice, once with A and once with B."))
def scaled_twice(x, W, A, B, alpha, r):
    return x @ W.T + (alpha / r) ** 2 * small_road(x, A, B)


@mistake(Text("分数写反了：是 alpha / r，不是 r / alpha。", "The fraction is upside down: alpha / r, not r / alpha."))
def upside_down(x, W, A, B, alpha, r):
    return x @ W.T + r / alpha * small_road(x, A, B)


@mistake(Text("你除以的是 √r：那是 rsLoRA。这里要除以 r。", "You divide by √r: that is rsLoRA. Here it is r."))
def by_root(x, W, A, B, alpha, r):
    return x @ W.T + alpha / r**0.5 * small_road(x, A, B)


@mistake(
    Text(
        "冻结的层不见了：LoRA 是加在 x Wᵀ 上的，不是替代它。",
        "The frozen layer is gone: LoRA is added to x Wᵀ and does not replace it.",
    )
)
def base_missing(x, W, A, B, alpha, r):
    return alpha / r * small_road(x, A, B)


@mistake(
    Text(
        "冻结的层也被缩放了：alpha / r 只乘小路。",
        "The frozen layer is scaled too: alpha / r is for the small road alone.",
    )
)
def base_scaled(x, W, A, B, alpha, r):
    return alpha / r * (x @ W.T + small_road(x, A, B))


@mistake(Text("更新被减掉了：应当相加。", "The update is subtracted: add it."))
def subtracted(x, W, A, B, alpha, r):
    return x @ W.T - alpha / r * small_road(x, A, B)


@mistake(
    Text(
        "小路里的 x 被当成了常数（detach）：前面各层会少一份梯度。",
        "x is a constant (detached) on the small road: the layers below miss that part of their gradient.",
    )
)
def road_detached(x, W, A, B, alpha, r):
    return x @ W.T + alpha / r * small_road(x.detach(), A, B)


@mistake(
    Text(
        "冻结的层里 x 被当成了常数（no_grad）：W 不训练，梯度仍要穿过它传下去。",
        "x is a constant in the frozen layer: W is not trained, but the gradient must still pass through it.",
    )
)
def base_without_gradient(x, W, A, B, alpha, r):
    return x.detach() @ W.T + alpha / r * small_road(x, A, B)


@mistake(Text("A 没有梯度（detach）：只有 B 能学。", "A has no gradient (detach): only B can learn."))
def A_detached(x, W, A, B, alpha, r):
    return x @ W.T + alpha / r * small_road(x, A.detach(), B)


@variant
def by_linear(x, W, A, B, alpha, r):
    return F.linear(x, W) + F.linear(F.linear(x, A), B) * (alpha / r)


@variant
def merged_first(x, W, A, B, alpha, r):
    return F.linear(x, W + alpha / r * (B @ A))


@variant
def by_einsum(x, W, A, B, alpha, r):
    down = torch.einsum("...i,ri->...r", x, A) * alpha
    return torch.einsum("...i,oi->...o", x, W) + torch.einsum("...r,or->...o", down, B) / r
