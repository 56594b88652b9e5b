"""Wrong and right ways to write layer_norm."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def _parts(x):
    x32 = x.float()
    centred = x32 - x32.mean(-1, keepdim=True)
    return centred, centred.square().mean(-1, keepdim=True)


@mistake(
    Text(
        "你没有减去均值：那是 RMSNorm。LayerNorm 先把每一行居中。",
        "You do not subtract the mean: that is RMSNorm. LayerNorm centres every row first.",
    )
)
def mean_kept(x, weight, bias, eps):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.square().mean(-1, keepdim=True) + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "你的方差除以了 D-1。`x.var(-1)` 默认这样做；LayerNorm 要除以 D（`correction=0`）。",
        "Your variance is divided by D-1. `x.var(-1)` does that by default; LayerNorm divides by D (`correction=0`).",
    )
)
def unbiased_variance(x, weight, bias, eps):
    centred, _ = _parts(x)
    return (centred * torch.rsqrt(x.float().var(-1, keepdim=True) + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "你把 eps 加在了开方之后。它应加在方差上，再一起开方。",
        "You add eps after the root. It belongs to the variance, inside the root.",
    )
)
def eps_outside_root(x, weight, bias, eps):
    centred, variance = _parts(x)
    return (centred / (variance.sqrt() + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "你把 eps 写死了：无论传进来的 eps 是多少，结果都按 1e-5 计算。",
        "You wrote a fixed eps: whatever eps is passed, the result is computed with 1e-5.",
    )
)
def eps_fixed(x, weight, bias, eps):
    centred, variance = _parts(x)
    return (centred * torch.rsqrt(variance + 1e-5) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "均值和方差是在整个张量上求的。每一行（最后一维）要各求各的。",
        "Mean and variance are taken over the whole tensor. Every row (last axis) has its own.",
    )
)
def whole_tensor(x, weight, bias, eps):
    x32 = x.float()
    centred = x32 - x32.mean()
    return (centred * torch.rsqrt(centred.square().mean() + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "你沿第一维（批次）求了统计量：那是 BatchNorm。LayerNorm 沿最后一维。",
        "Your statistics run along the first axis (the batch): that is BatchNorm. LayerNorm takes the last axis.",
    )
)
def over_the_batch(x, weight, bias, eps):
    x32 = x.float()
    centred = x32 - x32.mean(0, keepdim=True)
    return (centred * torch.rsqrt(centred.square().mean(0, keepdim=True) + eps) * weight + bias).to(x.dtype)


@mistake(Text("没有乘 weight。", "The product with weight is missing."))
def weight_forgotten(x, weight, bias, eps):
    centred, variance = _parts(x)
    return (centred * torch.rsqrt(variance + eps) + bias).to(x.dtype)


@mistake(Text("没有加 bias。", "bias is not added."))
def bias_forgotten(x, weight, bias, eps):
    centred, variance = _parts(x)
    return (centred * torch.rsqrt(variance + eps) * weight).to(x.dtype)


@mistake(
    Text(
        "顺序反了：先乘 weight，再加 bias；你先加了 bias，于是 bias 也被乘上了 weight。",
        "The order is wrong: first times weight, then plus bias. You add bias first, so bias is multiplied by weight too.",
    )
)
def bias_before_weight(x, weight, bias, eps):
    centred, variance = _parts(x)
    return ((centred * torch.rsqrt(variance + eps) + bias) * weight).to(x.dtype)


@mistake(
    Text(
        "你除以了方差，而不是标准差：少了一次开方。",
        "You divide by the variance instead of the standard deviation: a square root is missing.",
    )
)
def root_forgotten(x, weight, bias, eps):
    centred, variance = _parts(x)
    return (centred / (variance + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "你直接用 float16 计算：300 的平方已经超出它的范围，成了 inf。先用 `x.float()` 转成 float32。",
        "You compute in float16: the square of 300 is beyond its range and becomes inf. Turn x into float32 first, "
        "`x.float()`.",
    )
)
def no_upcast(x, weight, bias, eps):
    centred = x - x.mean(-1, keepdim=True)
    return (centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "你用「平方的均值减去均值的平方」求方差。均值很大时，两个大数相减，有效数字全丢了。先居中，再平方。",
        "You take the variance as mean of squares minus square of the mean. With a large mean that is the difference of two "
        "large "
        "numbers, and no digits are left. Centre first, then square.",
    )
)
def difference_of_squares(x, weight, bias, eps):
    x32 = x.float()
    mean = x32.mean(-1, keepdim=True)
    variance = x32.square().mean(-1, keepdim=True) - mean.square()
    return ((x32 - mean) * torch.rsqrt(variance + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "结果一直是 float32。算完以后要转回 x 的 dtype。",
        "The result is always float32. Cast it back to the dtype of x at the end.",
    )
)
def stays_float32(x, weight, bias, eps):
    centred, variance = _parts(x)
    return centred * torch.rsqrt(variance + eps) * weight + bias


@mistake(
    Text(
        "数值对，梯度不对：均值和方差也依赖 x，求它们时不能用 `no_grad` 或 `detach`。",
        "The values are right, the gradient is not: mean and variance depend on x too, so take them without `no_grad` or "
        "`detach`.",
    )
)
def statistics_detached(x, weight, bias, eps):
    x32 = x.float()
    mean = x32.mean(-1, keepdim=True).detach()
    variance = (x32 - mean).square().mean(-1, keepdim=True).detach()
    return ((x32 - mean) * torch.rsqrt(variance + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "均值是在半精度里减的（先减，后转 float32）：x 在 500 附近时 float16 的间隔已有 0.25 到 0.5，差值只剩一两位。先 "
        "`x.float()`，再减。",
        "The mean is subtracted in half precision (first the difference, then float32): near 500 float16 numbers are 0.25 to 0.5 "
        "apart, and one or two digits of the difference are left. `x.float()` comes first.",
    )
)
def centred_in_half(x, weight, bias, eps):
    centred = (x - x.mean(-1, keepdim=True)).float()
    variance = centred.square().mean(-1, keepdim=True)
    return (centred * torch.rsqrt(variance + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "方差是用没有减均值的 x 算的：mean(x²) 不是方差。先减去均值，再平方。",
        "Your variance is taken of x before the mean is subtracted: mean(x²) is no variance. Subtract the mean, then square.",
    )
)
def variance_of_uncentred(x, weight, bias, eps):
    centred, _ = _parts(x)
    return (centred * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + eps) * weight + bias).to(x.dtype)


@mistake(
    Text(
        "eps 成了方差的下限（`clamp(min=eps)`）。eps 是加在方差上的，不论方差多大。",
        "eps is a lower bound of the variance in yours (`clamp(min=eps)`). It is added to it, however large the variance is.",
    )
)
def eps_as_a_lower_bound(x, weight, bias, eps):
    centred, variance = _parts(x)
    return (centred * torch.rsqrt(variance.clamp(min=eps)) * weight + bias).to(x.dtype)


@variant
def fused(x, weight, bias, eps):
    return F.layer_norm(x.float(), x.shape[-1:], weight.float(), bias.float(), eps).to(x.dtype)


@variant
def var_mean(x, weight, bias, eps):
    variance, mean = torch.var_mean(x.float(), dim=-1, correction=0, keepdim=True)
    return ((x.float() - mean) / torch.sqrt(variance + eps) * weight.float() + bias.float()).to(x.dtype)


@variant
def row_by_row(x, weight, bias, eps):
    rows = []
    for row in x.float().reshape(-1, x.shape[-1]):
        centred = row - row.sum() / row.numel()
        rows.append(centred / (torch.dot(centred, centred) / row.numel() + eps) ** 0.5 * weight + bias)
    return torch.stack(rows).reshape(x.shape).to(x.dtype)


@variant
def in_float64(x, weight, bias, eps):
    centred = x.double() - x.double().mean(-1, keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    deviation = torch.sqrt(length.square() / x.shape[-1] + eps)
    return (centred / deviation * weight + bias).to(x.dtype)
