"""Wrong and right ways to write apply_rope."""

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "你把相邻的两个数 (2i, 2i+1) 配成一对。那是 RoFormer 原文的排法；这里 i 和 i + D/2 是一对。",
        "You pair neighbours (2i, 2i+1). That is the order of the RoFormer paper; here i and i + D/2 are a pair.",
    )
)
def neighbours_paired(x_BHTD, cos, sin):
    turned = torch.stack((-x_BHTD[..., 1::2], x_BHTD[..., 0::2]), dim=-1).flatten(-2)
    return x_BHTD * cos + turned * sin


@mistake(
    Text(
        "方向转反了：减号应在前一半（a·cos - b·sin），你放在了后一半。",
        "You turn the wrong way: the minus belongs to the first half (a cos - b sin), yours is in the second.",
    )
)
def turned_backwards(x_BHTD, cos, sin):
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((second, -first), dim=-1) * sin


@mistake(
    Text(
        "少了减号：前一半应是 a·cos - b·sin。没有减号就不是旋转，向量的长度会变。",
        "The minus is missing: the first half is a cos - b sin. Without it this is no rotation, and lengths change.",
    )
)
def minus_missing(x_BHTD, cos, sin):
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((second, first), dim=-1) * sin


@mistake(
    Text(
        "乘 sin 的那一项里，前后两半没有交换：前一半要用后一半的数，后一半要用前一半的数。",
        "The halves are not exchanged in the term with sin: the first half needs the second half's numbers and the other "
        "way round.",
    )
)
def halves_not_exchanged(x_BHTD, cos, sin):
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-first, second), dim=-1) * sin


@mistake(
    Text(
        "cos 和 sin 用反了：位置 0 的角度是 0，cos 为 1、sin 为 0，向量应当不变。",
        "cos and sin have changed places: at position 0 the angle is 0, cos is 1, sin is 0, and the vector must stay as it is.",
    )
)
def cos_and_sin_swapped(x_BHTD, cos, sin):
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * sin + torch.cat((-second, first), dim=-1) * cos


@mistake(
    Text(
        "后一半用的是已经转过的前一半。两条公式都要用原来的 a 和 b。",
        "Your second half uses the first half after it was turned. Both formulas need the old a and b.",
    )
)
def new_values_used(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    x = x_BHTD.clone()
    x[..., :half] = x[..., :half] * cos[..., :half] - x[..., half:] * sin[..., :half]
    x[..., half:] = x[..., half:] * cos[..., half:] + x[..., :half] * sin[..., half:]
    return x


@mistake(
    Text(
        "数值对，但你改动了传进来的 x。别人还要用它：请返回新的张量。",
        "The numbers are right, but you changed the x that was passed in. Others still need it: return a new tensor.",
    )
)
def x_overwritten(x_BHTD, cos, sin):
    first, second = x_BHTD.detach().clone().chunk(2, dim=-1)
    x_BHTD.detach().copy_(x_BHTD.detach() * cos + torch.cat((-second, first), dim=-1) * sin)
    return x_BHTD.clone()


@mistake(
    Text(
        "表是 [B, 1, T, D] 时，你对所有行都用了第一行的角度。每行有自己的位置。",
        "With tables of shape [B, 1, T, D] you take the angles of the first row for all rows. Every row has its own positions.",
    )
)
def first_row_for_all(x_BHTD, cos, sin):
    if cos.dim() == 4:
        cos, sin = cos[0], sin[0]
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin


@mistake(
    Text(
        "你把第二维当成了位置。这里的 x 是 [B, H, T, D]：第二维是头，位置在倒数第二维，[T, D] 的表直接就能广播。",
        "You take the second axis for the positions. Here x is [B, H, T, D]: the second axis is the heads, positions are "
        "the last but "
        "one, and a table [T, D] broadcasts as it is.",
    )
)
def heads_taken_for_positions(x_BHTD, cos, sin):
    if cos.dim() == 2:
        cos, sin = cos[:, None], sin[:, None]
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin


@mistake(
    Text(
        "你只转了前一半，后一半原样返回。一对里的两个数都要变。",
        "You turn the first half only and return the second as it was. Both numbers of a pair change.",
    )
)
def second_half_untouched(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    first, second = x_BHTD.chunk(2, dim=-1)
    return torch.cat((first * cos[..., :half] - second * sin[..., :half], second), dim=-1)


@mistake(
    Text(
        "表乘过系数时你的结果不对：你由 cos 推出了 sin（或由 sin 推出 cos），可是 YaRN 的表里 cos² + sin² 不等于 1。",
        "Your result is wrong for tables with a factor: you derive one of cos and sin from the other, but in YaRN's tables "
        "cos² + sin² "
        "is not 1.",
    )
)
def length_assumed(x_BHTD, cos, sin):
    angle = torch.atan2(sin.float(), cos.float())
    first, second = x_BHTD.chunk(2, dim=-1)
    turned = x_BHTD * angle.cos() + torch.cat((-second, first), dim=-1) * angle.sin()
    return turned.to(x_BHTD.dtype)


@mistake(
    Text(
        "结果是 float32，应当与 x 的 dtype 相同。",
        "The result is float32; it must have the dtype of x.",
    )
)
def returned_in_float32(x_BHTD, cos, sin):
    first, second = x_BHTD.float().chunk(2, dim=-1)
    return x_BHTD.float() * cos.float() + torch.cat((-second, first), dim=-1) * sin.float()


@mistake(
    Text(
        "数值对，但梯度到不了 x：你用了 `no_grad` 或 `detach`，模型就学不到 RoPE 之前的权重了。",
        "The values are right, but no gradient reaches x: with `no_grad` or `detach` the weights before RoPE cannot learn.",
    )
)
def gradient_cut(x_BHTD, cos, sin):
    first, second = x_BHTD.detach().chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin


@variant
def as_complex_numbers(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    points = torch.complex(x_BHTD[..., :half].float(), x_BHTD[..., half:].float())
    turned = points * torch.complex(cos[..., :half].float(), sin[..., :half].float())
    return torch.cat((turned.real, turned.imag), dim=-1).to(x_BHTD.dtype)


@variant
def half_by_half(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    a, b = x_BHTD[..., :half], x_BHTD[..., half:]
    out = torch.empty_like(x_BHTD)
    out[..., :half] = a * cos[..., :half] - b * sin[..., :half]
    out[..., half:] = b * cos[..., half:] + a * sin[..., half:]
    return out


@variant
def with_roll(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    sign = torch.ones(x_BHTD.shape[-1], dtype=x_BHTD.dtype)
    sign[:half] = -1
    return x_BHTD * cos + torch.roll(x_BHTD, half, dims=-1) * sign * sin


@variant
def as_matrices(x_BHTD, cos, sin):
    pairs = x_BHTD.float().unflatten(-1, (2, -1))  # [B, H, T, 2, D/2]
    half = x_BHTD.shape[-1] // 2
    c, s = cos[..., :half].float(), sin[..., :half].float()
    matrix = torch.stack((torch.stack((c, -s), dim=-2), torch.stack((s, c), dim=-2)), dim=-3)  # [..., T, 2, 2, D/2]
    return torch.einsum("...nmd,...md->...nd", matrix, pairs).flatten(-2).to(x_BHTD.dtype)
