"""Is a merged adapter still the same model, when the weights are kept in fp32, in bfloat16 or in four bits?

A base weight as it is kept, and an update of rank 8 beside it that is a few hundredths of its size, as after fine-tuning.
Merging adds the two and keeps the sum as the base was kept. What is lost is measured where it counts: by how much the outputs
differ from those of base and adapter side by side, over what the adapter itself changes. 1 means that all of the adapter's work
is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.adapt.merging import updated
from fledge.adapt.nf4 import dequantise, quantise
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param


@dataclass(frozen=True)
class Settings:
    kept: str = param("fp32", choices=("fp32", "bf16", "nf4"), zh="权重怎样保存", en="how weights are kept")
    width: int = param(256, low=64, high=1024, zh="层的宽度", en="width of the layer")
    rank: int = param(8, low=1, high=64, zh="秩", en="rank")
    size: float = param(
        0.03, low=0.001, high=1.0, zh="更新有多大（权重 = 1）", en="size of the update (the weight = 1)"
    )
    rounded: bool = param(True, zh="合并后要舍入", en="what is merged is rounded", hidden=True)


def keep(weight: Tensor, how: str) -> Tensor:
    """The weight as it is after it was kept so."""
    if how == "nf4":
        return dequantise(quantise(weight))
    return weight.to(torch.bfloat16).float() if how == "bf16" else weight


def run(settings: Settings, seed: int) -> dict[str, float]:
    draw, n = torch.Generator().manual_seed(seed), settings.width
    base = keep(torch.randn(n, n, generator=draw) * n**-0.5, settings.kept)
    A, B = torch.randn(settings.rank, n, generator=draw), torch.randn(n, settings.rank, generator=draw)
    scaling = float(settings.size * base.norm() / (B @ A).norm())
    x = torch.randn(64, n, generator=draw)
    merged = updated(base, A, B, scaling, None)
    if settings.rounded:
        merged = keep(merged, settings.kept)
    beside, change = x @ base.T + scaling * x @ A.T @ B.T, scaling * x @ A.T @ B.T
    return {"lost": ((x @ merged.T - beside).norm() / change.norm()).item()}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [max(results.mean(arm, "lost"), 1e-9) for arm in results.arms])
    axes.set_yscale("log")
    figure.name(axes, y=Text("合并丢掉的部分（适配器的作用 = 1）", "lost by merging (what the adapter does = 1)"))


lab = Lab(
    title=Text("合并以后还是同一个模型吗？", "Is a merged adapter still the same model?"),
    about_zh="""
        权重存成 fp32、bfloat16 或四位，适配器合并进去以后，还是同一个模型吗？

        一个按某种精度保存的底座权重，旁边是秩 8 的更新，大小是权重的百分之几，微调之后大致如此。合并就是相加，再按底座的精度保存。
        丢了多少，在要紧的地方量：合并后的输出与“底座加适配器”差多少，除以适配器本身带来的变化。1 表示适配器的作用全丢了。
        """,
    settings=Settings(),
    arms={name: {"kept": name} for name in ("fp32", "bf16", "nf4")},
    labels={
        "fp32": Text("fp32", "fp32"),
        "bf16": Text("bfloat16", "bfloat16"),
        "nf4": Text("NF4（四位）", "NF4 (four bits)"),
    },
    run=run,
    metrics={"lost": Metric(Text("合并丢掉的部分", "lost by merging"), format=".2g", floor=0.0)},
    claims=[
        Claim(
            "fp32_is_the_same",
            Text(
                "fp32 丢不到万分之一，bfloat16 丢百倍以上",
                "fp32 loses less than a ten-thousandth, bfloat16 over a hundred times as much",
            ),
            lambda arm: arm["fp32"]["lost"] < 1e-4 and arm["bf16"]["lost"] > 100 * arm["fp32"]["lost"],
        ),
        Claim(
            "four_bits_lose_it",
            Text("四位丢掉的比适配器带来的还多", "Four bits lose more than the adapter brings"),
            lambda arm: arm["nf4"]["lost"] > 1 > arm["bf16"]["lost"],
        ),
    ],
    sabotages=[
        Sabotage(
            {"rounded": False},
            ("fp32_is_the_same", "four_bits_lose_it"),
            Text("合并后不舍入", "what is merged is not rounded"),
        ),
    ],
    prediction=Prediction(
        Text("把适配器合并进四位的权重，会怎样？", "An adapter is merged into weights of four bits. What happens?"),
        {
            "little": Text("差一点点", "a little is lost"),
            "all": Text("适配器的作用几乎全丢了", "what the adapter does is lost, or more"),
        },
        lambda results: "all" if results.mean("nf4", "lost") > 1 else "little",
    ),
    why=Text(
        "合并以后的和要按底座的格子取整。更新量只有权重的百分之几：fp32 的格子比它细得多，bfloat16 的格子已经接"
        "近它，四位的格子比它大得多，它大部分就被舍掉了。",
        "The sum is rounded to the grid that the base is kept in. The update is a few hundredths of the weight: the "
        "grid of fp32 is far finer, that of bfloat16 comes near it, and that of four bits is much coarser, so that "
        "most of it is rounded away.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
