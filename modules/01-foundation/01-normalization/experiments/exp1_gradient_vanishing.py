"""Without normalisation, do gradients still reach the first of twenty layers?

A stack of Linear + ReLU layers with PyTorch's default initialisation, random input, squared error, and a single backward
pass: nothing is trained. Both arms have the same weights and the same input; they differ only in what follows each ReLU.
We measure the gradient itself: for every layer, the norm (the length, taken as one long vector) of the gradient of the
loss with respect to that layer's weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE


@dataclass(frozen=True)
class Settings:
    depth: int = param(20, low=2, high=64, zh="层数", en="number of layers")
    width: int = param(128, low=16, high=512, zh="每层的宽度", en="width of a layer")
    rows: int = param(64, low=1, high=512, zh="输入的行数", en="rows of input")
    norm: str = param(
        "none", choices=("none", "rms_norm", "constant"), zh="每层之后的归一化", en="normalisation after each layer"
    )


def normalise(h: torch.Tensor, norm: str) -> torch.Tensor:
    """The arm's layer. "constant" divides by the same number whatever comes in: it looks like a norm and is none."""
    if norm == "rms_norm":
        return REFERENCE.rms_norm(h, torch.ones(h.shape[-1]), 1e-6)
    return h / 2 if norm == "constant" else h


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The gradient norm of every layer's weights, first to last, and the scale of its output."""
    layers = [nn.Linear(settings.width, settings.width) for _ in range(settings.depth)]
    h, target = torch.randn(2, settings.rows, settings.width)
    scales = []
    for layer in layers:
        h = normalise(torch.relu(layer(h)), settings.norm)
        scales.append(h.detach().std().item())
    F.mse_loss(h, target).backward()
    norms = [layer.weight.grad.norm().item() for layer in layers]
    return {"ratio": norms[0] / norms[-1], "gradient": norms, "scale": scales, "last_scale": scales[-1]}


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        for axes, metric in ((left, "gradient"), (right, "scale")):
            mean, low, high = results.band(arm, metric)
            figure.line(axes, range(1, len(mean) + 1), mean, low, high, label=results.label(arm))
    for axes, name in (
        (left, Text("权重梯度的范数", "norm of the weight gradient")),
        (right, Text("输出的标准差", "standard deviation of the output")),
    ):
        axes.set_yscale("log")
        figure.name(axes, x=Text("第几层", "layer"), y=name)


def outcome(results: Results) -> str:
    ratio = results.mean("plain", "ratio")
    return "thousand" if ratio < 1e-3 else "ten" if ratio < 0.3 else "same"


lab = Lab(
    title=Text(
        "什么都不归一化，梯度还能到达第一层吗？", "Without normalisation, do gradients still reach the first layer?"
    ),
    about_zh="""
        什么都不归一化时，二十层的网络，梯度还能到达第一层吗？

        网络是一层层的 Linear + ReLU，用 PyTorch 默认的初始化；输入是随机的，误差取平方，只反向传播一次，不训练。
        两组的权重和输入完全相同，只差每个 ReLU 后面放着什么。量的就是梯度本身：损失对每一层权重的梯度的范数。
        """,
    settings=Settings(),
    arms={"plain": {"norm": "none"}, "rms_norm": {"norm": "rms_norm"}},
    labels={"plain": Text("无归一化", "no normalisation"), "rms_norm": Text("RMSNorm", "RMSNorm")},
    seeds=5,
    run=run,
    metrics={
        "ratio": Metric(Text("首层梯度 ÷ 末层梯度", "first layer's gradient ÷ last layer's"), format=".2g"),
        "last_scale": Metric(Text("末层输出的标准差", "standard deviation of the last layer's output")),
        "gradient": Metric(Text("每层权重梯度的范数", "gradient norm of each layer's weights"), format=".1e"),
        "scale": Metric(Text("每层输出的标准差", "standard deviation of each layer's output")),
    },
    claims=[
        Claim(
            "vanishes",
            Text(
                "首层与末层的梯度之比，不归一化时不到有 RMSNorm 时的千分之一",
                "Without normalisation, the ratio of the first layer's gradient to the last layer's is less than "
                "a thousandth of what it is with RMSNorm",
            ),
            lambda arm: arm["plain"]["ratio"] < 1e-3 * arm["rms_norm"]["ratio"],
        ),
        Claim(
            "survives",
            Text(
                "有 RMSNorm：第一层的梯度超过最后一层的十分之一",
                "With RMSNorm, the first layer's gradient is more than a tenth of the last layer's",
            ),
            lambda arm: arm["rms_norm"]["ratio"] > 0.1,
        ),
        Claim(
            "scale",
            Text(
                "有 RMSNorm：末层输出的标准差在 0.5 和 1.5 之间",
                "With RMSNorm, the standard deviation of the last layer's output is between 0.5 and 1.5",
            ),
            lambda arm: 0.5 < arm["rms_norm"]["last_scale"] < 1.5,
        ),
    ],
    sabotages=[
        Sabotage(
            {"norm": "constant"},
            ("vanishes", "survives", "scale"),
            Text(
                "两组都只除以固定的 2，不看输入有多大", "both arms divide by a fixed 2, whatever the size of the input"
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "不归一化时，第一层得到的梯度大约是最后一层的几分之一？",
            "Without normalisation, how does the first layer's gradient compare with the last layer's?",
        ),
        {
            "same": Text("差不多大", "about the same size"),
            "ten": Text("几十分之一", "tens of times smaller"),
            "thousand": Text("不到千分之一", "more than a thousand times smaller"),
        },
        outcome,
    ),
    why=Text(
        "梯度往回每过一层就要乘一次这一层的矩阵。默认的初始权重平均会让它缩小一些，二十次连乘以后就几乎没有了；"
        "RMSNorm 每层都把数除以自己的大小，连乘的因子于是保持在 1 附近。",
        "On its way back the gradient is multiplied by one weight matrix per layer. PyTorch's default weights "
        "shrink it a little each time, and twenty shrinkings leave almost nothing. RMSNorm divides by the "
        "current size at every layer, which keeps each factor near 1.",
    ),
    figure=draw,
    quick={"width": 64},
)

if __name__ == "__main__":
    lab.main()
