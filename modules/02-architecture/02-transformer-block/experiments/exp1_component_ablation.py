"""What does a tiny GPT lose when one of its components is removed?

The same small model learns the same language six times: whole, and without attention, without the feed-forward layer,
without the residual, without the norm, without positions. Everything else is equal: seed, data, steps, and three learning
rates, of which the best counts. (Without attention or the feed-forward layer, their parameters are gone too.)

In this language every pair of words has its own probabilities for the word that follows. A model that sees only the previous
word cannot do better than a loss that we can calculate: apart from chance in the data, a model without attention does not
get below that line. Every batch is new, so the training loss is a test loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import batches, final, language, sweep, tiny_model
from fledge.model.layers import Block
from fledge.parts import REFERENCE

RATES = (1e-2, 3e-3, 3e-2)
COMPONENTS = ("nothing", "attention", "feed_forward", "residual", "norm", "position")
OTHERS = COMPONENTS[1:]


@dataclass(frozen=True)
class Settings:
    layers: int = param(2, low=1, high=6, zh="层数", en="number of layers")
    width: int = param(32, low=8, high=64, zh="模型的宽度", en="width of the model")
    vocab: int = param(6, low=4, high=16, zh="语言里有多少个词", en="words in the language")
    rows: int = param(48, low=4, high=128, zh="一批有几行", en="rows per batch")
    rates: int = param(3, low=1, high=3, zh="试几个学习率", en="how many learning rates are tried")
    steps: int = param(60, low=20, high=1000, zh="训练步数", en="training steps")
    without: str = param("nothing", choices=COMPONENTS, zh="去掉哪个部件", en="which component is removed")
    kind: str = param("pair", choices=("one", "pair"), zh="语言", en="which language", hidden=True)


def block_without(component: str) -> type[Block]:
    """The Transformer block of Fledge, less one component."""

    class Ablated(Block):
        def forward(self, x_BTD: Tensor, rope, mask, cache, router_logits) -> Tensor:
            def add(x: Tensor, branch: Tensor) -> Tensor:
                return branch if component == "residual" else x + branch

            if component != "attention":
                x_BTD = add(x_BTD, self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache))
            if component != "feed_forward":
                x_BTD = add(x_BTD, self.mlp(self.post_attention_layernorm(x_BTD)))
            return x_BTD

    return Ablated


PARTS = {
    "norm": replace(REFERENCE, rms_norm=lambda x, weight, eps: weight * x),
    "position": replace(REFERENCE, apply_rope=lambda x, cos, sin: x),
}


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The loss at every rate; `gap` is how much of the way from perfect (0) to guessing (1) the best one leaves open."""
    model = tiny_model(
        settings.vocab,
        seed,
        width=settings.width,
        layers=settings.layers,
        parts=PARTS.get(settings.without, REFERENCE),
        block=block_without(settings.without),
    )
    data = batches(settings.vocab, settings.steps, seed, rows=settings.rows, length=12, kind=settings.kind)
    losses = final(sweep(model, RATES[: settings.rates], data), worst=2 * math.log(settings.vocab))
    floor, chance = language(settings.vocab, settings.kind).entropy, math.log(settings.vocab)
    return {"loss": min(losses), "gap": (min(losses) - floor) / (chance - floor), "by_rate": losses}


def draw(results: Results, figure: Figure) -> None:
    axes, settings = figure.axes(width=7.2), results.settings
    known = language(settings.vocab, settings.kind)
    mean, low, high = zip(*(results.band(arm, "loss") for arm in results.arms))
    errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    above = [m - known.entropy for m in mean]  # a bar begins where nobody gets lower
    figure.bars(axes, [results.label(arm) for arm in results.arms], above, errors)
    figure.floor(axes, math.log(settings.vocab) - known.entropy, Text("瞎猜（ln V）", "guessing (ln V)"))
    one = Text("只看前一个词，最好也就这样", "best possible from one word only")
    figure.floor(axes, known.entropy_of_one - known.entropy, one)
    figure.name(axes, y=Text("损失比下限（熵）高多少", "loss above the floor (the entropy)"))
    axes.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)


def cost(arm: Mapping[str, Mapping[str, float]], component: str) -> float:
    """How much higher the loss is without it."""
    return arm[component]["loss"] - arm["nothing"]["loss"]


def worst(results: Results) -> str:
    return max(OTHERS, key=lambda arm: results.mean(arm, "loss"))


lab = Lab(
    title=Text("去掉一个部件，小 GPT 会差多少？", "How much worse does a tiny GPT get without one of its components?"),
    about_zh="""
        小 GPT 去掉一个部件，会少什么？

        同一个小模型，把同一种语言学六遍：一遍是完整的，另外五遍分别没有注意力、没有前馈层、没有残差、没有归一化、没有位置。
        别的都一样：种子、数据、步数，还有三个学习率，取最好的一个。（去掉注意力或前馈层，它们的参数也跟着少了。）

        在这种语言里，每两个词一起决定下一个词的概率。只看得见前一个词的模型，损失最低能到多少，可以算出来：
        没有注意力的模型，除了抽样的误差，不会低于这条线。每一批都是新数据，所以训练损失就是测试损失。
        """,
    settings=Settings(),
    arms={component: {"without": component} for component in COMPONENTS},
    labels={
        "nothing": Text("完整", "complete"),
        "attention": Text("无注意力", "no attention"),
        "feed_forward": Text("无前馈层", "no feed-forward"),
        "residual": Text("无残差", "no residual"),
        "norm": Text("无归一化", "no norm"),
        "position": Text("无位置", "no positions"),
    },
    seeds=3,
    run=run,
    metrics={
        "loss": Metric(
            Text("最好的学习率下的损失", "loss at the best rate"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab, settings.kind).entropy,
        ),
        "gap": Metric(Text("离下限还有多远（1 = 瞎猜）", "gap to the floor (guessing: 1)"), format=".2f", chance=1.0),
        "by_rate": Metric(Text("每个学习率下的损失", "loss at each rate")),
    },
    claims=[
        Claim(
            "attention",
            Text(
                "完整的模型，离下限的距离比没有注意力的近一半以上",
                "The complete model is more than twice as close to the floor as the one without attention",
            ),
            lambda arm: arm["nothing"]["gap"] < 0.5 * arm["attention"]["gap"],
        ),
        Claim(
            "position",
            Text("没有位置，损失至少高 0.1", "Without positions, the loss is at least 0.1 higher"),
            lambda arm: arm["position"]["loss"] > arm["nothing"]["loss"] + 0.1,
        ),
        Claim(
            "feed_forward",
            Text("没有前馈层，损失至少高 0.05", "Without the feed-forward layer, the loss is at least 0.05 higher"),
            lambda arm: arm["feed_forward"]["loss"] > arm["nothing"]["loss"] + 0.05,
        ),
        Claim(
            "residual",
            Text("没有残差，损失至少高 0.05", "Without the residual, the loss is at least 0.05 higher"),
            lambda arm: arm["residual"]["loss"] > arm["nothing"]["loss"] + 0.05,
        ),
        Claim(
            "norm_small",
            Text(
                "只有两层时，去掉归一化多出来的损失，不到去掉注意力或去掉位置的一半",
                "With two layers, removing the norm costs less than half of what removing attention costs, and "
                "less than half of what removing positions costs",
            ),
            lambda arm: cost(arm, "norm") < min(cost(arm, name) for name in ("attention", "position")) / 2 - 0.02,
        ),
    ],
    sabotages=[
        Sabotage(
            {"kind": "one"},
            ("attention", "position", "feed_forward", "norm_small"),
            Text(
                "换一种语言：下一个词只取决于前一个词",
                "another language: the next word depends on the previous one alone",
            ),
        ),
        Sabotage(
            {"without": "residual"},
            ("residual",),
            Text("每一组都没有残差", "no arm has a residual"),
        ),
    ],
    prediction=Prediction(
        Text("去掉哪一个，损失最高？", "Removing which of them raises the loss most?"),
        {
            "attention": Text("注意力", "attention"),
            "feed_forward": Text("前馈层", "the feed-forward layer"),
            "residual": Text("残差", "the residual"),
            "norm": Text("归一化", "the norm"),
            "position": Text("位置", "positions"),
        },
        worst,
    ),
    why=Text(
        "没有注意力，一个位置只看得见眼前这个词，而这门语言要两个词才猜得准，所以它停在那条算得出来的线上。",
        "Without attention, a position sees only the current word, and this language needs two words to predict "
        "the next, so the model stops at the line that can be calculated.",
    ),
    figure=draw,
    quick={"steps": 40, "rows": 64, "rates": 1},
)

if __name__ == "__main__":
    lab.main()
