"""What the grader of rms_norm is graded with: mistakes that people make, and right answers that look different."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def right(x, weight, eps):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "你先减去了平均值：那是 LayerNorm 的做法，RMSNorm 不减平均值。",
        "You subtract the mean first: that is what LayerNorm does; RMSNorm does not.",
    )
)
def mean_subtracted(x, weight, eps):
    return right(x.float() - x.float().mean(-1, keepdim=True), weight, eps).to(x.dtype)


@mistake(Text("结果还没有乘 weight。", "The result is not multiplied by weight yet."))
def weight_forgotten(x, weight, eps):
    return right(x, torch.ones_like(weight), eps)


@mistake(
    Text(
        "你乘的是 1 + weight：那是 Gemma 的写法，这里的 weight 直接相乘。",
        "You multiply by 1 + weight: that is how Gemma does it; here weight is the factor itself.",
    )
)
def weight_plus_one(x, weight, eps):
    return right(x, 1 + weight.float(), eps)


@mistake(
    Text(
        "eps 加在了根号外面：应当先加 eps 再开方，sqrt(mean(x²) + eps)。",
        "eps is added outside the root: add it first, then take the root, sqrt(mean(x²) + eps).",
    )
)
def eps_outside_the_root(x, weight, eps):
    x32 = x.float()
    return (x32 / (x32.square().mean(-1, keepdim=True).sqrt() + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text("没有用到 eps：全零的向量会变成 0 / 0。", "eps is not used: a vector of zeros becomes 0 / 0."),
)
def eps_forgotten(x, weight, eps):
    return right(x, weight, 0.0)


@mistake(
    Text(
        "eps 写死成了 1e-6：请用参数 eps 的值。",
        "eps is fixed at 1e-6: use the value of the argument eps.",
    )
)
def eps_hard_coded(x, weight, eps):
    return right(x, weight, 1e-6)


@mistake(
    Text(
        "你除以的是平方和的根，少了求平均：均方根要除以元素个数 D。",
        "You divide by the root of the sum of squares; the mean is missing: divide the sum by D first.",
    )
)
def sum_instead_of_mean(x, weight, eps):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.square().sum(-1, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "平均时除以了 D - 1：那是样本方差的算法，均方根除以 D。",
        "The mean divides by D - 1: that belongs to the sample variance; the root mean square divides by D.",
    )
)
def one_less(x, weight, eps):
    x32 = x.float()
    mean_square = x32.square().sum(-1, keepdim=True) / (x.shape[-1] - 1)
    return (x32 * torch.rsqrt(mean_square + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "忘了开方：你除以的是均方，不是均方根。",
        "The root is missing: you divide by the mean square, not by its root.",
    )
)
def no_root(x, weight, eps):
    x32 = x.float()
    return (x32 / (x32.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "你用的是绝对值的平均，不是平方的平均再开方。",
        "You use the mean of the absolute values, not the root of the mean of the squares.",
    )
)
def mean_of_absolutes(x, weight, eps):
    x32 = x.float()
    return (x32 / (x32.abs().mean(-1, keepdim=True).square() + eps).sqrt()).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "所有向量用了同一个均方根：平均只该沿最后一维取（dim=-1, keepdim=True）。",
        "All vectors share one root mean square: take the mean over the last dimension only (dim=-1, keepdim=True).",
    )
)
def one_for_all(x, weight, eps):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.square().mean() + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "平均取在了第一维上：每个向量在最后一维，应当用 dim=-1。",
        "The mean is taken over the first dimension: a vector lies along the last one, dim=-1.",
    )
)
def first_dimension(x, weight, eps):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.square().mean(0, keepdim=True) + eps)).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "平方是在半精度里算的：float16 装不下 300 的平方，先转成 float32。",
        "The square is taken in half precision: 300 squared does not fit into float16; turn x into float32 first.",
    )
)
def squared_in_half(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight.to(x.dtype)


@mistake(
    Text(
        "结果留在了 float32：应当转回 x 的 dtype。",
        "The result stays float32: turn it back into the dtype of x.",
    )
)
def left_in_float32(x, weight, eps):
    return right(x.float(), weight, eps)


@mistake(
    Text(
        "weight 没有转换：半精度的 x 乘 float32 的 weight，结果会变成 float32。",
        "weight is not converted: half-precision x times a float32 weight gives float32.",
    )
)
def weight_not_converted(x, weight, eps):
    return right(x, torch.ones_like(weight), eps) * weight


@mistake(
    Text(
        "均方根被当成了常数（detach 或 no_grad）：数值对，梯度不对，因为均方根也随 x 变化。",
        "The root mean square is treated as a constant (detach or no_grad): values are right, gradients are not, "
        "because it depends on x as well.",
    )
)
def root_detached(x, weight, eps):
    x32 = x.float()
    scale = torch.rsqrt(x32.square().mean(-1, keepdim=True) + eps).detach()
    return (x32 * scale).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "你把结果写回了 x（原地操作）：调用者手里的 x 也变了。",
        "You write the result into x (an operation in place): the caller's x has changed too.",
    )
)
def written_into_x(x, weight, eps):
    return x.copy_(right(x, weight, eps)).clone()


@mistake(
    Text(
        "eps 成了均方的下限（`clamp(min=eps)`）。eps 是加在均方上的，不论均方多大。",
        "eps is a lower bound of the mean square in yours (`clamp(min=eps)`). It is added to it, however large the mean square is.",
    )
)
def eps_as_a_lower_bound(x, weight, eps):
    x32 = x.float()
    scale = x32.square().mean(-1, keepdim=True).clamp(min=eps).rsqrt()
    return (x32 * scale).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "eps 成了均方根的下限（`F.normalize` 就是这样）。eps 应当加在根号里面：sqrt(mean(x²) + eps)。",
        "eps is a lower bound of the root mean square in yours (as in `F.normalize`). Add it under the root: sqrt(mean(x²) + eps).",
    )
)
def root_at_least_eps(x, weight, eps):
    x32 = x.float()
    root = x32.square().mean(-1, keepdim=True).sqrt().clamp(min=eps)
    return (x32 / root).to(x.dtype) * weight.to(x.dtype)


@mistake(
    Text(
        "你除以的是标准差（`std`）：它先减去平均值。均方根不减。",
        "You divide by the standard deviation (`std`), which subtracts the mean first. The root mean square does not.",
    )
)
def divided_by_std(x, weight, eps):
    x32 = x.float()
    scale = torch.rsqrt(x32.var(-1, keepdim=True, correction=0) + eps)
    return (x32 * scale).to(x.dtype) * weight.to(x.dtype)


@variant
def by_the_norm(x, weight, eps):
    """|x|² / D is the mean square."""
    x32 = x.float()
    mean_square = torch.linalg.vector_norm(x32, dim=-1, keepdim=True).pow(2) / x.shape[-1]
    return (x32 / torch.sqrt(mean_square + eps) * weight.float()).to(x.dtype)


@variant
def by_einsum(x, weight, eps):
    x64 = x.double()
    mean_square = torch.einsum("...d,...d->...", x64, x64)[..., None] / x.shape[-1]
    return (x64 * (mean_square + eps) ** -0.5 * weight).to(x.dtype)


@variant
def by_torch(x, weight, eps):
    return F.rms_norm(x.float(), (x.shape[-1],), weight.float(), eps).to(x.dtype)


@variant
def vector_by_vector(x, weight, eps):
    rows = x.reshape(-1, x.shape[-1]).float()
    normed = [row / (row @ row / len(row) + eps) ** 0.5 for row in rows]
    return torch.stack(normed).reshape(x.shape).to(x.dtype) * weight.to(x.dtype)
