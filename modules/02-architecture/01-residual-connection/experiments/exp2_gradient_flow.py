"""How large is the gradient in each layer: plain, with a residual, and with a residual and a norm before the branch?

    plain       h = relu(W h + b)
    residual    h = relu(W h + b) + h
    pre_norm    h = relu(W norm(h) + b) + h        what a Transformer block does (Pre-LN); the norm is the engine's

The same weights (PyTorch's default initialisation) and the same input for all three; a squared error; one backward pass; no
training. Two curves are measured: for every layer, the norm of the gradient of the loss with respect to its weights, and the
standard deviation of the stream h after it.

A residual alone keeps the layers' gradients alike. But whatever a layer reads from the stream, it adds something in
proportion: the stream grows like compound interest, and the gradients grow with it. A norm before the branch hides from the
branch how large the stream is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE


@dataclass(frozen=True)
class Settings:
    depth: int = param(32, low=2, high=64, zh="层数", en="number of layers")
    width: int = param(64, low=16, high=512, zh="每层的宽度", en="width of a layer")
    rows: int = param(64, low=1, high=512, zh="输入的行数", en="rows of input")
    block: str = param("plain", choices=("plain", "residual", "pre_norm"), zh="每一层的样子", en="kind of layer")
    skip: float = param(1.0, low=0.0, high=1.0, zh="残差乘以几", en="factor on the residual", hidden=True)
    norm: str = param("rms", choices=("rms", "none"), zh="归一化", en="which norm", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The gradient norm of every layer's weights and the scale of the stream behind it, first layer first."""
    layers = [nn.Linear(settings.width, settings.width) for _ in range(settings.depth)]
    h, target = torch.randn(2, settings.rows, settings.width)
    skip = 0.0 if settings.block == "plain" else settings.skip
    normed = settings.block == "pre_norm" and settings.norm == "rms"
    scales = []
    for layer in layers:
        h = torch.relu(layer(rms_norm(h) if normed else h)) + skip * h
        scales.append(h.detach().std().item())
    F.mse_loss(h, target).backward()
    norms = [layer.weight.grad.norm().item() for layer in layers]
    return {
        "ratio": norms[0] / norms[-1],
        "spread": max(norms) / min(norms),
        "largest": max(norms),
        "last_scale": scales[-1],
        "gradient": norms,
        "scale": scales,
    }


def rms_norm(h: Tensor) -> Tensor:
    return REFERENCE.rms_norm(h, torch.ones(h.shape[-1]), 1e-6)


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        for axes, metric in ((left, "gradient"), (right, "scale")):
            mean, low, high = results.band(arm, metric)
            figure.line(axes, range(1, len(mean) + 1), mean, low, high, label=results.label(arm))
    for axes, name in (
        (left, Text("权重梯度的范数", "norm of the weight gradient")),
        (right, Text("主干的标准差", "standard deviation of the stream")),
    ):
        axes.set_yscale("log")
        figure.name(axes, x=Text("第几层", "layer"), y=name)


def outcome(results: Results) -> str:
    scale = results.mean("residual", "last_scale")
    return "same" if scale < 3 else "tens" if scale < 100 else "hundreds"


lab = Lab(
    title=Text("梯度怎样穿过三十二层？", "How do gradients travel through thirty-two layers?"),
    about_zh="""
        每一层的梯度有多大：什么也不加；加上残差；加上残差，分支前面再做归一化？

            无残差           h = relu(W h + b)
            残差             h = relu(W h + b) + h
            残差 + Pre-LN    h = relu(W norm(h) + b) + h        Transformer 的块就是这样（Pre-LN），归一化用的是引擎自己的

        三组的权重相同（PyTorch 的默认初始化），输入也相同；误差取平方，只反向传播一次，不训练。
        量两条曲线：损失对每一层权重的梯度的范数，和每一层之后主干 h 的标准差。

        光有残差，各层的梯度就差不多大了。但是每一层从主干读到多少，就按比例往主干上加多少：
        主干像复利一样增长，梯度也跟着增长。在分支前面做归一化，分支就看不见主干有多大了。
        """,
    settings=Settings(),
    arms={"plain": {"block": "plain"}, "residual": {"block": "residual"}, "pre_norm": {"block": "pre_norm"}},
    labels={
        "plain": Text("无残差", "plain"),
        "residual": Text("残差", "residual"),
        "pre_norm": Text("残差 + Pre-LN", "residual + Pre-LN"),
    },
    seeds=5,
    run=run,
    metrics={
        "ratio": Metric(Text("首层梯度 ÷ 末层梯度", "first layer's gradient ÷ last layer's"), format=".1e"),
        "spread": Metric(Text("最大梯度 ÷ 最小梯度", "largest gradient ÷ smallest"), format=".1e"),
        "largest": Metric(Text("最大的梯度", "largest gradient"), format=".1e"),
        "last_scale": Metric(Text("末层主干的标准差", "final standard deviation of the stream"), format=".3g"),
        "gradient": Metric(Text("每层权重梯度的范数", "gradient norm of each layer's weights"), format=".1e"),
        "scale": Metric(Text("每层之后主干的标准差", "standard deviation of the stream after each layer")),
    },
    claims=[
        Claim(
            "alike",
            Text(
                "有残差的两种：最大和最小的层梯度相差不到 30 倍；没有残差：相差一百万倍以上",
                "In both arms with a residual, the largest and smallest layer gradients differ by a factor of "
                "less than 30; without one, by more than a million",
            ),
            lambda arm: max(arm["residual"]["spread"], arm["pre_norm"]["spread"]) < 30 and arm["plain"]["spread"] > 1e6,
        ),
        Claim(
            "norm_tames",
            Text(
                "只有残差：主干最后比有 Pre-LN 时大 20 倍以上，最大的梯度大 1000 倍以上",
                "With only the residual, the stream ends up more than 20 times as large as with Pre-LN, and the "
                "largest gradient more than 1000 times as large",
            ),
            lambda arm: (
                arm["residual"]["last_scale"] > 20 * arm["pre_norm"]["last_scale"]
                and arm["residual"]["largest"] > 1000 * arm["pre_norm"]["largest"]
            ),
        ),
    ],
    sabotages=[
        Sabotage({"skip": 0.5}, ("alike",), Text("残差只传一半", "the residual passes on only half")),
        Sabotage({"norm": "none"}, ("norm_tames",), Text("去掉归一化", "no norm")),
    ],
    prediction=Prediction(
        Text(
            "只有残差、没有归一化，三十二层之后主干的标准差大约是多少（开始时是 1）？",
            "With a residual but no norm, what is the stream's standard deviation after 32 layers, if it starts at 1?",
        ),
        {
            "same": Text("还是 1 左右", "still about 1"),
            "tens": Text("几到几十", "somewhere up to a few dozen"),
            "hundreds": Text("几百", "hundreds"),
        },
        outcome,
    ),
    why=Text(
        "加号给梯度留了一条不乘矩阵的路，所以各层一样清楚；可是分支按比例往上加，主干就像利滚利。分支前面先"
        "归一化，加上去的就不再随主干变大。",
        "The plus sign gives the gradient a path without matrix products, so all layers receive it equally well. "
        "But branches add in proportion to what they read, and the stream grows like compound interest. A norm "
        "before the branch keeps what it adds from growing with the stream.",
    ),
    figure=draw,
    quick={"rows": 16},
)

if __name__ == "__main__":
    lab.main()
