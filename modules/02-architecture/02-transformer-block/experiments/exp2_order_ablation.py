"""Attention before the feed-forward layer, after it, or beside it: does the order inside a block matter?

Three models with the same parameters, seed, data, steps and learning rates; only the order of the two branches in a block
differs. "Side by side" is the parallel block of PaLM (Chowdhery et al., 2022). Each is trained with one block and with two.

In this language every pair of words has probabilities of its own: the two words must first be brought to one place, which
is attention's job, and then be combined, which is the feed-forward layer's. A single block with the feed-forward layer
first has nothing left to combine them after attention. With two blocks, the next one's feed-forward layer can; how much of
the difference then remains is shown, but not claimed, because the seeds disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import batches, final, language, sweep, tiny_model
from fledge.model.layers import Block

RATES = (1e-2, 3e-3, 3e-2)
ORDERS = ("attention_first", "feed_forward_first", "beside")


@dataclass(frozen=True)
class Settings:
    width: int = param(32, low=8, high=64, zh="模型的宽度", en="width of the model")
    vocab: int = param(6, low=4, high=16, zh="语言里有多少个词", en="words in the language")
    rows: int = param(48, low=4, high=128, zh="一批有几行", en="rows per batch")
    rates: int = param(3, low=1, high=3, zh="试几个学习率", en="how many learning rates are tried")
    steps: int = param(60, low=20, high=1000, zh="训练步数", en="training steps")
    order: str = param("attention_first", choices=ORDERS, zh="块内的顺序", en="order inside a block")
    kind: str = param("pair", choices=("sum", "pair"), zh="语言", en="which language", hidden=True)


class FeedForwardFirst(Block):
    def forward(self, x_BTD: Tensor, rope, mask, cache, router_logits) -> Tensor:
        x_BTD = x_BTD + self.mlp(self.post_attention_layernorm(x_BTD))
        return x_BTD + self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache)


class Beside(Block):
    def forward(self, x_BTD: Tensor, rope, mask, cache, router_logits) -> Tensor:
        attended = self.self_attn(self.input_layernorm(x_BTD), rope, mask, cache)
        return x_BTD + attended + self.mlp(self.post_attention_layernorm(x_BTD))


BLOCKS = {"attention_first": Block, "feed_forward_first": FeedForwardFirst, "beside": Beside}


def run(settings: Settings, seed: int) -> dict[str, float]:
    """The loss at the best rate, with one block and with two."""
    data = batches(settings.vocab, settings.steps, seed, rows=settings.rows, length=12, kind=settings.kind)
    best = {}
    for name, layers in (("one_block", 1), ("two_blocks", 2)):
        model = tiny_model(settings.vocab, seed, width=settings.width, layers=layers, block=BLOCKS[settings.order])
        best[name] = min(final(sweep(model, RATES[: settings.rates], data), worst=2 * math.log(settings.vocab)))
    return best


def draw(results: Results, figure: Figure) -> None:
    names = {"one_block": Text("一个块", "one block"), "two_blocks": Text("两个块", "two blocks")}
    known = language(results.settings.vocab, results.settings.kind)
    for axes, (metric, name) in zip(figure.axes(1, 2, width=5.2), names.items()):
        mean, low, high = zip(*(results.band(arm, metric) for arm in results.arms))
        errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
        above = [m - known.entropy for m in mean]  # a bar begins where nobody gets lower
        figure.bars(axes, [results.label(arm) for arm in results.arms], above, errors)
        axes.set_ylim(0, 0.3)  # the same in both pictures
        figure.name(axes, y=Text("损失比下限（熵）高多少", "loss above the floor (the entropy)"), title=name)


def extra(results: Results, metric: str) -> float:
    return results.mean("feed_forward_first", metric) - results.mean("attention_first", metric)


lab = Lab(
    title=Text(
        "块里先注意力还是先前馈层，有区别吗？",
        "Attention first or feed-forward first: does the order matter?",
    ),
    about_zh="""
        先注意力再前馈层，反过来，还是两个并排：块里的顺序要紧吗？

        三个模型的参数、种子、数据、步数、学习率都一样，只是块里两条分支的顺序不同。
        “并排”就是 PaLM 的并行块（Chowdhery 等，2022）。每一种都训练一个块的和两个块的模型。

        在这种语言里，每两个词都有自己的一套概率：先要把两个词取到同一个位置，这是注意力做的事；
        再把它们合起来，这是前馈层做的事。只有一个块、又先前馈层时，注意力后面就没有东西可以把它们合起来了。
        有两个块时，下一个块的前馈层可以；那时差别还剩多少，图里画出来了，但我们不下结论，因为种子之间说法不一。
        """,
    settings=Settings(),
    arms={order: {"order": order} for order in ORDERS},
    labels={
        "attention_first": Text("先注意力", "attention first"),
        "feed_forward_first": Text("先前馈层", "feed-forward first"),
        "beside": Text("并排", "side by side"),
    },
    seeds=3,
    run=run,
    metrics={
        name: Metric(
            about,
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab, settings.kind).entropy,
        )
        for name, about in (
            ("one_block", Text("一个块：最好的损失", "one block: best loss")),
            ("two_blocks", Text("两个块：最好的损失", "two blocks: best loss")),
        )
    },
    claims=[
        Claim(
            "one_block",
            Text(
                "只有一个块时，先注意力比先前馈层的损失至少低 0.03",
                "With one block, attention first has a loss at least 0.03 lower than feed-forward first",
            ),
            lambda arm: arm["attention_first"]["one_block"] < arm["feed_forward_first"]["one_block"] - 0.03,
        ),
        Claim(
            "beside",
            Text(
                "只有一个块时，先注意力比并排的损失至少低 0.03",
                "With one block, attention first has a loss at least 0.03 lower than side by side",
            ),
            lambda arm: arm["attention_first"]["one_block"] < arm["beside"]["one_block"] - 0.03,
        ),
    ],
    sabotages=[
        Sabotage(
            {"order": "feed_forward_first"},
            ("one_block", "beside"),
            Text("每一组都先前馈层", "every arm puts the feed-forward layer first"),
        ),
        Sabotage(
            {"kind": "sum"},
            ("one_block", "beside"),
            Text(
                "换一种语言：两个词各加各的，不需要放在一起算",
                "another language: each of the two words contributes on its own, and nothing has to be combined",
            ),
        ),
    ],
    prediction=Prediction(
        Text(
            "只有一个块时，先前馈层再注意力，会比反过来差吗？",
            "With one block, is feed-forward first worse than attention first?",
        ),
        {
            "worse": Text("差（损失高 0.03 以上）", "worse (the loss is at least 0.03 higher)"),
            "same": Text("差不多", "about the same"),
            "better": Text("反而好", "better"),
        },
        lambda results: (
            "worse"
            if extra(results, "one_block") > 0.03
            else "better"
            if extra(results, "one_block") < -0.03
            else "same"
        ),
    ),
    why=Text(
        "只有一个块时，先前馈层，等注意力把另一个词取来，后面已经没有东西能把两个词合起来了。",
        "With a single block and the feed-forward layer first, nothing comes after attention that could combine "
        "the two words it has brought together.",
    ),
    figure=draw,
    quick={"steps": 50, "rates": 1},
)

if __name__ == "__main__":
    lab.main()
