"""Full fine-tuning changes every number. How many directions does that change really have?

A small Transformer knows a made-up language and learns a dialect in which twelve of the 32 words have changed places; all
linear layers of its blocks are trained in full. The change of each matrix is taken apart by its singular values (SVD), and only
the largest few are kept: the best that a rank can do (Eckart and Young, 1936). How much of the improvement remains?

The second arm keeps the very same numbers in another order. It shows what any change of that size would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.finetuning import ROWS, WIDTH, base, rows, train, unknown

RANKS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Settings:
    change: str = param("learnt", choices=("learnt", "shuffled"), zh="哪种改变", en="which change")
    steps: int = param(120, low=20, high=1000, zh="训练步数", en="training steps")
    lr: float = param(0.005, low=0.0, high=0.05, zh="学习率", en="learning rate")
    mixed: bool = param(False, zh="两组都打乱", en="both arms are shuffled", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Share of the squared change that every rank keeps, and of the improvement."""
    model, before = base(seed), base(seed)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name.endswith("_proj.weight"))
    train(model, rows(settings.steps * ROWS, seed + 1, 12), settings.lr)
    at_first, at_last = unknown(before, seed, 12), unknown(model, seed, 12)
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    parts, energies = {}, []
    for name in names:
        change = (model.get_parameter(name) - before.get_parameter(name)).detach()
        if settings.change == "shuffled" or settings.mixed:
            change = change.flatten()[torch.randperm(change.numel())].view_as(change)
        U, S, Vh = parts[name] = torch.linalg.svd(change, full_matrices=False)
        energies.append((S.square().cumsum(0) / S.square().sum())[[rank - 1 for rank in RANKS]])
    improved = []
    for rank in RANKS:
        cut = base(seed)
        with torch.no_grad():
            for name, (U, S, Vh) in parts.items():
                cut.get_parameter(name).add_((U[:, :rank] * S[:rank]) @ Vh[:rank])
        improved.append((at_first - unknown(cut, seed, 12)) / (at_first - at_last))
    energy = torch.stack(energies).mean(0).tolist()
    eight = RANKS.index(8)
    return {
        "energy": energy,
        "improved": improved,
        "energy_8": energy[eight],
        "improved_8": improved[eight],
        "at_first": at_first,
        "at_last": at_last,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        figure.line(left, RANKS, *results.band(arm, "energy"), label=results.label(arm))
    figure.line(right, RANKS, *results.band("learnt", "improved"), label=results.label("learnt"))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
    figure.name(
        left, x=Text("留下的秩", "rank that is kept"), y=Text("改变留下几成（平方和）", "share of the change (squares)")
    )
    figure.name(right, x=Text("留下的秩", "rank that is kept"), y=Text("进步留下几成", "share of the improvement"))


lab = Lab(
    title=Text("全部微调的改变，有几个方向？", "How many directions has the change of full fine-tuning?"),
    about_zh="""
        全部微调改动每一个数。这个改变到底有几个方向？

        一个小 Transformer 会一种编出来的语言，学它的一种方言：32 个词里有 12 个换了位置。各块的所有线性层都全部训练。
        再把每个矩阵的改变按奇异值拆开（SVD），只留下最大的几个：一个秩最多也只能做到这样（Eckart 和 Young，1936）。进步还剩几成？

        另一组是同样的数打乱了次序，看同样大小的随便一个改变会怎样。
        """,
    settings=Settings(),
    arms={"learnt": {"change": "learnt"}, "shuffled": {"change": "shuffled"}},
    labels={
        "learnt": Text("学到的改变", "the change"),
        "shuffled": Text("同样的数，打乱", "the same numbers, shuffled"),
    },
    run=run,
    metrics={
        "energy": Metric(Text("留下的改变", "share of the change")),
        "improved": Metric(Text("留下的进步", "share of the improvement")),
        "energy_8": Metric(Text("秩 8 留下的改变（平方和）", "change that rank 8 keeps (squares)"), format=".2f"),
        "improved_8": Metric(Text("秩 8 留下的进步", "improvement that rank 8 keeps"), format=".2f"),
        "at_first": Metric(Text("训练前的损失（减去熵）", "loss at first (above the entropy)"), floor=0.0),
        "at_last": Metric(Text("训练后的", "loss at last"), floor=0.0),
    },
    claims=[
        Claim(
            "few_directions",
            Text(
                "64 个方向里最大的 8 个，占改变的一半以上；打乱以后不到 45%",
                "The largest 8 of 64 directions hold over half of the change; shuffled, under 45 %",
            ),
            lambda arm: arm["learnt"]["energy_8"] > 0.5 and arm["shuffled"]["energy_8"] < 0.45,
        ),
        Claim(
            "most_of_the_gain",
            Text(
                "只留这 8 个，进步还在八成以上；打乱的没有进步",
                "With those 8 alone over 80 % of the improvement is there; shuffled there is none",
            ),
            lambda arm: arm["learnt"]["improved_8"] > 0.8 and arm["shuffled"]["improved_8"] < 0.2,
        ),
    ],
    sabotages=[
        Sabotage({"mixed": True}, ("few_directions", "most_of_the_gain"), Text("两组都打乱", "both arms are shuffled")),
    ],
    prediction=Prediction(
        Text(
            f"矩阵是 {WIDTH} × {WIDTH} 的。只留改变的 8 个方向，进步还剩几成？",
            f"The matrices are {WIDTH} × {WIDTH}. Of the change 8 directions are kept: how much of the improvement remains?",
        ),
        {
            "eighth": Text("大约八分之一", "about an eighth"),
            "half": Text("大约一半", "about half"),
            "most": Text("八成以上", "over 80 %"),
        },
        lambda results: next(
            name
            for name, least in (("most", 0.8), ("half", 0.3), ("eighth", -1e9))
            if results.mean("learnt", "improved_8") > least
        ),
    ),
    why=Text(
        "任务只要求一件事（十二个词换位置），几个方向就说得清；其余方向上的改变很小，对损失的作用更小。"
        "LoRA 押的就是这一点。任务越杂，要的方向越多。",
        "The task asks for one thing, twelve words in other places, and a few directions can say it. The change along all others "
        "is small, and matters less still. That is what LoRA bets on; the more mixed the task, the more directions it takes.",
    ),
    figure=draw,
    seeds=3,
    quick={"steps": 60},
)

if __name__ == "__main__":
    lab.main()
