"""With as many trained parameters: which layers should LoRA be put on?

A small Transformer knows a made-up language. It is to learn a dialect in which twelve of the 32 words have changed places;
everything else is as before. Three arms train about equally many numbers: LoRA on the queries and values alone, as in the first
paper (rank 17), on the three matrices of the feed-forward parts (rank 8), and on all linear layers (rank 4). The same rows, the
same steps, the same rate.

What is left is the loss on new rows of the dialect minus its entropy, which nothing can beat.
"""

from __future__ import annotations

from dataclasses import dataclass

from fledge.adapt.format import LINEAR, AdapterConfig
from fledge.adapt.lora import add_adapter
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.finetuning import ROWS, base, rows, train, unknown

TARGETS = {  # layers, and the rank with which they have about 8,700 parameters
    "qv": (("q_proj", "v_proj"), 17),
    "mlp": (("gate_proj", "up_proj", "down_proj"), 8),
    "all": (LINEAR, 4),
}


@dataclass(frozen=True)
class Settings:
    targets: str = param("all", choices=("qv", "mlp", "all"), zh="LoRA 加在哪些层上", en="layers with LoRA")
    steps: int = param(120, low=20, high=1000, zh="训练步数", en="training steps")
    lr: float = param(0.03, low=0.001, high=0.1, zh="学习率", en="learning rate")
    swapped: int = param(12, low=0, high=32, zh="多少个词换了位置", en="words that changed places", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """Nats above the entropy of the dialect, before and after."""
    model, (targets, rank) = base(seed), TARGETS[settings.targets]
    before = unknown(model, seed, settings.swapped)
    add_adapter(model, "dialect", AdapterConfig(r=rank, lora_alpha=float(rank), target_modules=targets), seed)
    train(model, rows(settings.steps * ROWS, seed + 1, settings.swapped), settings.lr)
    return {
        "before": before,
        "left": unknown(model, seed, settings.swapped),
        "parameters": float(sum(p.numel() for p in model.parameters() if p.requires_grad)),
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "left") for arm in results.arms])
    figure.name(axes, y=Text("剩下的损失（减去熵）", "loss that is left (above the entropy)"))


lab = Lab(
    title=Text("参数一样多，LoRA 加在哪些层上？", "As many parameters: on which layers should LoRA be?"),
    about_zh="""
        训练的参数一样多，LoRA 应当加在哪些层上？

        一个小 Transformer 已经会一种编出来的语言，要学它的一种方言：32 个词里有 12 个换了位置，其余照旧。三组训练的参数差不多
        一样多：只加在查询和值上，最早的论文就是这样（秩 17）；加在前馈部分的三个矩阵上（秩 8）；加在所有线性层上（秩 4）。
        数据、步数、学习率都相同。

        剩下的损失：在新的方言句子上的损失，减去它的熵，熵是谁也低不过的。
        """,
    settings=Settings(),
    arms={name: {"targets": name} for name in TARGETS},
    labels={"qv": Text("q 和 v", "q and v"), "mlp": Text("前馈", "feed-forward"), "all": Text("全部", "all linear")},
    run=run,
    metrics={
        "before": Metric(Text("训练前", "before"), floor=0.0),
        "left": Metric(Text("剩下的", "left"), floor=0.0),
        "parameters": Metric(Text("训练的参数", "trained parameters"), format=".0f"),
    },
    claims=[
        Claim(
            "not_attention_alone",
            Text(
                "只加在 q、v 上，剩下的是全部都加的 1.3 倍以上",
                "With q and v alone more than 1.3 times as much is left as with all layers",
            ),
            lambda arm: arm["qv"]["left"] > 1.3 * arm["all"]["left"],
        ),
        Claim(
            "feed_forward_counts",
            Text(
                "只加在前馈上，比只加在 q、v 上少剩 0.1 以上",
                "On the feed-forward parts 0.1 less is left than on q and v",
            ),
            lambda arm: arm["mlp"]["left"] < arm["qv"]["left"] - 0.1,
        ),
    ],
    sabotages=[
        Sabotage(
            {"swapped": 0},
            ("not_attention_alone", "feed_forward_counts"),
            Text("方言就是原来的语言，没有什么可学", "the dialect is the language, and there is nothing to learn"),
        ),
    ],
    prediction=Prediction(
        Text(
            "参数一样多：秩 17 只加在 q、v 上，秩 4 加在所有层上。哪个学得好？",
            "As many parameters: rank 17 on q and v, or rank 4 on all layers. Which learns more?",
        ),
        {"few": Text("层少秩高", "few layers, a high rank"), "all": Text("层多秩低", "all layers, a low rank")},
        lambda results: "all" if results.mean("all", "left") < results.mean("qv", "left") else "few",
    ),
    why=Text(
        "q 和 v 只管看哪里、拿什么过来；拿来以后接什么词，主要由前馈部分决定，而方言改的正是这个。所有层都加，"
        "不用事先知道该改的在哪里。",
        "Queries and values only decide where to look and what to fetch. Which word follows is mostly up to the feed-forward "
        "parts, and that is what the dialect changes. With all layers one need not know beforehand.",
    ),
    figure=draw,
    seeds=3,
    quick={"steps": 60},
)

if __name__ == "__main__":
    lab.main()
