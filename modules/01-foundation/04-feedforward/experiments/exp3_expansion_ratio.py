"""How much wider than the model should the middle of a feed-forward layer be?

The ratio is F / D: from D numbers up to F and back down to D. The layer is the engine's own SwiGLU layer with its norm and
residual, between two added word vectors and the scores of the next word. The language gives every pair of words
probabilities of its own, so there is more to remember than most of these layers can hold, and the loss tells how much one
held.

Every ratio is tried in two ways:

    equal width        D stays, so a larger ratio also means a larger model
    equal parameters   D shrinks as the ratio grows, until the whole model has about as many parameters as with ratio 2
                       (widths are whole numbers, so the models differ by up to 3 %; the table shows the counts)

The table of probabilities is learnt in full at every step, so the loss has no noise. All models are trained at the same
rates, and the best one counts.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import final, language, sweep
from fledge.model.layers import MLP, Linear, RMSNorm
from fledge.parts import REFERENCE

RATES = (1e-2, 3e-2, 1e-1)
RATIOS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Settings:
    words: int = param(16, low=4, high=32, zh="词的个数", en="number of words")
    width: int = param(16, low=8, high=64, zh="模型的宽度 D（比例为 2 时）", en="model width D (at ratio 2)")
    steps: int = param(150, low=20, high=2000, zh="训练步数", en="training steps")
    ratio: int = param(1, low=1, high=16, zh="中间是模型的几倍宽", en="width of the middle ÷ D")
    widen: bool = param(True, zh="中间真的变宽", en="the middle really gets wider", hidden=True)
    shrink: bool = param(True, zh="参数相等时缩小 D", en="shrink D to keep the parameters equal", hidden=True)


class Model(nn.Module):
    """Two word vectors added -> one feed-forward layer as in a block -> scores."""

    def __init__(self, words: int, width: int, ratio: int):
        super().__init__()
        self.first = nn.Parameter(0.5 * torch.randn(words, width))
        self.second = nn.Parameter(0.5 * torch.randn(words, width))
        self.norm = RMSNorm(width, 1e-6, REFERENCE)
        self.mlp = MLP(width, ratio * width, False, REFERENCE)
        self.last_norm = RMSNorm(width, 1e-6, REFERENCE)
        self.head = Linear(width, words, bias=False)

    def forward(self, pairs: Tensor) -> Tensor:
        """Pairs of words [B, 2] -> scores [B, words]."""
        x = self.first[pairs[:, 0]] + self.second[pairs[:, 1]]
        x = x + self.mlp(self.norm(x))
        return self.head(self.last_norm(x))


def parameters(words: int, width: int, ratio: int) -> int:
    return 3 * words * width + 3 * ratio * width**2 + 2 * width  # words in and out, three matrices, two norms


def equal_width(settings: Settings) -> int:
    """The D at which a model with this ratio is as large as one with ratio 2 and the width of the settings."""
    if not settings.shrink:
        return settings.width
    wanted = parameters(settings.words, settings.width, 2)
    return min(range(1, 4 * settings.width), key=lambda d: abs(parameters(settings.words, d, settings.ratio) - wanted))


@functools.cache
def entropy(words: int) -> float:
    """What no model can beat on this table, in nats."""
    odds = language(words, "pair").odds
    return -torch.xlogy(odds, odds).sum(-1).mean().item()


def train(settings: Settings, width: int, seed: int) -> float:
    """The loss above the entropy at the best rate."""
    torch.manual_seed(seed)
    words, odds = settings.words, language(settings.words, "pair").odds.flatten(0, 1)
    pairs = torch.cartesian_prod(torch.arange(words), torch.arange(words))
    rows = torch.cat([pairs, torch.zeros(len(pairs), 1, dtype=torch.long)], 1)  # the sweep's rows end with a target
    model = Model(words, width, settings.ratio if settings.widen else 2)
    losses = sweep(model, RATES, [rows] * settings.steps, lambda scores, _: F.cross_entropy(scores, odds))
    return min(final(losses, 2 * math.log(words))) - entropy(words)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    width = equal_width(settings)
    return {
        "same_width": train(settings, settings.width, seed),
        "same_size": train(settings, width, seed),
        "size_at_same_width": float(parameters(settings.words, settings.width, settings.ratio)),
        "width_at_same_size": float(width),
        "size_at_same_size": float(parameters(settings.words, width, settings.ratio)),
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for metric, label in (
        ("same_width", Text("宽度 D 相等", "equal width D")),
        ("same_size", Text("参数个数相等", "equal parameters")),
    ):
        bands = zip(*(results.band(arm, metric) for arm in results.arms))
        figure.line(axes, RATIOS, *bands, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(RATIOS, [f"{ratio}" for ratio in RATIOS])
    figure.name(
        axes, x=Text("中间是 D 的几倍宽", "width of the middle ÷ D"), y=Text("比熵高多少", "loss above the entropy")
    )


def outcome(results: Results) -> str:
    best = min(RATIOS, key=lambda ratio: results.mean(f"x{ratio}", "same_size"))
    return {1: "one", 8: "eight"}.get(best, "between")


lab = Lab(
    title=Text(
        "前馈层的中间要多宽？宽度相等和参数相等，答案一样吗？",
        "How wide should the middle be, at equal width and at equal size?",
    ),
    about_zh="""
        前馈层的中间，应该是模型的几倍宽？

        比例就是 F / D：从 D 个数展开到 F 个，再压回 D 个。这一层是引擎自己的 SwiGLU 层，带着它的归一化和残差；
        前面是两个词的向量加在一起，后面是下一个词的分数。语言里每一对词都有自己的一套概率，要记的比多数层装得下的多，
        所以从损失就看得出一层装下了多少。

        每个比例都试两种：

            宽度相等    D 不变，所以比例越大，模型也越大
            参数相等    比例越大，D 越小，直到整个模型的参数和比例为 2 时一样多

        每一步都学整张概率表，所以损失没有噪声。所有模型试同样的学习率，各取最好的一个。
        """,
    settings=Settings(),
    arms={f"x{ratio}": {"ratio": ratio} for ratio in RATIOS},
    labels={f"x{ratio}": Text(f"{ratio} 倍", f"ratio {ratio}") for ratio in RATIOS},
    seeds=3,
    run=run,
    metrics={
        "same_width": Metric(Text("宽度相等：高于熵", "equal width: loss above entropy"), floor=0.0),
        "same_size": Metric(Text("参数相等：高于熵", "equal size: loss above entropy"), floor=0.0),
        "size_at_same_width": Metric(Text("宽度相等：参数", "equal width: parameters"), format=".0f"),
        "width_at_same_size": Metric(Text("参数相等：宽度 D", "equal size: width D"), format=".0f"),
        "size_at_same_size": Metric(Text("参数相等：参数", "equal size: parameters"), format=".0f"),
    },
    claims=[
        Claim(
            "wider_is_better",
            Text(
                "宽度相等：8 倍时损失离熵的距离，不到 1 倍时的五分之一",
                "At equal width, ratio 8 is less than a fifth as far from the entropy as ratio 1",
            ),
            lambda arm: arm["x8"]["same_width"] < arm["x1"]["same_width"] / 5,
        ),
        Claim(
            "size_was_the_reason",
            Text(
                "参数相等：8 倍比 2 倍差，损失离熵的距离至少是它的 1.2 倍",
                "At equal parameters, ratio 8 is worse than ratio 2: at least 1.2 times as far from the entropy",
            ),
            lambda arm: arm["x8"]["same_size"] > 1.2 * arm["x2"]["same_size"],
        ),
    ],
    sabotages=[
        Sabotage({"widen": False}, ("wider_is_better",), Text("中间总是 2 倍宽", "the middle is always twice as wide")),
        Sabotage(
            {"shrink": False},
            ("size_was_the_reason",),
            Text("“参数相等”时不缩小 D", "D does not shrink for equal parameters"),
        ),
    ],
    prediction=Prediction(
        Text("参数个数相等时，哪个倍数最好？", "At equal parameters, which ratio is best?"),
        {"one": Text("1 倍", "1"), "between": Text("2 倍或 4 倍", "2 or 4"), "eight": Text("8 倍", "8")},
        outcome,
    ),
    why=Text(
        "D 不变而只加大 F，模型本身就变大了，记得多不奇怪。参数相等时，F 大了 D 就得小，词向量变窄，装不下的"
        "东西再宽的中间也补不回来。",
        "With D fixed, a larger F simply makes a larger model, and it is no surprise that it remembers more. At "
        "equal parameters a larger F means a smaller D, and a wide middle cannot restore what no longer fits "
        "into narrow word vectors.",
    ),
    figure=draw,
    quick={"words": 10, "width": 15, "steps": 40},
)

if __name__ == "__main__":
    lab.main()
