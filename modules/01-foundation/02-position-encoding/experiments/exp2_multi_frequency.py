"""When do two positions look the same?

A position encoding turns every pair of numbers by an angle that grows with the position. The cosines and sines of these
angles are the position's fingerprint; two positions with the same fingerprint cannot be told apart. Nothing is trained: we
make the fingerprints of positions 0, 1, 2, … and measure how far apart every two of them are (in float64).

The arms differ in their frequencies, which the seed draws: ONE pair whose period is any number between 7 and 100; FOUR pairs
whose periods all divide 100; or RoPE's own frequencies, for a head size and base that are drawn. A single period P comes
back after P places, or nearly so: among N positions, some two lie within 2 pi / N (a theorem of Dirichlet). Several periods
come back together only after a common multiple: 100 in the second arm, however many pairs there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies

DIVISORS = (4, 5, 10, 20, 25, 50, 100)
DRAWN = 201  # how many positions the picture shows


@dataclass(frozen=True)
class Settings:
    positions: int = param(512, low=320, high=2048, zh="比较多少个位置", en="how many positions are compared")
    frequencies: str = param("one", choices=("one", "divide_100", "rope"), zh="频率", en="which frequencies")


def frequencies(kind: str) -> Tensor:
    """Radians a position, one for every pair; drawn with torch's seed."""
    if kind == "one":
        return 2 * math.pi / (7 + 93 * torch.rand(1, dtype=torch.float64))
    if kind == "divide_100":
        chosen = torch.randperm(len(DIVISORS))[:4]
        return 2 * math.pi / torch.tensor(DIVISORS, dtype=torch.float64)[chosen]
    size, base = 32 * 2 ** int(torch.randint(3, ())), 10 ** (3 + 3 * torch.rand(()).item())
    config = ModelConfig(head_dim=size, rope_theta=base)
    return rope_frequencies(config)[0].double()


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    count = settings.positions
    angles = torch.arange(count, dtype=torch.float64)[:, None] * frequencies(settings.frequencies)
    prints = torch.cat((angles.cos(), angles.sin()), 1)
    apart = torch.cdist(prints, prints, compute_mode="donot_use_mm_for_euclid_dist")
    others = apart + torch.full((count,), math.inf).diag().nan_to_num(0.0, posinf=math.inf)  # not with itself
    return {
        "closest": others.min().item(),
        "at_100": apart[0, 100].item(),
        "twins": (others.min(1).values < 1e-6).double().mean().item(),
        "from_0": apart[0, :DRAWN].tolist(),
    }


def draw(results: Results, figure: Figure) -> None:
    for axes, arm in zip(figure.axes(1, 3, width=4.4), results.arms):
        first = results.values(arm, "from_0")[
            0
        ]  # every seed draws other frequencies: their mean would show none of them
        figure.line(axes, range(len(first)), first)
        axes.axvline(100, color="0.45", linestyle="--", linewidth=1)
        axes.set_ylim(-0.05 * first.max(), None)
        figure.name(
            axes,
            x=Text("位置", "position"),
            y=Text("与位置 0 的指纹的距离", "distance from the fingerprint of position 0"),
            title=results.label(arm),
        )


def outcome(results: Results) -> str:
    apart = results.mean("divide_100", "at_100")
    return "same" if apart < 1e-6 else "near" if apart < 0.5 else "far"


lab = Lab(
    title=Text("什么时候两个位置看起来一样？", "When do two positions look the same?"),
    about_zh="""
        什么时候两个位置看起来一样？

        位置编码把每一对数转过一个角，位置越大，转得越多。这些角的余弦和正弦就是这个位置的“指纹”；
        两个位置的指纹一样，就分不清了。这里不训练：算出位置 0、1、2……的指纹，量每两个相距多远（用 float64）。

        各组的差别在频率，频率由种子抽取：一对，周期是 7 到 100 之间的任何数；四对，周期都能整除 100；
        或者 RoPE 自己的频率，头的维数和底数也是抽取的。只有一个周期 P，过 P 个位置就转回原处，或者差不多转回原处：
        N 个位置里，总有两个相距不到 2 pi / N（狄利克雷的一个定理）。有许多个周期，要到公倍数那里才一起转回来：
        在第二组里就是 100，有多少对都一样。
        """,
    settings=Settings(),
    arms={name: {"frequencies": name} for name in ("one", "divide_100", "rope")},
    labels={
        "one": Text("一个周期", "one period"),
        "divide_100": Text("四个周期，都能整除 100", "four periods that divide 100"),
        "rope": Text("RoPE 的周期", "RoPE's periods"),
    },
    seeds=5,
    run=run,
    metrics={
        "closest": Metric(
            Text("最像的两个位置，指纹的距离", "distance between the two closest positions"), format=".1e"
        ),
        "at_100": Metric(Text("位置 0 和 100 的指纹的距离", "distance between positions 0 and 100"), format=".1e"),
        "twins": Metric(Text("有“双胞胎”的位置的比例", "positions that have a twin"), format=".0%"),
        "from_0": Metric(Text("每个位置与位置 0 的距离", "distance of every position from position 0")),
    },
    claims=[
        Claim(
            "one_repeats",
            Text(
                "只有一个周期：最像的两个位置相距不到 0.02；RoPE 的周期：任何两个位置都相距 0.5 以上",
                "With one period, the two closest positions are less than 0.02 apart; with RoPE's periods, any "
                "two are more than 0.5 apart",
            ),
            lambda arm: arm["one"]["closest"] < 0.02 and arm["rope"]["closest"] > 0.5,
        ),
        Claim(
            "many_is_not_enough",
            Text(
                "四个周期都能整除 100：位置 0 和 100 的指纹相同（相距不到 1e-9）；RoPE 的相距 0.5 以上",
                "With four periods that divide 100, positions 0 and 100 have the same fingerprint (less than "
                "1e-9 apart); with RoPE's they are more than 0.5 apart",
            ),
            lambda arm: arm["divide_100"]["at_100"] < 1e-9 and arm["rope"]["at_100"] > 0.5,
        ),
        Claim(
            "twins",
            Text(
                "四个周期都能整除 100：每个位置都有一个指纹相同的双胞胎；RoPE 的：一个也没有",
                "With four periods that divide 100, every position has a twin with the same fingerprint; with "
                "RoPE's, none has",
            ),
            lambda arm: arm["divide_100"]["twins"] == 1 and arm["rope"]["twins"] == 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"frequencies": "divide_100"},
            ("one_repeats", "many_is_not_enough", "twins"),
            Text("三组的周期都能整除 100", "the periods of all three arms divide 100"),
        ),
        Sabotage(
            {"frequencies": "one"},
            ("one_repeats", "many_is_not_enough", "twins"),
            Text("三组都只有一个周期", "all three arms have one period"),
        ),
    ],
    prediction=Prediction(
        Text(
            "四对数，周期是 4、10、25、50。位置 0 和位置 100 的指纹有多像？",
            "Four pairs with periods 4, 10, 25 and 50. How similar are the fingerprints of positions 0 and 100?",
        ),
        {
            "same": Text("完全相同", "exactly the same"),
            "near": Text("很像，但分得开", "similar, but distinguishable"),
            "far": Text("很不一样：四个周期总有一个不同", "quite different: at least one of four periods must differ"),
        },
        outcome,
    ),
    why=Text(
        "几根针要一起回到原处，位置必须是所有周期的公倍数。周期都能整除 100 时，100 就是；RoPE 的周期是一串"
        "等比的无理数，在这么多位置里凑不到一起。",
        "The hands are all back where they started only at a common multiple of their periods. If every period "
        "divides 100, then 100 is one; RoPE's periods are irrational and grow by a constant factor, and within "
        "this many positions they never meet again.",
    ),
    figure=draw,
    quick={"positions": 320},
)

if __name__ == "__main__":
    lab.main()
