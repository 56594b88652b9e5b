"""How deep can a network be and still train, with and without a residual connection?

    plain       h = relu(W h + b)
    residual    h = relu(W h + b) + h

Depths start at 2 and double. Every depth of either arm learns the same task at the same learning rates and for the same
number of steps: adding on a clock ("9 o'clock, 5 hours later"), all sums at once. A depth counts as trained when its loss at
the best rate is below half of what guessing gives.

Two layers are enough for this task. So this is not about what depth is good for, but about what depth alone destroys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import final, sweep

RATES = (1e-3, 3e-3, 1e-2)


@dataclass(frozen=True)
class Settings:
    deepest: int = param(32, low=4, high=64, zh="最多几层", en="greatest depth")
    times: int = param(2, low=2, high=8, zh="每次变为几倍深", en="factor between depths")
    width: int = param(48, low=8, high=128, zh="每层的宽度", en="width of a layer")
    hours: int = param(6, low=3, high=16, zh="钟面上有几个小时", en="hours on the clock")
    steps: int = param(80, low=20, high=1000, zh="训练步数", en="training steps")
    block: str = param("plain", choices=("plain", "residual"), zh="每一层的样子", en="kind of layer")
    skip: float = param(1.0, low=0.0, high=1.0, zh="残差乘以几", en="factor on the residual", hidden=True)


class Stack(nn.Module):
    """Two word vectors added -> layers, one behind the other -> scores."""

    def __init__(self, settings: Settings, depth: int):
        super().__init__()
        width, hours = settings.width, settings.hours
        self.skip = settings.skip if settings.block == "residual" else 0.0
        layers = [nn.Linear(width, width) for _ in range(depth)]
        self.weights = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.biases = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.embed = nn.Embedding(2 * hours, width)
        self.head = nn.Linear(width, hours)

    def forward(self, words: Tensor) -> Tensor:
        """Two words [B, 2] -> scores [B, hours]."""
        h = self.embed(words + torch.tensor([0, self.head.out_features])).sum(1)
        for weight, bias in zip(self.weights.unbind(), self.biases.unbind()):
            h = torch.relu(F.linear(h, weight, bias)) + self.skip * h
        return self.head(h)


def depths(settings: Settings) -> list[int]:
    """2, 4, 8, … up to the greatest."""
    tried = [2]
    while tried[-1] * settings.times <= settings.deepest:
        tried.append(tried[-1] * settings.times)
    return tried


def last_word_loss(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets[:, -1])


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """For every depth the loss at its best rate, as a share of what guessing gives."""
    hour = torch.arange(settings.hours)
    pairs = torch.cartesian_prod(hour, hour)
    sums = torch.cat([pairs, pairs.sum(1, keepdim=True) % settings.hours], 1)
    chance, shares = math.log(settings.hours), []
    for depth in depths(settings):
        torch.manual_seed(seed)
        losses = sweep(Stack(settings, depth), RATES, [sums] * settings.steps, last_word_loss)
        shares.append(min(final(losses, 2 * chance)) / chance)
    trained = [depth for depth, share in zip(depths(settings), shares) if share < 0.5]
    return {
        "shallow": shares[0],
        "deepest": shares[-1],
        "trained": float(max(trained, default=0)),
        "by_depth": shares,
    }


def draw(results: Results, figure: Figure) -> None:
    axes, tried = figure.axes(), depths(results.settings)
    for arm in results.arms:
        figure.line(axes, tried, *results.band(arm, "by_depth"), label=results.label(arm))
    figure.floor(axes, 1.0, Text("瞎猜", "guessing"))
    axes.set_xscale("log", base=2)
    axes.set_xticks(tried, [f"{depth}" for depth in tried])
    figure.name(
        axes, x=Text("层数", "number of layers"), y=Text("最好的损失 ÷ 瞎猜的损失", "best loss ÷ loss of guessing")
    )


def outcome(results: Results) -> str:
    trained = results.mean("plain", "trained")
    return "four" if trained <= 4 else "sixteen" if trained <= 16 else "all"


lab = Lab(
    title=Text("多深的网络还训练得动？", "How deep can a network be and still train?"),
    about_zh="""
        有残差连接和没有残差连接，网络最深到多少层还训练得动？

            无残差    h = relu(W h + b)
            有残差    h = relu(W h + b) + h

        从 2 层开始，层数每次翻倍。两组的每一种深度都学同一个任务，试同样的学习率，训练同样多步：
        钟面上的加法（“九点，再过五小时”），所有的算式一次全给。
        最好的学习率下，损失降到瞎猜的一半以下，就算这个深度训练得动。

        这个任务两层就够用。所以这里问的不是深有什么好处，而是光是层数就能毁掉什么。
        """,
    settings=Settings(),
    arms={"plain": {"block": "plain"}, "residual": {"block": "residual"}},
    labels={"plain": Text("无残差", "no residual"), "residual": Text("有残差", "residual")},
    seeds=3,
    run=run,
    metrics={
        "shallow": Metric(Text("2 层：损失 ÷ 瞎猜", "2 layers: loss ÷ guessing"), format=".1%", chance=1.0, floor=0.0),
        "deepest": Metric(Text("最深：损失 ÷ 瞎猜", "deepest: loss ÷ guessing"), format=".1%", chance=1.0, floor=0.0),
        "trained": Metric(Text("训练得动的最大深度", "greatest depth that trains"), format=".0f"),
        "by_depth": Metric(Text("每个深度：损失 ÷ 瞎猜", "each depth: loss ÷ guessing")),
    },
    claims=[
        Claim(
            "depth_destroys",
            Text(
                "无残差：2 层训练得动（损失不到瞎猜的一半），最深的没有（超过 95%）",
                "Without a residual, 2 layers train (below half of guessing) and the deepest network does not "
                "(above 95%)",
            ),
            lambda arm: arm["plain"]["shallow"] < 0.5 and arm["plain"]["deepest"] > 0.95,
            absolute=True,
        ),
        Claim(
            "residual_keeps",
            Text(
                "有残差：最深的网络也训练得动（损失不到瞎猜的一半）",
                "With a residual, even the deepest network trains (below half of guessing)",
            ),
            lambda arm: arm["residual"]["deepest"] < 0.5,
        ),
    ],
    sabotages=[
        Sabotage({"skip": 0.0}, ("residual_keeps",), Text("残差乘以 0", "the residual is multiplied by 0")),
        Sabotage({"deepest": 4}, ("depth_destroys",), Text("最深只有 4 层", "the deepest network has only 4 layers")),
    ],
    prediction=Prediction(
        Text("没有残差，最多多少层还训练得动？", "Without a residual, how many layers can still be trained?"),
        {
            "four": Text("4 层或更少", "4 or fewer"),
            "sixteen": Text("8 层或 16 层", "8 or 16"),
            "all": Text("32 层也行", "32 as well"),
        },
        outcome,
    ),
    why=Text(
        "没有残差，每多一层，信号和梯度就多乘一次会缩小它们的矩阵，到了某个深度就什么也传不过去；有残差，多"
        "加的层至少可以什么也不改。",
        "Without a residual, each extra layer multiplies signal and gradient by one more matrix that shrinks "
        "them, and beyond some depth nothing gets through. With a residual, an extra layer can at worst change "
        "nothing.",
    ),
    figure=draw,
    quick={"times": 4, "width": 64, "hours": 4, "steps": 40},
)

if __name__ == "__main__":
    lab.main()
