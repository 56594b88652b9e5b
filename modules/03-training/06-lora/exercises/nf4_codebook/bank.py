"""Wrong and right ways to choose sixteen values."""

from __future__ import annotations

import statistics

import torch

from fledge.adapt.nf4 import CODEBOOK
from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text

P = 0.9677083


def quantiles(count, p=P):
    return torch.special.ndtri(torch.linspace(p, 0.5, count + 1, dtype=torch.float64)[:-1])


def finished(*parts):
    values = torch.cat([part.double() for part in parts]).sort().values
    return (values / values.max()).float()


ZERO = torch.zeros(1, dtype=torch.float64)


@mistake(
    Text(
        "16 个值均匀铺开了：那是普通的 4 位整数，不是分位数。",
        "The 16 values are evenly spaced: that is a plain 4-bit integer, no quantiles.",
    )
)
def evenly_spaced():
    return torch.linspace(-1, 1, 16)


@mistake(Text("没有 0：两边各 8 个，零就表示不了。", "0 is missing: with 8 on either side zero cannot be said."))
def no_zero():
    return finished(-quantiles(8), quantiles(8))


@mistake(Text("正负弄反了：正的 8 个，负的 7 个。", "The sides are swapped: 8 positive ones, 7 negative ones."))
def sides_swapped():
    return finished(-quantiles(8), ZERO, quantiles(7))


@mistake(Text("没有除以最大值：两端应当是 -1 和 1。", "Not divided by the largest: the ends are -1 and 1."))
def not_normalised():
    return torch.cat((-quantiles(7), ZERO, quantiles(8))).sort().values.float()


@mistake(Text("没有排序：结果要从小到大。", "Not sorted: the values ascend."))
def unsorted():
    values = torch.cat((ZERO, quantiles(8), -quantiles(7)))
    return (values / values.max()).float()


@mistake(Text("结果是 float64：要 float32。", "The result is float64: it must be float32."))
def in_float64():
    values = torch.cat((-quantiles(7), ZERO, quantiles(8))).sort().values
    return values / values.max()


@mistake(
    Text(
        "对概率取的是均匀的 16 份中点 (i + 0.5) / 16，没有用 p = 0.9677083。",
        "Sixteen even middles (i + 0.5) / 16 are taken as probabilities, instead of steps from p = 0.9677083.",
    )
)
def middles_of_sixteen():
    return finished(torch.special.ndtri((torch.arange(16, dtype=torch.float64) + 0.5) / 16))


@mistake(Text("用的是均匀的概率本身，没有求 Φ⁻¹。", "The probabilities themselves are used, without Φ⁻¹."))
def no_inverse():
    def steps(count):
        return torch.linspace(P, 0.5, count + 1, dtype=torch.float64)[:-1] - 0.5

    return finished(-steps(7), ZERO, steps(8))


@mistake(
    Text(
        "去掉的是第一个点，不是最后的 1/2：最大的分位数丢了，0 出现了两次。",
        "The first point is dropped and not the last, 1/2: the largest quantile is gone and 0 is there twice.",
    )
)
def wrong_end_dropped():
    def inner(count):
        return torch.special.ndtri(torch.linspace(P, 0.5, count + 1, dtype=torch.float64)[1:])

    return finished(-inner(7), ZERO, inner(8))


@mistake(Text("p 写成了 0.97：请用 0.9677083。", "p is 0.97: use 0.9677083."))
def another_p():
    return finished(-quantiles(7, 0.97), ZERO, quantiles(8, 0.97))


@variant
def from_the_paper():
    return torch.tensor(CODEBOOK)


@variant
def by_the_standard_library():
    normal = statistics.NormalDist()

    def half(count):
        return [normal.inv_cdf(P + (0.5 - P) * step / count) for step in range(count)]

    values = sorted([-value for value in half(7)] + [0.0] + half(8))
    return torch.tensor([value / values[-1] for value in values], dtype=torch.float32)


@variant
def by_erfinv():
    def half(count):
        return 2**0.5 * torch.erfinv(2 * torch.linspace(P, 0.5, count + 1, dtype=torch.float64)[:-1] - 1)

    return finished(-half(7), ZERO, half(8))
