"""Do gradients reach the first of twenty layers when nothing is normalised?

A stack of Linear + ReLU with PyTorch's default initialisation, random input, a squared error, one backward pass: no
training. Both arms have the same weights and the same input; they differ in what stands behind every ReLU. What is
measured is the gradient itself: the norm of the loss's gradient with respect to the weights of every layer.
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
        "none", choices=("none", "rms_norm", "constant"), zh="每层之后的归一化", en="normalisation behind every layer"
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
        "什么都不归一化，梯度还能到达第一层吗？", "With nothing normalised, do gradients reach the first layer?"
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
        "ratio": Metric(Text("首层梯度 ÷ 末层梯度", "gradient of the first layer ÷ of the last"), format=".1e"),
        "last_scale": Metric(Text("末层输出的标准差", "standard deviation of the last output")),
        "gradient": Metric(Text("每层权重梯度的范数", "gradient norm of every layer's weights"), format=".1e"),
        "scale": Metric(Text("每层输出的标准差", "standard deviation of every layer's output")),
    },
    claims=[
        Claim(
            "vanishes",
            Text(
                "首层与末层的梯度之比，不归一化时不到有 RMSNorm 时的千分之一",
                "The ratio of the first layer's gradient to the last's is less than a thousandth of what it is with RMSNorm",
            ),
            lambda arm: arm["plain"]["ratio"] < 1e-3 * arm["rms_norm"]["ratio"],
        ),
        Claim(
            "survives",
            Text(
                "有 RMSNorm：第一层的梯度超过最后一层的十分之一",
                "With RMSNorm the first layer's gradient is above a tenth of the last's",
            ),
            lambda arm: arm["rms_norm"]["ratio"] > 0.1,
        ),
        Claim(
            "scale",
            Text(
                "有 RMSNorm：末层输出的标准差在 0.5 和 1.5 之间",
                "With RMSNorm the last output's standard deviation lies between 0.5 and 1.5",
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
            "Without a norm, how large is the first layer's gradient beside the last's?",
        ),
        {
            "same": Text("差不多大", "about as large"),
            "ten": Text("几十分之一", "some tens of times smaller"),
            "thousand": Text("不到千分之一", "more than a thousand times smaller"),
        },
        outcome,
    ),
    figure=draw,
    quick={"width": 64},
)

if __name__ == "__main__":
    lab.main()
