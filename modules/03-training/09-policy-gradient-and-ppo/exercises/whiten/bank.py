"""Wrong and right ways to whiten."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def put_back(x_NT, mask_NT, values):
    out_NT = torch.zeros_like(x_NT)
    out_NT[mask_NT] = values
    return out_NT


@mistake(Text("填充也算进了平均和标准差。", "Padding counts in the mean and the deviation."))
def padding_counts(x_NT, mask_NT):
    out = (x_NT - x_NT.mean()) / (x_NT.std(unbiased=False) + 1e-8)
    return torch.where(mask_NT, out, torch.zeros_like(out))


@mistake(
    Text(
        "填充先变成 0 再平均：个数也多了。",
        "Padding is made 0 and then counted in the mean.",
    )
)
def zeros_count(x_NT, mask_NT):
    x = torch.where(mask_NT, x_NT, torch.zeros_like(x_NT))
    out = (x - x.mean()) / (x.std(unbiased=False) + 1e-8)
    return torch.where(mask_NT, out, torch.zeros_like(out))


@mistake(
    Text(
        "每行各自标准化：整批只有一个平均、一个标准差，不然好回答和坏回答一样了。",
        "Every row for itself: there is one mean and one deviation, or good and bad answers become alike.",
    )
)
def row_by_row(x_NT, mask_NT):
    out = torch.zeros_like(x_NT)
    for row, mask, into in zip(x_NT, mask_NT, out):
        kept = row[mask]
        if len(kept):
            into[mask] = (kept - kept.mean()) / (kept.std(unbiased=False) + 1e-8)
    return out


@mistake(
    Text(
        "标准差除以了个数减一：只有一个数时是 nan。",
        "The deviation divides by one less: nan for a single number.",
    )
)
def sample_deviation(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return put_back(x_NT, mask_NT, (kept - kept.mean()) / (kept.std() + 1e-8))


@mistake(Text("只减了平均，没有除以标准差。", "Only the mean is taken off; divide by the deviation too."))
def only_centred(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return put_back(x_NT, mask_NT, kept - kept.mean())


@mistake(Text("没有减去平均。", "The mean is not taken off."))
def only_scaled(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return put_back(x_NT, mask_NT, kept / (kept.std(unbiased=False) + 1e-8))


@mistake(Text("除以了方差，忘了开方。", "Divided by the variance: the root is missing."))
def by_variance(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return put_back(x_NT, mask_NT, (kept - kept.mean()) / (kept.var(unbiased=False) + 1e-8))


@mistake(
    Text(
        "1e-8 加在了方差里，再开方成 1e-4：很小的数就被压扁了。",
        "1e-8 is added to the variance, whose root makes it 1e-4: small numbers are flattened.",
    )
)
def epsilon_in_the_variance(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return put_back(x_NT, mask_NT, (kept - kept.mean()) / (kept.var(unbiased=False) + 1e-8).sqrt())


@mistake(Text("没有加 1e-8：都相等时是 0 除以 0。", "1e-8 is missing: equal numbers are 0 over 0."))
def no_epsilon(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return put_back(x_NT, mask_NT, (kept - kept.mean()) / kept.std(unbiased=False))


@mistake(
    Text(
        "填充的位置不是 0：它们会进损失。",
        "Padding is not 0 in the result, and would go into the loss.",
    )
)
def padding_left(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return (x_NT - kept.mean()) / (kept.std(unbiased=False) + 1e-8)


@mistake(
    Text(
        "用乘 mask 来去掉填充：无穷大乘 0 是 nan。",
        "Padding is taken out by multiplying with the mask: infinity times 0 is nan.",
    )
)
def by_product(x_NT, mask_NT):
    count = mask_NT.sum()
    mean = (x_NT * mask_NT).sum() / count
    centred = (x_NT - mean) * mask_NT
    return centred / ((centred.square().sum() / count).sqrt() + 1e-8)


@mistake(Text("返回的是一维的：要放回 [N, T]。", "The result has one dimension: put it back into [N, T]."))
def flat(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    return (kept - kept.mean()) / (kept.std(unbiased=False) + 1e-8)


@mistake(Text("你改动了 x_NT 本身。", "You changed x_NT itself."))
def in_place(x_NT, mask_NT):
    kept = x_NT[mask_NT]
    x_NT.masked_fill_(~mask_NT, 0.0)
    return put_back(x_NT, mask_NT, (kept - kept.mean()) / (kept.std(unbiased=False) + 1e-8))


@variant
def by_where(x_NT, mask_NT):
    count = mask_NT.sum()
    zero = torch.zeros_like(x_NT)
    mean = torch.where(mask_NT, x_NT, zero).sum() / count
    centred = torch.where(mask_NT, x_NT - mean, zero)
    return centred / ((centred.square().sum() / count).sqrt() + 1e-8)


@variant
def by_scatter(x_NT, mask_NT):
    kept = torch.masked_select(x_NT, mask_NT)
    white = (kept - kept.mean()) / (kept.std(correction=0) + 1e-8)
    return torch.zeros_like(x_NT).masked_scatter(mask_NT, white)


@variant
def in_float64(x_NT, mask_NT):
    kept = x_NT.double()[mask_NT]
    white = (kept - kept.mean()) / (kept.var(unbiased=False).sqrt() + 1e-8)
    return put_back(x_NT, mask_NT, white.to(x_NT.dtype))
