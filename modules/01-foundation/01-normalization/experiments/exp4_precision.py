"""Which step of RMSNorm fails in half precision, and what does `x.float()` save?

The same numbers are stored in float32, float16 and bfloat16. Every result is compared with the formula in float64 applied
to the numbers as stored, so that only the calculation is judged. float16 has 5 exponent bits (up to 65504) and 11
significant bits; bfloat16 has 8 exponent bits (the range of float32, 3e38) and only 8 significant bits.

Two things can go wrong. A square can overflow: 300 * 300 = 90000 > 65504. And a long sum can stall: once the total has
reached 256 in bfloat16, neighbouring values are 2 apart, and adding 0.9 changes nothing. Fledge's `rms_norm` converts its
input to float32 first; every arm is computed with and without that step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

EPS = 1e-6
SCALES = [10.0**power for power in range(-4, 5)]
EVERY = 64  # the running sum is drawn at every 64th number


@dataclass(frozen=True)
class Settings:
    rows: int = param(64, low=1, high=1024, zh="多少行", en="rows")
    width: int = param(512, low=8, high=4096, zh="每行多少个数", en="numbers per row")
    scale: float = param(
        300.0, low=1e-4, high=1e4, zh="这些数的大小（标准差）", en="size of the numbers (standard deviation)"
    )
    terms: int = param(4096, low=256, high=16384, zh="求和的项数", en="terms in the long sum")
    dtype: str = param("float32", choices=("float32", "float16", "bfloat16"), zh="存储的格式", en="storage format")
    upcast: str = param("yes", choices=("yes", "no"), zh="先转成 float32", en="convert to float32 first", hidden=True)
    total: str = param(
        "same", choices=("same", "float32"), zh="总和的格式", en="format of the running sum", hidden=True
    )


def without_upcast(x: Tensor) -> Tensor:
    """RMSNorm with every intermediate result in the dtype of x."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS)


def error(got: Tensor, x: Tensor) -> float:
    """Length of (got - right) over the length of right; at most 1, which is what an output of zeros has."""
    want = x.double() * torch.rsqrt(x.double().square().mean(-1, keepdim=True) + EPS)
    return ((got.double() - want).norm() / want.norm()).nan_to_num(1.0).clamp(max=1.0).item()


def running_sum(squares: Tensor, total: Tensor) -> list[float]:
    """Add one by one in the dtype of `total`; the sum after every `EVERY` numbers, over what it should be."""
    shares = []
    right = squares.double().cumsum(0)
    for number, square in enumerate(squares, 1):
        total = total + square.to(total.dtype)
        if number % EVERY == 0:
            shares.append((total.double() / right[number - 1]).item())
    return shares


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    dtype = getattr(torch, settings.dtype)
    numbers = torch.randn(settings.rows, settings.width)
    ones = torch.ones(settings.width, dtype=dtype)

    def upcast(x: Tensor) -> Tensor:
        return REFERENCE.rms_norm(x, ones, EPS) if settings.upcast == "yes" else without_upcast(x)

    x, unit = (settings.scale * numbers).to(dtype), numbers.to(dtype)
    squares = torch.randn(settings.terms).to(dtype).square()
    shares = running_sum(squares, torch.zeros((), dtype=torch.float32 if settings.total == "float32" else dtype))
    stored = [(scale * numbers).to(dtype) for scale in SCALES]
    naive = without_upcast(x)
    return {
        "naive": error(naive, x),
        "upcast": error(upcast(x), x),
        "zeros": (naive == 0).double().mean().item(),
        "rounding": error(upcast(unit), unit),
        "sum": abs(1 - shares[-1]),
        "torch_sum": abs(1 - squares.sum().double() / squares.double().sum()).item(),
        "naive_by_scale": [error(without_upcast(x), x) for x in stored],
        "upcast_by_scale": [error(upcast(x), x) for x in stored],
        "share": shares,
    }


def draw(results: Results, figure: Figure) -> None:
    first, second, third = figure.axes(1, 3, width=4.6)
    for axes, metric, title in (
        (first, "naive_by_scale", Text("全程用存储的格式", "everything in the storage format")),
        (second, "upcast_by_scale", Text("先转成 float32", "converted to float32 first")),
    ):
        for arm in results.arms:
            figure.line(axes, SCALES, *results.band(arm, metric), label=results.label(arm))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1e-9, 3)
        figure.name(axes, x=Text("输入的大小", "size of the input"), y=Text("相对误差", "relative error"), title=title)
    for arm in results.arms:
        mean, low, high = results.band(arm, "share")
        figure.line(third, [EVERY * n for n in range(1, len(mean) + 1)], mean, low, high, label=results.label(arm))
    title = Text("逐个相加平方", "squares added one by one")
    figure.name(
        third, x=Text("加了几项", "terms added"), y=Text("算出的和 ÷ 正确的和", "computed sum ÷ true sum"), title=title
    )


def outcome(results: Results) -> str:
    if results.mean("float16", "zeros") > 0.5:
        return "zeros"
    return "right" if results.mean("float16", "naive") < 0.05 else "wrong"


lab = Lab(
    title=Text("RMSNorm 的哪一步会在半精度里出错？", "Which step of RMSNorm fails in half precision?"),
    about_zh="""
        RMSNorm 的哪一步会在半精度里出错？`x.float()` 救回了什么？

        同样的数分别存成 float32、float16 和 bfloat16。每个结果都和 float64 的公式比，公式用的也是存好以后的数，
        这样评判的只是计算这一步。float16 的指数有 5 位（最大到 65504），有效数字有 11 位二进制；
        bfloat16 的指数有 8 位（和 float32 一样大，到 3e38），有效数字只有 8 位二进制。

        会出错的有两处。第一，平方可能超出范围：300 * 300 = 90000 > 65504。第二，很长的和可能加着加着就停住：
        在 bfloat16 里，总和到了 256，相邻的两个数就相差 2，再加 0.9 什么也不变。
        Fledge 的 `rms_norm` 先把输入转成 float32；我们让每一组都算两遍，转和不转，再来比较。
        """,
    settings=Settings(),
    arms={name: {"dtype": name} for name in ("float32", "float16", "bfloat16")},
    labels={
        "float32": Text("float32（32 位）", "float32 (32 bits)"),
        "float16": Text("float16（16 位）", "float16 (16 bits)"),
        "bfloat16": Text("bfloat16（16 位）", "bfloat16 (16 bits)"),
    },
    seeds=5,
    run=run,
    metrics={
        "naive": Metric(Text("误差，不转换", "error without conversion"), format=".1e"),
        "zeros": Metric(Text("不转换，输出里 0 的比例", "zeros in the output without conversion"), format=".0%"),
        "upcast": Metric(Text("误差，先转 float32", "error, float32 first"), format=".1e"),
        "rounding": Metric(Text("输入大小为 1，先转", "error for inputs of size 1, float32 first"), format=".1e"),
        "sum": Metric(Text("误差，逐个相加平方", "error of squares added one by one"), format=".1e"),
        "torch_sum": Metric(Text("误差，用 torch.sum", "error of the same sum by torch.sum"), format=".1e"),
        "naive_by_scale": Metric(Text("各种大小的误差，不转换", "error by size, everything in the storage format")),
        "upcast_by_scale": Metric(Text("各种大小的误差，先转 float32", "error by size, converted to float32 first")),
        "share": Metric(Text("逐个相加：算出的和 ÷ 正确的和", "added one by one: computed sum ÷ true sum")),
    },
    claims=[
        Claim(
            "overflow",
            Text(
                "不转换时，float16 的误差超过 90%，bfloat16 不到 10%",
                "Without the conversion, float16 is off by more than 90% and bfloat16 by less than 10%",
            ),
            lambda arm: arm["float16"]["naive"] > 0.9 and arm["bfloat16"]["naive"] < 0.1,
        ),
        Claim(
            "upcast_saves",
            Text(
                "先转成 float32，同样的 float16 输入误差从 90% 以上降到 1% 以下",
                "Converting to float32 first reduces the error on the same float16 input from over 90% to under 1%",
            ),
            lambda arm: arm["float16"]["naive"] > 0.9 and arm["float16"]["upcast"] < 0.01,
        ),
        Claim(
            "coarser",
            Text(
                "输入大小为 1 时，bfloat16 的误差是 float16 的 4 倍以上",
                "For inputs of size 1, the error in bfloat16 is more than 4 times that in float16",
            ),
            lambda arm: arm["bfloat16"]["rounding"] > 4 * arm["float16"]["rounding"],
        ),
        Claim(
            "stalls",
            Text(
                "逐个相加平方：bfloat16 的和少了 25% 以上，float32 的误差不到 0.1%",
                "Adding squares one by one, the sum in bfloat16 is off by more than 25% and in float32 by less "
                "than 0.1%",
            ),
            lambda arm: arm["bfloat16"]["sum"] > 0.25 and arm["float32"]["sum"] < 1e-3,
        ),
    ],
    sabotages=[
        Sabotage(
            {"scale": 1.0},
            ("overflow",),
            Text("输入的大小从 300 变成 1：平方不再溢出", "inputs of size 1 instead of 300: no square overflows"),
        ),
        Sabotage({"upcast": "no"}, ("upcast_saves",), Text("不再先转成 float32", "no conversion to float32")),
        Sabotage({"dtype": "float16"}, ("coarser",), Text("三组都用 float16", "all three arms use float16")),
        Sabotage(
            {"total": "float32"}, ("stalls",), Text("总和改用 float32 保存", "the running sum is kept in float32")
        ),
    ],
    prediction=Prediction(
        Text(
            "输入是 300 左右的 float16 数，RMSNorm 全程用 float16 计算。输出会是什么？",
            "The inputs are float16 numbers around 300, and RMSNorm is computed in float16 throughout. What comes out?",
        ),
        {
            "right": Text("基本正确", "roughly the right numbers"),
            "wrong": Text("inf 或 nan", "inf or nan"),
            "zeros": Text("几乎全是 0", "almost all zeros"),
        },
        outcome,
    ),
    why=Text(
        "float16 只到 65504，300 的平方已经装不下，成了 inf，再取倒数就是 0；float32 装得下，所以先转换就没有这个"
        "问题。bfloat16 装得下大数，却只有八位有效数字，于是误差更大，长的求和会停住。",
        "float16 ends at 65504, so the square of 300 becomes inf, and one over the root of inf is 0. float32 has "
        "room for it, so converting first removes the problem. bfloat16 has room too, but only eight significant "
        "bits, which makes its errors larger and lets long sums stall.",
    ),
    figure=draw,
    quick={"terms": 2048},
)

if __name__ == "__main__":
    lab.main()
