"""Wrong and right ways to write alibi_bias."""

import math

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text

INF = float("-inf")


def _of_power(n):
    return [2 ** (-8 * head / n) for head in range(1, n + 1)]


def _slopes(n):
    power = 2 ** int(math.log2(n))
    return _of_power(power) + _of_power(2 * power)[0::2][: n - power]


def _distance(length):
    positions = torch.arange(length)
    return positions[:, None] - positions


def _bias(slopes, length, future=INF):
    distance = _distance(length)
    bias = -torch.tensor(slopes, dtype=torch.float32)[:, None, None] * distance
    return bias.masked_fill(distance < 0, future)


@mistake(
    Text(
        "第一个头的坡度是 1：头要从 1 数起，第一个头的指数是 -8/n，不是 0。",
        "Your first head has slope 1: heads are counted from 1, and the first exponent is -8/n, not 0.",
    )
)
def heads_from_zero(num_heads, length):
    return _bias([1.0, *_slopes(num_heads)][:num_heads], length)


@mistake(
    Text(
        "头数不是 2 的幂时，你直接套用了 2^(-8h/n)。这时要先取 p 个头的坡度，再从 2p 个头的坡度里补。",
        "You use 2^(-8h/n) for every number of heads. When it is not a power of two, take the slopes of p heads and fill up "
        "from "
        "those of 2p heads.",
    )
)
def formula_for_every_number(num_heads, length):
    return _bias(_of_power(num_heads), length)


@mistake(
    Text(
        "补坡度时你取了 2p 个头的前几个。应当隔一个取一个：第 1、3、5……个。",
        "You fill up with the first slopes of 2p heads. Take every other one: the 1st, 3rd, 5th, …",
    )
)
def first_instead_of_every_other(num_heads, length):
    power = 2 ** int(math.log2(num_heads))
    return _bias(_of_power(power) + _of_power(2 * power)[: num_heads - power], length)


@mistake(
    Text(
        "补坡度时你取了第 2、4、6……个，那些和前面重复。应当取第 1、3、5……个。",
        "You fill up with the 2nd, 4th, 6th, … slope; those are there already. Take the 1st, 3rd, 5th, …",
    )
)
def even_ones_taken(num_heads, length):
    power = 2 ** int(math.log2(num_heads))
    return _bias(_of_power(power) + _of_power(2 * power)[1::2][: num_heads - power], length)


@mistake(
    Text(
        "头数不是 2 的幂时，你用了更大的 2 的幂，再砍掉多余的头。论文先用较小的那个 p，再补。",
        "When the number of heads is not a power of two you take the next larger one and drop heads. The paper takes the "
        "smaller p "
        "and fills up.",
    )
)
def larger_power_cut(num_heads, length):
    return _bias(_of_power(2 ** math.ceil(math.log2(num_heads)))[:num_heads], length)


@mistake(
    Text(
        "你给坡度重新排了序。补上的坡度接在后面，顺序不变。",
        "You sorted the slopes. Those that are filled up follow at the end, in their own order.",
    )
)
def slopes_sorted(num_heads, length):
    return _bias(sorted(_slopes(num_heads), reverse=True), length)


@mistake(
    Text(
        "你的坡度没有用到头数：2^(-h) 只在 8 个头时才对。",
        "Your slopes do not depend on the number of heads: 2^(-h) is right for 8 heads only.",
    )
)
def slopes_of_eight_heads(num_heads, length):
    return _bias([2.0**-head for head in range(1, num_heads + 1)], length)


@mistake(
    Text(
        "符号反了：离得越远，偏置应当越小（负得越多），而你的越来越大。",
        "The sign is wrong: the farther away, the lower (more negative) the bias must be; yours grows.",
    )
)
def distance_rewarded(num_heads, length):
    return _bias([-slope for slope in _slopes(num_heads)], length)


@mistake(
    Text(
        "未来的键没有遮住：你按距离的绝对值扣分，那是双向的写法。j > i 的地方应是 -inf。",
        "Keys of the future are not masked: you take off by the absolute distance, which suits attention in both directions. "
        "Where j > i the bias is -inf.",
    )
)
def both_directions(num_heads, length):
    return -torch.tensor(_slopes(num_heads))[:, None, None] * _distance(length).abs()


@mistake(
    Text(
        "未来的键那里是 0，等于没有遮住，而且比过去的键还优先。应是 -inf。",
        "Keys of the future have bias 0: not masked at all, and preferred to those of the past. It must be -inf.",
    )
)
def future_is_zero(num_heads, length):
    return _bias(_slopes(num_heads), length, future=0.0)


@mistake(
    Text(
        "未来的键那里是一个很大的负数。这里要求 -inf，softmax 之后才恰好是 0。",
        "Keys of the future have a large negative number. Here it is -inf, so that exactly 0 is left after the softmax.",
    )
)
def large_negative_number(num_heads, length):
    return _bias(_slopes(num_heads), length, future=-1e9)


@mistake(
    Text(
        "行和列反了：行是查询 i，列是键 j。你遮住的是过去。",
        "Rows and columns have changed places: rows are queries i, columns are keys j. You mask the past.",
    )
)
def rows_and_columns_swapped(num_heads, length):
    return _bias(_slopes(num_heads), length).mT.contiguous()


@mistake(
    Text(
        "对角线也被遮住了：每个位置可以看自己（距离 0，偏置 0），只遮住 j > i。",
        "The diagonal is masked too: a position may look at itself (distance 0, bias 0); mask j > i only.",
    )
)
def self_masked(num_heads, length):
    return _bias(_slopes(num_heads), length).masked_fill(torch.eye(length, dtype=torch.bool), INF)


@mistake(
    Text(
        "距离多算了 1：自己到自己的距离是 0。",
        "Your distances are one too large: from a position to itself it is 0.",
    )
)
def distance_from_one(num_heads, length):
    return _bias(_slopes(num_heads), length) - torch.tensor(_slopes(num_heads))[:, None, None]


@variant
def recursive_as_published(num_heads, length):
    """The slopes as in the authors' code: the list for p heads, and a call of itself for 2p."""

    def slopes(n):
        if math.log2(n).is_integer():
            start = 2 ** (-(2 ** -(math.log2(n) - 3)))
            return [start * start**i for i in range(n)]
        closest = 2 ** math.floor(math.log2(n))
        return slopes(closest) + slopes(2 * closest)[0::2][: n - closest]

    future = torch.full((length, length), INF).triu(1)
    return torch.tensor(slopes(num_heads)).view(-1, 1, 1) * -_distance(length).clamp(min=0) + future


@variant
def with_loops(num_heads, length):
    out = torch.full((num_heads, length, length), INF)
    for head, slope in enumerate(_slopes(num_heads)):
        for i in range(length):
            out[head, i, : i + 1] = -slope * torch.arange(i, -1, -1)
    return out


@variant
def with_where(num_heads, length):
    i, j = torch.meshgrid(torch.arange(length), torch.arange(length), indexing="ij")
    exponents = [-math.log2(slope) for slope in _slopes(num_heads)]
    slopes = torch.exp2(-torch.tensor(exponents, dtype=torch.float64))
    penalty = torch.einsum("h,ij->hij", slopes, (j - i).double())
    return torch.where(j > i, torch.tensor(INF, dtype=torch.float64), penalty).float()
