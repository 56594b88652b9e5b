"""What apply_rope_interleaved must do. Oracle: multiplication by exp(i angle) in complex128 (RoFormer, Su et al., 2021)."""

import torch

from fledge.course.grader.checking import Case, Text, normal


def oracle(x, positions, base):
    dim = x.shape[-1]
    exponents = torch.arange(dim // 2, dtype=torch.float64) * 2 / dim
    angles = torch.outer(positions.double(), 1 / torch.pow(torch.tensor(base, dtype=torch.float64), exponents))
    points = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(points * torch.polar(torch.ones_like(angles), angles)).flatten(-2).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    scattered = torch.randint(0, 30, (6,), generator=rng)
    start = int(torch.randint(3, 12, (1,), generator=rng))
    far = torch.randint(3000, 6000, (5,), generator=rng)
    # slack: an angle in float32 is off by about 1e-7 of itself, so a larger position is known less well
    return [
        Case(
            "plain",
            (normal(rng, 2, 3, 5, 8), torch.arange(5), 10_000.0),
            grad=True,
            about=Text("一般的输入 [B, H, T, D]", "ordinary input [B, H, T, D]"),
        ),
        Case(
            "bare",
            (normal(rng, 4, 6), torch.arange(4), 10_000.0),
            grad=True,
            about=Text("没有批次和头：x 是 [T, D]", "no batch and no heads: x is [T, D]"),
        ),
        Case(
            "other_base",
            (normal(rng, 3, 5, 8), torch.arange(5), 100.0),
            about=Text("base 不是 10000", "a base other than 10000"),
        ),
        Case(
            "later",
            (normal(rng, 2, 4, 4), torch.arange(start, start + 4), 10_000.0),
            slack=64,
            about=Text("位置不从 0 开始", "positions that do not begin with 0"),
        ),
        Case(
            "scattered",
            (normal(rng, 2, 6, 6), scattered, 500.0),
            slack=128,
            about=Text("位置不连续，也可能重复", "positions in any order, some perhaps twice"),
        ),
        Case(
            "one_pair",
            (normal(rng, 2, 3, 2), torch.arange(3), 10_000.0),
            about=Text("D = 2：只有一对", "D = 2: a single pair"),
        ),
        Case(
            "square",
            (normal(rng, 4, 4, 4), torch.arange(4), 10_000.0),
            about=Text("各维的长度都相等", "all axes equally long"),
        ),
        Case(
            "strided",
            (normal(rng, 2, 5, 3, 8).transpose(1, 2), torch.arange(5), 10_000.0),
            about=Text("内存不连续的 x", "x that is not contiguous"),
        ),
        Case(
            "far_bfloat16",
            (normal(rng, 2, 5, 16, dtype=torch.bfloat16), far, 10_000.0),
            extreme=True,
            slack=4,
            about=Text("bfloat16 的 x，位置有几千", "x in bfloat16, positions in the thousands"),
        ),
        Case(
            "cost",
            (normal(rng, 2, 4, 128, 64), torch.arange(128), 10_000.0),
            slack=512,
            about=Text("较大的输入", "larger input"),
        ),
    ]
