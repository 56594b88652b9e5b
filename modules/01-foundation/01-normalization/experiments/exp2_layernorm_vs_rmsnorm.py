"""Is RMSNorm faster than LayerNorm? That depends on who wrote them, so we count first and time second.

Four arms process the same input: LayerNorm written out in torch, RMSNorm written out (Fledge's own part), and torch's
`F.layer_norm` and `F.rms_norm`. Layers like these do little arithmetic; they spend their time waiting for memory. So we
count the bytes that every operation reads and writes, in units of the input's own bytes. The count is the same on every
machine and in every run, and it includes every operation that torch really executes, even those inside `F.rms_norm`.

Time depends on the machine and on whatever else it is doing. So each measurement of an arm is followed at once by a
yardstick (a plain copy of the input: one read, one write); we take the ratio of the two, and report the median and
quartiles of many ratios. The claims are about counts only: a time tells you about one machine on one day.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

EPS = 1e-6


@dataclass(frozen=True)
class Settings:
    rows: int = param(256, low=16, high=8192, zh="输入有多少行", en="rows of input")
    width: int = param(512, low=16, high=4096, zh="每行多少个数", en="numbers per row")
    repeats: int = param(40, low=3, high=1000, zh="计时多少次", en="number of timings")
    norm: str = param(
        "hand_layer_norm",
        choices=("hand_layer_norm", "hand_rms_norm", "torch_layer_norm", "torch_rms_norm"),
        zh="归一化",
        en="which norm",
    )
    correction: int = param(
        0, low=0, high=1, zh="方差除以 D 减几", en="the variance is divided by D minus this", hidden=True
    )


def hand_layer_norm(x: Tensor, weight: Tensor, bias: Tensor, correction: int) -> Tensor:
    """As the formula is written: centre, divide by the standard deviation, scale, shift."""
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().sum(-1, keepdim=True) / (x.shape[-1] - correction)
    return centred * torch.rsqrt(variance + EPS) * weight + bias


def chosen(settings: Settings, weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """This arm's norm as a function of x alone."""
    return {
        "hand_layer_norm": lambda x: hand_layer_norm(x, weight, bias, settings.correction),
        "hand_rms_norm": lambda x: REFERENCE.rms_norm(x, weight, EPS),
        "torch_layer_norm": lambda x: F.layer_norm(x, weight.shape, weight, bias, EPS),
        "torch_rms_norm": lambda x: F.rms_norm(x, weight.shape, weight, EPS),
    }[settings.norm]


def exact(settings: Settings, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same formula in float64, to compare with."""
    x, weight, bias = x.double(), weight.double(), bias.double()
    if "rms" in settings.norm:
        return x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * weight
    variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    return (x - mean) / (variance + EPS).sqrt() * weight + bias


class Counter(TorchDispatchMode):
    """Sees every operation that torch executes: how many there are, and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        written = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        known = {tensor.untyped_storage().data_ptr() for tensor in read}
        if not any(tensor.untyped_storage().data_ptr() in known for tensor in written):  # a view moves nothing
            self.operations += 1
            self.bytes += sum(tensor.nbytes for tensor in (*read, *written))
        return out


def kept_for_backward(settings: Settings, x: Tensor, weight: Tensor, bias: Tensor) -> int:
    """Bytes that autograd keeps until the backward pass; a tensor that is kept twice counts once."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        out = chosen(settings, *leaves[1:])(
            leaves[0]
        )  # held until everything is counted: a freed address could come again
    total = sum(kept.values())
    del out
    return total


def seconds(work: Callable[[], Tensor]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def run(settings: Settings, seed: int) -> dict[str, float]:
    x, weight, bias = torch.randn(settings.rows, settings.width), torch.rand(settings.width), torch.rand(settings.width)
    norm, want = chosen(settings, weight, bias), exact(settings, x, weight, bias)
    with torch.no_grad():
        with Counter() as counter:
            got = norm(x)
        for _ in range(3):
            norm(x), x.clone()
        ratios = [seconds(lambda: norm(x)) / seconds(lambda: x.clone()) for _ in range(settings.repeats)]
    low, middle, high = torch.tensor(ratios).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
    return {
        "error": ((got.double() - want).abs().max() / want.abs().max()).item(),
        "operations": float(counter.operations),
        "traffic": counter.bytes / x.nbytes,
        "kept": kept_for_backward(settings, x, weight, bias) / x.nbytes,
        "time": middle,
        "time_low": low,
        "time_high": high,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2, width=6.2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "traffic") for arm in results.arms])
    middle = [results.mean(arm, "time") for arm in results.arms]
    below = [mean - results.mean(arm, "time_low") for arm, mean in zip(results.arms, middle)]
    above = [results.mean(arm, "time_high") - mean for arm, mean in zip(results.arms, middle)]
    figure.bars(right, labels, middle, [below, above])
    figure.floor(right, 1.0, Text("复制一遍输入", "a copy of the input"))
    figure.name(left, y=Text("读写的字节 ÷ 输入的字节", "bytes moved ÷ bytes of the input"))
    figure.name(right, y=Text("时间 ÷ 复制一遍的时间（本机）", "time ÷ time of a copy (this machine)"))
    for axes in (left, right):
        axes.tick_params(axis="x", labelsize="small")


lab = Lab(
    title=Text(
        "RMSNorm 比 LayerNorm 快吗？先数读写的字节，再计时",
        "Is RMSNorm faster than LayerNorm? Count bytes first, then time it",
    ),
    about_zh="""
        RMSNorm 比 LayerNorm 快吗？要看是谁写的。所以先数，再计时。

        四组用同样的输入：用 torch 手写的 LayerNorm，手写的 RMSNorm（就是 Fledge 自己的零件），
        还有 torch 的 `F.layer_norm` 和 `F.rms_norm`。这样的层几乎不做什么计算，时间花在等内存上。
        所以我们数每次运算读写了多少字节，以输入自己的字节数为单位。在哪台机器上数、数几遍，结果都一样；
        torch 真正执行的每次运算都数得到，`F.rms_norm` 里面的也不例外。

        时间取决于机器，也取决于机器同时在忙什么。所以每量一次，马上再量一把“尺子”：把输入原样复制一遍
        （读一次，写一次）。两个时间相除得一个比值；量很多次，报告这些比值的中位数和四分位数。
        结论只关于数出来的量：时间只说明一台机器，机器上别的工作也会让它变。
        """,
    settings=Settings(),
    arms={name: {"norm": name} for name in ("hand_layer_norm", "hand_rms_norm", "torch_layer_norm", "torch_rms_norm")},
    labels={
        "hand_layer_norm": Text("手写 LayerNorm", "hand-written LayerNorm"),
        "hand_rms_norm": Text("手写 RMSNorm", "hand-written RMSNorm"),
        "torch_layer_norm": Text("torch 的 F.layer_norm", "torch's F.layer_norm"),
        "torch_rms_norm": Text("torch 的 F.rms_norm", "torch's F.rms_norm"),
    },
    seeds=5,
    run=run,
    metrics={
        "traffic": Metric(Text("读写的字节 ÷ 输入", "bytes moved ÷ bytes of the input"), format=".2f"),
        "operations": Metric(Text("执行了几次运算", "operations executed"), format=".0f"),
        "kept": Metric(Text("留给反向传播的 ÷ 输入", "bytes kept for backward ÷ input"), format=".2f"),
        "error": Metric(Text("与 float64 的相对差", "largest relative error vs float64"), format=".0e"),
        "time": Metric(Text("时间 ÷ 复制，中位数", "time ÷ time of a copy, median"), format=".1f", noisy=True),
        "time_low": Metric(Text("时间，下四分位", "time, lower quartile"), format=".1f", noisy=True),
        "time_high": Metric(Text("时间，上四分位", "time, upper quartile"), format=".1f", noisy=True),
    },
    claims=[
        Claim(
            "same_result",
            Text(
                "四种写法和各自的 float64 公式相差都不到十万分之一",
                "All four agree with their float64 formula to better than one part in 100,000",
            ),
            lambda arm: max(arm[name]["error"] for name in arm) < 1e-5,
            absolute=True,
        ),
        Claim(
            "fewer_bytes",
            Text(
                "都是手写时，RMSNorm 读写的字节不到 LayerNorm 的七成",
                "Both written by hand, RMSNorm moves less than 0.7 times as many bytes as LayerNorm",
            ),
            lambda arm: arm["hand_rms_norm"]["traffic"] < 0.7 * arm["hand_layer_norm"]["traffic"],
        ),
        Claim(
            "fused_bytes",
            Text(
                "F.layer_norm 读写的字节不到手写 RMSNorm 的一半",
                "F.layer_norm moves less than half as many bytes as hand-written RMSNorm",
            ),
            lambda arm: arm["torch_layer_norm"]["traffic"] < 0.5 * arm["hand_rms_norm"]["traffic"],
        ),
    ],
    sabotages=[
        Sabotage(
            {"norm": "hand_rms_norm"},
            ("fewer_bytes", "fused_bytes"),
            Text("四组都运行同一个手写 RMSNorm", "all four arms run the same hand-written RMSNorm"),
        ),
        Sabotage(
            {"correction": 1},
            ("same_result",),
            Text(
                "手写 LayerNorm 的方差除以 D-1，像 `x.var()` 那样",
                "hand-written LayerNorm divides its variance by D-1, as `x.var()` does",
            ),
        ),
    ],
    prediction=Prediction(
        Text("四种写法里，在你的机器上哪一种最快？", "Which of the four is fastest on your machine?"),
        {
            "hand_layer_norm": Text("手写 LayerNorm", "hand-written LayerNorm"),
            "hand_rms_norm": Text("手写 RMSNorm", "hand-written RMSNorm"),
            "torch_layer_norm": Text("torch 的 F.layer_norm", "torch's F.layer_norm"),
            "torch_rms_norm": Text("torch 的 F.rms_norm", "torch's F.rms_norm"),
        },
        lambda results: min(results.arms, key=lambda arm: results.mean(arm, "time")),
    ),
    why=Text(
        "手写的公式每一步都把整个张量读一遍、写一遍；LayerNorm 比 RMSNorm 多了减均值和加偏置这几步。融合的算子把"
        "所有步骤放在一次读写里做完，所以它赢过少做几步的手写版本。",
        "Written out, every step of the formula reads the whole tensor and writes it back, and LayerNorm has "
        "more steps: it subtracts the mean and adds a bias. A fused operation does all steps in one read and one "
        "write, which saves more than leaving steps out.",
    ),
    figure=draw,
    quick={"repeats": 15},
)

if __name__ == "__main__":
    lab.main()
