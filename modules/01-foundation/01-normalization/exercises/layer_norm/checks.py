"""What layer_norm must do. Oracle: the formula in float64 (Ba, Kiros & Hinton, 2016); equals torch.nn.functional.layer_norm."""

import torch

from fledge.course.grader.checking import Case, Text, normal


def oracle(x, weight, bias, eps):
    x64 = x.double()
    variance, mean = torch.var_mean(x64, dim=-1, correction=0, keepdim=True)
    return ((x64 - mean) / (variance + eps).sqrt() * weight.double() + bias.double()).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def weights(dim: int) -> tuple[torch.Tensor, torch.Tensor]:
        return 1 + 0.5 * normal(rng, dim), normal(rng, dim)  # neither ones nor zeros: a forgotten one must show

    near = normal(rng, 8, 64) + 2000.0  # far from zero beside its spread: E[x^2] - E[x]^2 loses every digit here
    constant = normal(rng, 5, 1).expand(5, 7).clone()
    return [
        Case(
            "plain",
            (normal(rng, 3, 8), *weights(8), 1e-6),
            grad=True,
            length=8,
            about=Text("一般的输入", "ordinary input"),
        ),
        Case(
            "vector",
            (normal(rng, 5), *weights(5), 1e-6),
            grad=True,
            length=5,
            about=Text("只有一行：x 的形状是 [D]", "a single row: the shape of x is [D]"),
        ),
        Case(
            "batch",
            (normal(rng, 2, 3, 7) + 1.5, *weights(7), 1e-5),
            grad=True,
            length=7,
            about=Text("三维的 x，均值不为 0", "x with three axes and a mean that is not 0"),
        ),
        Case(
            "large_eps",
            (normal(rng, 4, 6, scale=0.3), *weights(6), 0.2),
            grad=True,
            length=6,
            about=Text("eps 比方差还大", "eps larger than the variance"),
        ),
        Case(
            "strided",
            (normal(rng, 9, 4).T, *weights(9), 1e-6),
            length=9,
            about=Text("内存不连续的 x（转置得到）", "x that is not contiguous (a transpose)"),
        ),
        Case(
            "constant",
            (constant, *weights(7), 1e-3),
            length=7,
            slack=256,  # the rounding of the mean is divided by sqrt(1e-3)
            about=Text("一行里的数全都相同：结果应是 bias", "all numbers of a row are equal: the result is bias"),
        ),
        Case(
            "offset",
            (near, *weights(64), 1e-6),
            extreme=True,
            length=64,
            slack=1024,  # the mean itself is only known to 2000 * 6e-8 in float32
            about=Text("均值很大、起伏很小的一行", "a row with a large mean and a small spread"),
        ),
        Case(
            "half",
            (normal(rng, 4, 64, dtype=torch.float16, scale=300), *(w.half() for w in weights(64)), 1e-6),
            extreme=True,
            length=4,
            about=Text("float16，数值大到平方会溢出", "float16 with numbers so large that their squares overflow"),
        ),
        Case(
            "half_offset",
            (normal(rng, 4, 64, dtype=torch.float16) + 500, *weights(64), 1e-6),
            extreme=True,
            length=4,
            about=Text("float16，均值在 500 附近", "float16 with a mean near 500"),
        ),
        Case(
            "bfloat16_offset",
            (normal(rng, 4, 64, dtype=torch.bfloat16, scale=3) + 100, *weights(64), 1e-6),
            extreme=True,
            length=4,
            slack=4,
            about=Text("bfloat16，均值在 100 附近", "bfloat16 with a mean near 100"),
        ),
        Case(
            "bfloat16",
            (normal(rng, 2, 3, 16, dtype=torch.bfloat16), *weights(16), 1e-6),
            length=4,
            slack=4,
            about=Text("x 是 bfloat16，weight 和 bias 是 float32", "x in bfloat16, weight and bias in float32"),
        ),
        Case("cost", (normal(rng, 32, 64), *weights(64), 1e-6), about=Text("较大的输入", "larger input")),
    ]
