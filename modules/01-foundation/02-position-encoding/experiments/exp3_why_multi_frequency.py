"""Why does RoPE need fast and slow frequencies together, and in which precision should its tables be made?

Arms: ONE slow pair (0.0001 radians per position), ONE fast pair (1 radian per position), or ALL the frequencies of a head.
The tables come from Fledge's own `rope_tables`, for a window of positions whose start the seed draws; nothing is trained. Two
things are measured in float32 and in bfloat16: how far apart the fingerprints of neighbouring positions are, and how far
apart those of distant positions are.

A slow pair turns so little between neighbours that rounding may swallow the difference; a fast pair comes round every 6.28
positions, and 710 radians is very nearly 113 turns. Finally, the order of operations: `rope_tables` computes angles in
float32 and rounds at the end. The metric `late` makes the easy mistake: it rounds the positions to bfloat16 first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies, rope_tables

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FAR = 100  # from how many places apart two positions count as distant
LEAST = 1e-6  # the end of the logarithmic axis; 0 is drawn there


@dataclass(frozen=True)
class Settings:
    positions: int = param(1024, low=900, high=2048, zh="比较多少个位置", en="how many positions are compared")
    head: int = param(64, low=16, high=256, zh="一个头的维数", en="head size")
    base: float = param(10000.0, low=1000.0, high=1e6, zh="RoPE 的底数", en="base of RoPE")
    frequencies: str = param("slow", choices=("slow", "fast", "all"), zh="频率", en="which frequencies")
    first: str = param(
        "bfloat16",
        choices=("bfloat16", "float32"),
        zh="late 里位置先变成什么",
        en="what `late` rounds positions to",
        hidden=True,
    )


def frequencies(settings: Settings) -> Tensor:
    config = ModelConfig(head_dim=settings.head, rope_theta=settings.base)
    every, _ = rope_frequencies(config)
    return {"slow": torch.tensor([1e-4]), "fast": torch.tensor([1.0]), "all": every}[settings.frequencies]


def prints(settings: Settings, positions: Tensor, dtype: torch.dtype) -> Tensor:
    """The fingerprints as the model would see them, [positions, cos and sin of every pair], in float64."""
    pairs = frequencies(settings)
    cos, sin = rope_tables(pairs, positions, 1.0, dtype)
    return torch.cat((cos[:, : len(pairs)], sin[:, : len(pairs)]), 1).double()


def run(settings: Settings, seed: int) -> dict[str, float]:
    positions = int(torch.randint(8192, ())) + torch.arange(settings.positions)
    found = {}
    for name, dtype in DTYPES.items():
        table = prints(settings, positions, dtype)
        near = (table[1:] - table[:-1]).norm(dim=1)
        apart = torch.cdist(table, table, compute_mode="donot_use_mm_for_euclid_dist")
        found[f"near_{name}"] = near.min().item()
        found[f"same_{name}"] = (near == 0).double().mean().item()
        found[f"far_{name}"] = apart[torch.ones_like(apart).triu(FAR) == 1].min().item()
    late = prints(settings, positions.to(DTYPES[settings.first]), torch.bfloat16)
    found["late"] = (late[1:] == late[:-1]).all(1).double().mean().item()
    return found


def draw(results: Results, figure: Figure) -> None:
    names = {"near": Text("相邻的两个位置", "neighbours"), "far": Text("相隔 100 以上的两个位置", "100 or more apart")}
    for axes, (metric, title) in zip(figure.axes(1, 2, width=6.4), names.items()):
        values = [max(results.mean(arm, f"{metric}_{dtype}"), LEAST) for arm in results.arms for dtype in DTYPES]
        labels = [
            Text(f"{results.label(arm).zh}\n{dtype}", f"{results.label(arm).en}\n{dtype}")
            for arm in results.arms
            for dtype in DTYPES
        ]
        figure.bars(axes, labels, values)
        axes.set_yscale("log")
        axes.set_ylim(LEAST, 10)
        figure.name(axes, y=Text("指纹的最小距离", "smallest distance between fingerprints"), title=title)


def outcome(results: Results) -> str:
    if results.mean("slow", "near_float32") == 0:
        return "neither"
    return "float32" if results.mean("slow", "same_bfloat16") > 0.5 else "both"


def shown(metric: str) -> dict[str, Metric]:
    about = {
        "near": Text("相邻位置的最小距离", "smallest distance between neighbours"),
        "far": Text("相隔 100 以上的最小距离", "smallest distance, positions 100 or more apart"),
        "same": Text("指纹相同的相邻位置的比例", "neighbours with equal fingerprints"),
    }[metric]
    return {
        f"{metric}_{dtype}": Metric(
            Text(f"{about.zh}，{dtype}", f"{about.en}, {dtype}"), format=".0%" if metric == "same" else ".1e"
        )
        for dtype in DTYPES
    }


lab = Lab(
    title=Text("RoPE 为什么既要快的频率，也要慢的？", "Why does RoPE need both fast and slow frequencies?"),
    about_zh="""
        RoPE 为什么既要快的频率，也要慢的？它的表应该用什么精度来算？

        三组：只有一对慢的（每个位置转 0.0001 弧度），只有一对快的（每个位置转 1 弧度），或者一个头的全部频率。
        表由 Fledge 自己的 `rope_tables` 算出，取连续的一段位置，从哪里开始由种子抽取；不训练。
        我们在 float32 和 bfloat16 里各量两样东西：相邻位置的指纹相距多远，相隔很远的位置又相距多远。

        慢的一对，相邻两个位置只差一点点，舍入可能把它抹掉。快的一对，每 6.28 个位置就转回原处，而 710 差不多正好是 113 圈。
        最后看计算的次序：`rope_tables` 先在 float32 里算好角度，最后才舍入。
        指标 `late` 做的是很容易犯的错：先把位置舍入成 bfloat16。
        """,
    settings=Settings(),
    arms={name: {"frequencies": name} for name in ("slow", "fast", "all")},
    labels={
        "slow": Text("一对慢的", "one slow"),
        "fast": Text("一对快的", "one fast"),
        "all": Text("全部", "all"),
    },
    seeds=5,
    run=run,
    metrics={
        **shown("near"),
        **shown("same"),
        **shown("far"),
        "late": Metric(
            Text(
                "先把位置变成 bfloat16：指纹相同的相邻位置",
                "positions rounded to bfloat16 first: neighbours with equal fingerprints",
            ),
            format=".0%",
        ),
    },
    claims=[
        Claim(
            "slow",
            Text(
                "一对慢的：bfloat16 里一半以上的相邻位置指纹相同，float32 里一个也没有；全部频率：bfloat16 里也没有",
                "With one slow pair, more than half of all neighbours have equal fingerprints in bfloat16 and "
                "none in float32; with all frequencies, none even in bfloat16",
            ),
            lambda arm: (
                arm["slow"]["same_bfloat16"] > 0.5
                and arm["slow"]["same_float32"] == 0
                and arm["all"]["same_bfloat16"] == 0
            ),
        ),
        Claim(
            "fast",
            Text(
                "一对快的：有两个相隔 100 以上的位置相距不到 0.001，float32 里也是；全部频率：都在 0.5 以上",
                "With one fast pair, some two positions 100 or more apart are closer than 0.001, even in "
                "float32; with all frequencies, none are closer than 0.5",
            ),
            lambda arm: arm["fast"]["far_float32"] < 1e-3 and arm["all"]["far_float32"] > 0.5,
        ),
        Claim(
            "together",
            Text(
                "全部频率，bfloat16：相邻的和相隔 100 以上的位置都相距 0.5 以上；一对慢的做不到前一半",
                "With all frequencies in bfloat16, neighbours and positions 100 or more apart are all more than "
                "0.5 apart; one slow pair fails on the neighbours",
            ),
            lambda arm: (
                arm["all"]["near_bfloat16"] > 0.5
                and arm["all"]["far_bfloat16"] > 0.5
                and arm["slow"]["near_bfloat16"] < 0.5
            ),
        ),
        Claim(
            "angles_first",
            Text(
                "全部频率：先把位置变成 bfloat16，一半以上的相邻位置指纹相同；先在 float32 里算角度，一个也没有",
                "With all frequencies, rounding positions to bfloat16 first gives more than half of all "
                "neighbours equal fingerprints; computing angles in float32 first gives none",
            ),
            lambda arm: arm["all"]["late"] > 0.5 and arm["all"]["same_bfloat16"] == 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"frequencies": "slow"},
            ("slow", "fast", "together"),
            Text("三组都只有一对慢的", "all three arms have one slow pair"),
        ),
        Sabotage(
            {"frequencies": "fast"},
            ("slow", "fast", "together"),
            Text("三组都只有一对快的", "all three arms have one fast pair"),
        ),
        Sabotage(
            {"first": "float32"},
            ("angles_first",),
            Text("位置不再先变成 bfloat16", "positions are no longer rounded to bfloat16 first"),
        ),
    ],
    prediction=Prediction(
        Text(
            "只有一对慢的频率（每个位置转 0.0001 弧度）。在哪种格式里分得清相邻的位置？",
            "A single slow pair (0.0001 radians per position). In which format can neighbouring positions be "
            "told apart?",
        ),
        {
            "neither": Text("float32 里都分不清", "not even in float32"),
            "float32": Text("float32 里分得清，bfloat16 里多数分不清", "in float32, but mostly not in bfloat16"),
            "both": Text("两种都分得清", "in both"),
        },
        outcome,
    ),
    why=Text(
        "慢针在相邻位置之间几乎不动，舍入就把差别抹掉了；快针很快转回原处，远处的位置又重合。两种针合在一起"
        "，总有一种分得清。",
        "A slow hand hardly moves between neighbours, and rounding erases the difference; a fast hand comes "
        "round again, and distant positions coincide. Together, one of them always tells two positions apart.",
    ),
    figure=draw,
    quick={"positions": 900},
)

if __name__ == "__main__":
    lab.main()
