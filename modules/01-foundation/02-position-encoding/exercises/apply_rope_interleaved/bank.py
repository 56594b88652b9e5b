"""Wrong and right ways to write apply_rope_interleaved."""

import math

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def _angles(positions, dim, base):
    return positions[:, None].float() * base ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)


def _turn(x, angles):
    a, b = x[..., 0::2].float(), x[..., 1::2].float()
    return a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()


def _interleave(a, b, dtype):
    return torch.stack((a, b), dim=-1).flatten(-2).to(dtype)


@mistake(
    Text(
        "你把 i 和 i + D/2 配成一对，那是 Hugging Face 的排法。这里相邻的 2i 和 2i+1 是一对。",
        "You pair i with i + D/2, as Hugging Face does. Here the neighbours 2i and 2i+1 are a pair.",
    )
)
def halves_paired(x, positions, base):
    angles = _angles(positions, x.shape[-1], base)
    a, b = x.float().chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)


@mistake(
    Text(
        "旋转是对的，但结果的顺序不对：你把所有的 a' 放在前面、b' 放在后面。每对数要放回原来的 2i 和 2i+1。",
        "The turning is right, the order of the result is not: you put all a' in front and all b' behind. Every pair goes "
        "back to its "
        "places 2i and 2i+1.",
    )
)
def not_interleaved_again(x, positions, base):
    return torch.cat(_turn(x, _angles(positions, x.shape[-1], base)), dim=-1).to(x.dtype)


@mistake(
    Text(
        "角度的排法不对：你把角度表首尾相接（0, 1, …, 0, 1, …），那配的是前后两半。相邻配对时，每个角度要连着出现两次。",
        "The angles stand in the wrong order: you repeat the whole table (0, 1, …, 0, 1, …), which suits halves. With "
        "neighbours as "
        "pairs every angle stands twice in a row.",
    )
)
def angles_for_halves(x, positions, base):
    angles = _angles(positions, x.shape[-1], base)
    angles = torch.cat((angles, angles), dim=-1)
    x32 = x.float()
    turned = torch.stack((-x32[..., 1::2], x32[..., 0::2]), dim=-1).flatten(-2)
    return (x32 * angles.cos() + turned * angles.sin()).to(x.dtype)


@mistake(
    Text(
        "方向转反了：减号应在 a' = a·cos - b·sin 里。",
        "You turn the wrong way: the minus belongs into a' = a cos - b sin.",
    )
)
def turned_backwards(x, positions, base):
    return _interleave(*_turn(x, -_angles(positions, x.shape[-1], base)), x.dtype)


@mistake(
    Text(
        "频率的指数少了因子 2：第 i 对是 base 的 -2i/D 次方。",
        "The exponent of the frequency lacks the factor 2: pair i has base to the power -2i/D.",
    )
)
def factor_two_missing(x, positions, base):
    dim = x.shape[-1]
    angles = positions[:, None].float() * base ** (-torch.arange(dim // 2, dtype=torch.float32) / dim)
    return _interleave(*_turn(x, angles), x.dtype)


@mistake(
    Text(
        "指数的负号丢了：后面的对应该转得更慢，而你的转得更快。",
        "The exponent lost its minus: later pairs must turn more slowly, yours turn faster.",
    )
)
def faster_and_faster(x, positions, base):
    dim = x.shape[-1]
    angles = positions[:, None].float() * base ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    return _interleave(*_turn(x, angles), x.dtype)


@mistake(
    Text(
        "你没有用 positions，而是从 0 数起。第 t 行的位置是 positions[t]：生成时它常常从中间开始。",
        "You do not use positions but count from 0. Row t stands at positions[t]: in generation they often begin in the "
        "middle.",
    )
)
def positions_ignored(x, positions, base):
    angles = _angles(torch.arange(x.shape[-2]), x.shape[-1], base)
    return _interleave(*_turn(x, angles), x.dtype)


@mistake(
    Text(
        "你没有用 base，而是写死了 10000。",
        "You do not use base but a fixed 10000.",
    )
)
def base_fixed(x, positions, base):
    return _interleave(*_turn(x, _angles(positions, x.shape[-1], 10_000.0)), x.dtype)


@mistake(
    Text(
        "角度是用 x 的 dtype 算的。bfloat16 写不出几千的准确位置，角度就错了：角度用 float32 算。",
        "Your angles are computed in the dtype of x. bfloat16 cannot write positions in the thousands exactly, so the "
        "angles are wrong: "
        "compute them in float32.",
    )
)
def angles_in_dtype_of_x(x, positions, base):
    dim = x.shape[-1]
    frequencies = base ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    angles = positions[:, None].to(x.dtype) * frequencies.to(x.dtype)
    return _interleave(*_turn(x, angles.float()), x.dtype)


@mistake(
    Text(
        "b' 用的是已经转过的 a'。两条公式都要用原来的 a 和 b。",
        "b' uses a' after it was turned. Both formulas need the old a and b.",
    )
)
def new_values_used(x, positions, base):
    angles = _angles(positions, x.shape[-1], base)
    a, b = x[..., 0::2].float(), x[..., 1::2].float()
    a = a * angles.cos() - b * angles.sin()
    b = b * angles.cos() + a * angles.sin()
    return _interleave(a, b, x.dtype)


@mistake(
    Text(
        "角度当成了度数。cos 和 sin 收的是弧度，公式算出来的已经是弧度，不用再换算。",
        "You take the angles for degrees. cos and sin want radians, and the formula gives radians already: nothing to convert.",
    )
)
def degrees(x, positions, base):
    return _interleave(*_turn(x, _angles(positions, x.shape[-1], base) * (math.pi / 180)), x.dtype)


@mistake(
    Text(
        "结果是 float32，应当与 x 的 dtype 相同。",
        "The result is float32; it must have the dtype of x.",
    )
)
def returned_in_float32(x, positions, base):
    return _interleave(*_turn(x, _angles(positions, x.shape[-1], base)), torch.float32)


@mistake(
    Text(
        "数值对，但你改动了传进来的 x。请返回新的张量。",
        "The numbers are right, but you changed the x that was passed in. Return a new tensor.",
    )
)
def x_overwritten(x, positions, base):
    a, b = (half.detach() for half in _turn(x, _angles(positions, x.shape[-1], base)))
    x.detach()[..., 0::2] = a.to(x.dtype)
    x.detach()[..., 1::2] = b.to(x.dtype)
    return x.clone()


@variant
def as_complex_numbers(x, positions, base):
    angles = _angles(positions, x.shape[-1], base)
    points = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(points * torch.polar(torch.ones_like(angles), angles)).flatten(-2).to(x.dtype)


@variant
def quarter_turn(x, positions, base):
    angles = _angles(positions, x.shape[-1], base).repeat_interleave(2, dim=-1)
    x32 = x.float()
    turned = torch.stack((-x32[..., 1::2], x32[..., 0::2]), dim=-1).flatten(-2)
    return (x32 * angles.cos() + turned * angles.sin()).to(x.dtype)


@variant
def as_matrices(x, positions, base):
    angles = _angles(positions, x.shape[-1], base)
    cos, sin = angles.cos(), angles.sin()
    matrices = torch.stack((cos, -sin, sin, cos), dim=-1).unflatten(-1, (2, 2))  # [T, D/2, 2, 2]
    pairs = x.float().unflatten(-1, (-1, 2))
    return torch.einsum("tpnm,...tpm->...tpn", matrices, pairs).flatten(-2).to(x.dtype)


@variant
def tables_in_dtype_of_x(x, positions, base):
    """Angles in fp32, but cos and sin rounded to the dtype of x before the product, as Hugging Face's models do."""
    angles = _angles(positions, x.shape[-1], base)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)
