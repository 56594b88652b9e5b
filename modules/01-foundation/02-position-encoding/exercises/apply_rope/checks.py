"""What apply_rope must do. Oracle: the rotation as a complex product in float64 (RoFormer, Su et al., 2021; pairing of HF)."""

import torch

from fledge.course.grader.checking import Case, Text, normal


def oracle(x_BHTD, cos, sin):
    half = x_BHTD.shape[-1] // 2
    # An angle stands in the table twice, and nobody trains it: which copy gets a gradient is free, so none is compared.
    cos, sin = cos.detach(), sin.detach()
    points = torch.complex(x_BHTD[..., :half].double(), x_BHTD[..., half:].double())
    turned = points * torch.complex(cos[..., :half].double(), sin[..., :half].double())
    return torch.cat((turned.real, turned.imag), dim=-1).to(x_BHTD.dtype)


def tables(positions, dim, base=10_000.0, factor=1.0, dtype=torch.float32):
    """cos and sin as the model makes them: [T, D] for positions [T], [B, 1, T, D] for positions [B, T]."""
    angles = positions.double()[..., None] * base ** (-torch.arange(0, dim, 2).double() / dim)
    angles = torch.cat((angles, angles), dim=-1)
    if positions.dim() == 2:
        angles = angles[:, None]
    return (angles.cos() * factor).to(dtype), (angles.sin() * factor).to(dtype)


def cases(rng: torch.Generator) -> list[Case]:
    start = int(torch.randint(20, 90, (1,), generator=rng))
    rows = torch.randint(0, 60, (3, 4), generator=rng)
    long_row = torch.arange(128)
    return [
        Case(
            "plain",
            (normal(rng, 2, 3, 5, 8), *tables(torch.arange(5), 8)),
            grad=True,
            about=Text("一般的输入", "ordinary input"),
        ),
        Case(
            "later",
            (normal(rng, 1, 2, 3, 6), *tables(torch.arange(start, start + 3), 6, base=500.0)),
            grad=True,
            about=Text("位置不从 0 开始", "positions that do not begin with 0"),
        ),
        Case(
            "one_pair",
            (normal(rng, 2, 1, 4, 2), *tables(torch.arange(4), 2)),
            about=Text("D = 2：只有一对", "D = 2: a single pair"),
        ),
        Case(
            "square",
            (normal(rng, 2, 4, 4, 8), *tables(torch.arange(4), 8)),
            about=Text("头数和位置数相等", "as many heads as positions"),
        ),
        Case(
            "own_positions",
            (normal(rng, 3, 2, 4, 8), *tables(rows, 8)),
            grad=True,
            about=Text("每行有自己的位置：表是 [B, 1, T, D]", "every row has its own positions: tables [B, 1, T, D]"),
        ),
        Case(
            "one_token",
            (normal(rng, 2, 3, 1, 8), *tables(torch.tensor([start]), 8)),
            about=Text("只有一个新词元（T = 1）", "a single new token (T = 1)"),
        ),
        Case(
            "scaled",
            (normal(rng, 1, 2, 5, 8), *tables(torch.arange(5), 8, factor=1.2)),
            about=Text("表乘过系数（YaRN）", "tables multiplied by a factor (YaRN)"),
        ),
        Case(
            "strided",
            (normal(rng, 2, 5, 3, 8).transpose(1, 2), *tables(torch.arange(5), 8)),
            about=Text(
                "内存不连续的 x（由 [B, T, H, D] 转置得到）", "x that is not contiguous (a transposed [B, T, H, D])"
            ),
        ),
        Case(
            "bfloat16",
            (normal(rng, 1, 2, 5, 8, dtype=torch.bfloat16), *tables(torch.arange(5), 8, dtype=torch.bfloat16)),
            slack=4,
            about=Text("bfloat16", "bfloat16"),
        ),
        Case(
            "cost",
            (normal(rng, 2, 4, 128, 64), *tables(long_row, 64)),
            about=Text("较大的输入", "larger input"),
        ),
    ]
