"""Wrong and right ways to write sinusoidal_positions."""

import math

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def _angles(num_positions, dim, first=0):
    positions = torch.arange(first, first + num_positions, dtype=torch.float64)[:, None]
    return positions / 10000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)


def _interleave(even, odd, dim):
    table = torch.empty(even.shape[0], dim, dtype=torch.float64)
    table[:, 0::2] = even
    table[:, 1::2] = odd[:, : dim // 2]
    return table


@mistake(
    Text(
        "你把正弦全放在前一半、余弦全放在后一半。这里要求两者交替：偶数列正弦，奇数列余弦。",
        "You put all sines into the first half and all cosines into the second. Here they alternate: even columns sine, odd "
        "cosine.",
    )
)
def in_two_halves(num_positions, dim):
    angles = _angles(num_positions, dim)
    return torch.cat((angles.sin(), angles[:, : dim // 2].cos()), dim=1).float()


@mistake(
    Text(
        "正弦和余弦放反了：正弦在偶数列（0、2、4……），余弦在奇数列。",
        "Sine and cosine have changed places: sines belong in the even columns (0, 2, 4, …), cosines in the odd.",
    )
)
def sine_and_cosine_swapped(num_positions, dim):
    angles = _angles(num_positions, dim)
    return _interleave(angles.cos(), angles.sin(), dim).float()


@mistake(
    Text(
        "你的指数是 i/dim，少了因子 2：i 是第几对，偶数列的列号是 2i。",
        "Your exponent is i/dim, without the factor 2: i counts the pairs, and the even column is number 2i.",
    )
)
def factor_two_missing(num_positions, dim):
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    angles = positions / 10000 ** (torch.arange((dim + 1) // 2, dtype=torch.float64) / dim)
    return _interleave(angles.sin(), angles.cos(), dim).float()


@mistake(
    Text(
        "你的指数里 2 乘了两次：偶数列的列号已经是 2i，不用再乘 2。",
        "Your exponent has the factor 2 twice: the number of the even column is 2i already.",
    )
)
def factor_two_twice(num_positions, dim):
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    angles = positions / 10000 ** (2 * torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return _interleave(angles.sin(), angles.cos(), dim).float()


@mistake(
    Text(
        "奇数列用了自己的列号算频率。一对里的余弦和正弦共用同一个频率，用的是偶数列的列号。",
        "The odd columns take a frequency from their own number. The cosine of a pair shares the frequency of its sine, "
        "that of the "
        "even column.",
    )
)
def every_column_its_own_frequency(num_positions, dim):
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    angles = positions / 10000 ** (torch.arange(dim, dtype=torch.float64) / dim)
    return _interleave(angles[:, 0::2].sin(), angles[:, 1::2].cos(), dim).float()


@mistake(
    Text(
        "你乘上了 10000 的幂，应该除：越往后的列转得越慢，而你的越来越快。",
        "You multiply by the power of 10000 instead of dividing: later columns must turn more slowly, yours turn faster.",
    )
)
def multiplied(num_positions, dim):
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    angles = positions * 10000 ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    return _interleave(angles.sin(), angles.cos(), dim).float()


@mistake(
    Text(
        "你的位置从 1 开始。第一行是位置 0：正弦全是 0，余弦全是 1。",
        "Your positions begin with 1. The first row is position 0: every sine is 0 and every cosine 1.",
    )
)
def counted_from_one(num_positions, dim):
    angles = _angles(num_positions, dim, first=1)
    return _interleave(angles.sin(), angles.cos(), dim).float()


@mistake(
    Text(
        "小的位置对，大的位置不准：角度是用 float32 算的，误差会随位置一起变大。用 float64 算角度，最后再转换。",
        "Small positions are right, large ones are not: your angles are computed in float32, and their error grows with the "
        "position. "
        "Use float64 for the angles and convert at the end.",
    )
)
def angles_in_float32(num_positions, dim):
    positions = torch.arange(num_positions, dtype=torch.float32)[:, None]
    angles = positions / 10000 ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    return _interleave(angles.sin(), angles.cos(), dim).float()


@mistake(
    Text(
        "结果是 float64。最后要转成 float32。",
        "The result is float64. Turn it into float32 at the end.",
    )
)
def left_in_float64(num_positions, dim):
    angles = _angles(num_positions, dim)
    return _interleave(angles.sin(), angles.cos(), dim)


@mistake(
    Text(
        "你的频率在首尾之间均分，让最后一对正好是 1/10000（指数除以的是「列对的个数减一」）。论文的公式里，指数除以的是 "
        "dim，最后一对还到不了 1/10000。",
        "Your frequencies are spread so that the last pair has exactly 1/10000 (divided by the number of pairs minus one). The "
        "paper's formula divides by dim, and its last pair does not reach 1/10000.",
    )
)
def pairs_minus_one(num_positions, dim):
    pairs = (dim + 1) // 2
    positions = torch.arange(num_positions, dtype=torch.float64)[:, None]
    angles = positions / 10000 ** (torch.arange(pairs, dtype=torch.float64) / max(pairs - 1, 1))
    return _interleave(angles.sin(), angles.cos(), dim).float()


@mistake(
    Text(
        "dim 是奇数时你少了最后一列：那一列应该是正弦。",
        "With an odd dim your last column is missing: it should be a sine.",
    )
)
def odd_column_lost(num_positions, dim):
    angles = _angles(num_positions, dim)
    return _interleave(angles.sin(), angles.cos(), dim).float()[:, : max(dim // 2 * 2, 1)]


@variant
def with_exp(num_positions, dim):
    rates = torch.exp(torch.arange(0, dim, 2).double() * (-math.log(10000.0) / dim))
    angles = torch.outer(torch.arange(num_positions).double(), rates)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :dim].float()


@variant
def cosine_as_shifted_sine(num_positions, dim):
    columns = torch.arange(dim)
    angles = torch.arange(num_positions, dtype=torch.float64)[:, None] / 10000 ** ((columns // 2 * 2).double() / dim)
    return torch.sin(angles + (columns % 2) * (math.pi / 2)).float()


@variant
def on_the_unit_circle(num_positions, dim):
    angles = _angles(num_positions, dim)
    points = torch.view_as_real(torch.polar(torch.ones_like(angles), angles))  # (cos, sin) of every angle
    return points.flip(-1).flatten(1)[:, :dim].to(torch.float32)


@variant
def number_by_number(num_positions, dim):
    table = torch.zeros(num_positions, dim)
    for position in range(num_positions):
        angles = [position / 10000 ** (column // 2 * 2 / dim) for column in range(dim)]
        row = [math.cos(a) if column % 2 else math.sin(a) for column, a in enumerate(angles)]
        table[position] = torch.tensor(row, dtype=torch.float64)
    return table
