"""Wrong and right softmaxes, to grade the grader with."""

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "你总是沿最后一维计算，没有用到参数 `dim`。",
        "You always work along the last dimension; the argument `dim` is not used.",
    )
)
def ignores_dim(x, dim):
    return torch.softmax(x.float(), -1).to(x.dtype)


@mistake(
    Text(
        "你没有先减去最大值：分数一大，`exp` 就溢出成 `inf`，`inf / inf` 是 `nan`。",
        "You do not subtract the maximum first: for large scores `exp` overflows to `inf`, and `inf / inf` is `nan`.",
    )
)
def no_maximum(x, dim):
    e = x.float().exp()
    return (e / e.sum(dim, keepdim=True)).to(x.dtype)


@mistake(
    Text(
        "你减去的是整个张量的最大值。有的行离它太远，`exp` 全变成 0，于是 `0 / 0`。每一行要减自己的最大值。",
        "You subtract the maximum of the whole tensor. A row far below it becomes all zeros, and then `0 / 0`. Every row "
        "needs its own maximum.",
    )
)
def one_maximum_for_all(x, dim):
    e = torch.exp(x.float() - x.float().max())
    return (e / e.sum(dim, keepdim=True)).to(x.dtype)


@mistake(
    Text(
        "你除以的是整个张量的总和。应该让沿 `dim` 的每一行各自加起来等于 1。",
        "You divide by the sum of the whole tensor. Every row along `dim` should add up to 1 by itself.",
    )
)
def one_sum_for_all(x, dim):
    x32 = x.float()
    e = torch.exp(x32 - x32.amax(dim, keepdim=True))
    return (e / e.sum()).to(x.dtype)


@mistake(
    Text(
        "求和时忘了 `keepdim=True`：方阵时不会报错，但每个数除以的是别的行的和。",
        "The sum lacks `keepdim=True`: with a square matrix there is no error, but every number is divided by the sum of "
        "another row.",
    )
)
def sum_without_keepdim(x, dim):
    x32 = x.float()
    e = torch.exp(x32 - x32.amax(dim, keepdim=True))
    return (e / e.sum(dim)).to(x.dtype)


@mistake(
    Text(
        "你在 fp16 里求和：很多项加起来超过 fp16 的最大值 65504，变成 `inf`，权重全成了 0。先用 `x.float()` 转成 fp32。",
        "You add up in fp16: many terms exceed 65504, the largest fp16 number, the sum becomes `inf` and all weights 0. "
        "Cast with `x.float()` first.",
    )
)
def sum_in_half(x, dim):
    e = torch.exp(x - x.amax(dim, keepdim=True))
    return e / e.sum(dim, keepdim=True)


@mistake(
    Text(
        "输入是 fp16 时你返回了 fp32：最后要用 `.to(x.dtype)` 转回去。",
        "For fp16 input you return fp32: cast back with `.to(x.dtype)` at the end.",
    )
)
def stays_in_float32(x, dim):
    return torch.softmax(x.float(), dim)


@mistake(
    Text(
        "你返回的是 softmax 的对数（log-softmax），它是负数，加起来不等于 1。",
        "You return the logarithm of the softmax: it is negative and does not add up to 1.",
    )
)
def log_softmax(x, dim):
    return torch.log_softmax(x.float(), dim).to(x.dtype)


@mistake(
    Text(
        "你直接用分数除以总和，没有取 `exp`：分数是负数时，权重也会变成负数。",
        "You divide the scores by their sum without `exp`: negative scores then give negative weights.",
    )
)
def without_exp(x, dim):
    x32 = x.float()
    return (x32 / x32.sum(dim, keepdim=True)).to(x.dtype)


@mistake(
    Text(
        "这是 sigmoid：它单独看每个分数，一行加起来不等于 1。softmax 还要除以整行的和。",
        "This is a sigmoid: it looks at each score alone, and a row does not add up to 1. Softmax divides by the row's sum.",
    )
)
def sigmoid(x, dim):
    return torch.sigmoid(x.float()).to(x.dtype)


@mistake(
    Text(
        "你把分数截断到 [-50, 50] 来避免溢出：不再有 `nan`，但超出范围的分数分不出大小了。减去最大值才不改变结果。",
        "You clamp the scores to [-50, 50] against overflow: no more `nan`, but scores beyond that look alike. Subtracting "
        "the maximum changes nothing.",
    )
)
def clamped(x, dim):
    return torch.softmax(x.float().clamp(-50, 50), dim).to(x.dtype)


@mistake(
    Text(
        "你用 `-=` 之类的原地操作改动了调用者的 `x`。请写到新的张量里。",
        "An in-place operation such as `-=` changed the caller's `x`. Write to a new tensor.",
    )
)
def changes_the_input(x, dim):
    x.data -= x.data.amax(dim, keepdim=True)
    return torch.softmax(x.float(), dim).to(x.dtype)


@mistake(
    Text(
        "数值对了，但梯度断了：`.detach()`、`.data`、`.numpy()` 或 `.item()` 会让 autograd 看不到计算过程。",
        "The values are right, but the gradient is cut: `.detach()`, `.data`, `.numpy()` and `.item()` hide the computation "
        "from autograd.",
    )
)
def through_numpy(x, dim):
    e = torch.exp(x.detach().float() - x.detach().float().amax(dim, keepdim=True))
    return (e / e.sum(dim, keepdim=True)).to(x.dtype)


@mistake(
    Text(
        "分母里不需要再加一个小数：减去最大值之后，和至少是 1，不会除以 0；加上它，权重的和就小于 1 了。",
        "No small number is needed in the denominator: after subtracting the maximum the sum is at least 1. With it the "
        "weights add up to less than 1.",
    )
)
def epsilon_in_denominator(x, dim):
    x32 = x.float()
    e = torch.exp(x32 - x32.amax(dim, keepdim=True))
    return (e / (e.sum(dim, keepdim=True) + 1e-3)).to(x.dtype)


@mistake(
    Text(
        "你减去的是平均值：结果一样，但最大的分数离平均值很远时 `exp` 照样溢出。减去最大值，`exp` 就不会超过 1。",
        "You subtract the mean: the quotient is the same, but where the highest score is far above the mean `exp` still overflows. "
        "With the maximum, `exp` never exceeds 1.",
    )
)
def mean_subtracted(x, dim):
    x32 = x.float()
    e = torch.exp(x32 - x32.mean(dim, keepdim=True))
    return (e / e.sum(dim, keepdim=True)).to(x.dtype)


@mistake(
    Text(
        "你用 `nan_to_num` 把溢出后的 `nan` 换成了 0：最大的分数本该得到几乎全部权重，却得了 0。先减去最大值，就没有 `nan`。",
        "You turn the `nan` of an overflow into 0 with `nan_to_num`: the highest score should get nearly all the weight, "
        "and gets 0. Subtract the maximum, and no `nan` arises.",
    )
)
def nan_covered_up(x, dim):
    e = x.float().exp()
    return torch.nan_to_num(e / e.sum(dim, keepdim=True)).to(x.dtype)


@variant
def torch_softmax(x, dim):
    return torch.softmax(x, dim)


@variant
def by_logsumexp(x, dim):
    x32 = x.float()
    return torch.exp(x32 - torch.logsumexp(x32, dim, keepdim=True)).to(x.dtype)


@variant
def row_by_row(x, dim):
    rows = []
    for row in x.float().movedim(dim, -1).reshape(-1, x.shape[dim]):
        e = (row - row.max()).exp()
        rows.append(e / e.sum())
    moved = x.movedim(dim, -1).shape
    return torch.stack(rows).reshape(moved).movedim(-1, dim).to(x.dtype)


@variant
def in_float64_with_a_fixed_maximum(x, dim):
    x64 = x.double()
    e = torch.exp(x64 - x64.max(dim, keepdim=True).values.detach())
    return (e / e.sum(dim, keepdim=True)).to(x.dtype)
