"""Thirty-two layers with and without a residual connection: what reaches the first layer, and does the network train?

    plain       h = relu(W h + b)
    residual    h = relu(W h + b) + h

The same layers, PyTorch's default initialisation, the same input. A third arm has no residual either, but starts from He
initialisation (He et al., 2015), which is designed to preserve the size of gradients under ReLU: so that we do not blame a
missing residual for what is only a bad start.

Two measurements. The gradient: one backward pass of a squared error before training, and the norm of the first and the last
layer's weight gradient. Training: a stack between two added word vectors and the scores learns to add on a clock ("9 o'clock,
5 hours later"), all sums at once, at the same learning rates for every arm; the best one counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import final, sweep

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


@dataclass(frozen=True)
class Settings:
    depth: int = param(32, low=2, high=64, zh="层数", en="number of layers")
    width: int = param(32, low=8, high=128, zh="每层的宽度", en="width of a layer")
    hours: int = param(8, low=3, high=16, zh="钟面上有几个小时", en="hours on the clock")
    steps: int = param(120, low=20, high=1000, zh="训练步数", en="training steps")
    block: str = param("plain", choices=("plain", "he", "residual"), zh="每一层的样子", en="kind of layer")
    skip: float = param(1.0, low=0.0, high=1.0, zh="残差乘以几", en="factor on the residual", hidden=True)
    shrink: float = param(1.0, low=0.0, high=1.0, zh="初始权重乘以几", en="factor on the initial weights", hidden=True)


class Stack(nn.Module):
    """Two word vectors added -> layers, one behind the other -> scores."""

    def __init__(self, settings: Settings):
        super().__init__()
        width, hours = settings.width, settings.hours
        self.skip = settings.skip if settings.block == "residual" else 0.0
        layers = [nn.Linear(width, width) for _ in range(settings.depth)]
        for layer in layers if settings.block == "he" else ():
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.weights = nn.Parameter(settings.shrink * torch.stack([layer.weight.detach() for layer in layers]))
        self.biases = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self.embed = nn.Embedding(2 * hours, width)
        self.head = nn.Linear(width, hours)

    def body(self, h: Tensor) -> Tensor:
        for weight, bias in zip(self.weights.unbind(), self.biases.unbind()):
            h = torch.relu(F.linear(h, weight, bias)) + self.skip * h
        return h

    def forward(self, words: Tensor) -> Tensor:
        """Two words [B, 2] -> scores [B, hours]."""
        later = torch.tensor([0, self.head.out_features])
        return self.head(self.body(self.embed(words + later).sum(1)))


def gradient_norms(stack: Stack, width: int) -> list[float]:
    """One backward pass over the layers alone: the norm of every layer's weight gradient, first layer first."""
    x, target = torch.randn(2, 64, width)
    loss = F.mse_loss(stack.body(x), target)
    return torch.autograd.grad(loss, stack.weights)[0].flatten(1).norm(dim=1).tolist()


def last_word_loss(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets[:, -1])


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Gradients before training, then the final loss at every rate."""
    hour = torch.arange(settings.hours)
    pairs = torch.cartesian_prod(hour, hour)
    sums = torch.cat([pairs, pairs.sum(1, keepdim=True) % settings.hours], 1)
    stack = Stack(settings)
    norms = gradient_norms(stack, settings.width)
    losses = sweep(stack, RATES, [sums] * settings.steps, last_word_loss)
    ends = final(losses, 2 * math.log(settings.hours))
    return {
        "ratio": norms[0] / norms[-1],
        "share": min(ends) / math.log(settings.hours),
        "gradient": norms,
        "by_rate": ends,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        norms, losses = results.band(arm, "gradient"), results.band(arm, "by_rate")
        figure.line(left, range(1, len(norms[0]) + 1), *norms, label=results.label(arm))
        figure.line(right, RATES, *losses, label=results.label(arm))
    left.set_yscale("log")
    right.set_xscale("log")
    figure.floor(right, math.log(results.settings.hours), Text("瞎猜 ln V", "guessing, ln V"))
    figure.name(left, x=Text("第几层", "layer"), y=Text("训练前的梯度范数", "gradient norm before training"))
    figure.name(right, x=Text("学习率", "learning rate"), y=Text("最后的损失", "final loss"))


def outcome(results: Results) -> str:
    ratio = results.mean("plain", "ratio")
    return "billion" if ratio < 1e-9 else "thousand" if ratio < 1e-3 else "same"


lab = Lab(
    title=Text(
        "三十二层，有没有残差连接差多少？", "Thirty-two layers, with and without a residual: how big is the difference?"
    ),
    about_zh="""
        三十二层，有残差连接和没有残差连接：第一层还能收到多少梯度？训练得动吗？

            无残差    h = relu(W h + b)
            有残差    h = relu(W h + b) + h

        层一样，都用 PyTorch 的默认初始化，输入也一样。第三组同样没有残差，但从 He 初始化开始（He 等，2015）：
        它就是为了在 ReLU 下保持梯度的大小而设计的。有了这一组，我们才不会把“起点不好”说成“没有残差就不行”。

        量两样东西。一是梯度：训练之前，误差取平方，反向传播一次，看第一层和最后一层权重梯度的范数。
        二是训练：两个词向量相加，经过一叠层，得到分数，要学的是钟面上的加法（“九点，再过五小时”），所有的算式一次全给。
        每组都试同样的几个学习率，取最好的一个。
        """,
    settings=Settings(),
    arms={"plain": {"block": "plain"}, "he": {"block": "he"}, "residual": {"block": "residual"}},
    labels={
        "plain": Text("无残差", "no residual"),
        "he": Text("无残差，He 初始化", "no residual, He init"),
        "residual": Text("有残差", "residual"),
    },
    seeds=3,
    run=run,
    metrics={
        "ratio": Metric(Text("首层梯度 ÷ 末层梯度", "first layer's gradient ÷ last layer's"), format=".1e"),
        "share": Metric(
            Text("最好的损失 ÷ 瞎猜的损失", "best loss ÷ loss of guessing"), format=".1%", chance=1.0, floor=0.0
        ),
        "gradient": Metric(Text("每层权重梯度的范数", "gradient norm of each layer's weights"), format=".1e"),
        "by_rate": Metric(Text("每个学习率最后的损失", "final loss at each rate")),
    },
    claims=[
        Claim(
            "carries",
            Text(
                "首层与末层的梯度之比：有残差时高于 0.05，是无残差时的一百万倍以上",
                "With the residual, the ratio of the first layer's gradient to the last's is above 0.05, and "
                "more than a million times what it is without",
            ),
            lambda arm: arm["residual"]["ratio"] > max(0.05, 1e6 * arm["plain"]["ratio"]),
        ),
        Claim(
            "trains",
            Text(
                "最好的学习率下：无残差的损失在瞎猜的 95% 以上，有残差的不到一半",
                "At the best rate, the loss without the residual stays above 95% of guessing; with it, the loss "
                "falls below half",
            ),
            lambda arm: arm["plain"]["share"] > 0.95 and arm["residual"]["share"] < 0.5,
        ),
        Claim(
            "start_matters_too",
            Text(
                "没有残差，换成 He 初始化，损失也降到瞎猜的一半以下",
                "Without a residual but with He initialisation, the loss also falls below half of guessing",
            ),
            lambda arm: arm["he"]["share"] < 0.5,
        ),
    ],
    sabotages=[
        Sabotage({"skip": 0.5}, ("carries",), Text("残差只传一半", "the residual passes on only half")),
        Sabotage({"skip": 0.0}, ("carries", "trains"), Text("残差乘以 0", "the residual is multiplied by 0")),
        Sabotage({"shrink": 0.5}, ("start_matters_too",), Text("初始权重都减半", "the initial weights are halved")),
    ],
    prediction=Prediction(
        Text(
            "没有残差，三十二层网络第一层的梯度是最后一层的几分之一？",
            "Without a residual, how does the first layer's gradient compare with the last's after 32 layers?",
        ),
        {
            "same": Text("差不到一千倍", "less than a thousand times smaller"),
            "thousand": Text("一千到十亿分之一", "a thousand to a billion times smaller"),
            "billion": Text("不到十亿分之一", "more than a billion times smaller"),
        },
        outcome,
    ),
    why=Text(
        "没有残差，梯度往回走三十二层就要乘三十二次矩阵，默认的初始权重让它每次都缩小；有残差，总有一条路一"
        "次也不乘，梯度沿着它原样到达第一层。",
        "Without a residual, the gradient is multiplied by thirty-two matrices on its way back, and PyTorch's "
        "default weights shrink it each time. With a residual there is always a path with no multiplication at "
        "all, along which the gradient reaches the first layer intact.",
    ),
    figure=draw,
    quick={"depth": 24, "hours": 5, "steps": 50},
)

if __name__ == "__main__":
    lab.main()
