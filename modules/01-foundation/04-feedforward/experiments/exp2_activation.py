"""None, ReLU, GELU or SwiGLU between the two matrices: what does the activation do, and does it matter which one you choose?

One feed-forward layer between two added word vectors and the scores of the next word; no norm and no residual, so that
without an activation the whole model is one matrix, f(a) + g(b). Two tasks:

    clock     "9 o'clock, 5 hours later": the answer is certain, (a + b) mod V. Here f(a) + g(b) is worth exactly nothing. The
              loss is convex, and the clock looks the same from every hour; so turn a best f by every hour and average: that
              is no worse, and it is constant, and so is g. Constant scores mean guessing: ln V. (V = 2 is the famous XOR.)
    language  every pair of words has probabilities of its own (fledge.lab.tiny, kind "pair"). f(a) + g(b) gets part of the
              way; how far the others get depends on how much a layer can hold.

Every table is learnt in full at every step, so the loss has no noise; we report its distance to the entropy. SwiGLU has
three matrices instead of two and therefore gets a narrower middle: all arms have the same number of parameters up to
rounding. All arms are trained at the same rates, and the best one counts.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import final, language, sweep
from fledge.parts import REFERENCE

RATES = (3e-3, 1e-2, 3e-2, 1e-1)
TASKS = ("clock", "language")
LINEAR = ("none",)
CURVED = ("relu", "gelu", "swiglu")


@dataclass(frozen=True)
class Settings:
    words: int = param(12, low=2, high=24, zh="词的个数（钟面的小时数）", en="number of words (hours on the clock)")
    width: int = param(16, low=4, high=64, zh="词向量的宽度", en="width of a word vector")
    middle: int = param(
        48, low=6, high=256, zh="中间有多宽（两个矩阵时）", en="width of the middle (with two matrices)"
    )
    steps: int = param(150, low=20, high=2000, zh="训练步数", en="training steps")
    activation: str = param("none", choices=(*LINEAR, *CURVED), zh="激活函数", en="activation")
    bend: float = param(1.0, low=0.0, high=1.0, zh="弯曲的程度", en="how much it bends", hidden=True)


class Layer(nn.Module):
    """word vectors added -> up -> activation -> down -> scores."""

    def __init__(self, settings: Settings):
        super().__init__()
        words, width = settings.words, settings.width
        self.activation, self.bend = settings.activation, settings.bend
        gated = self.activation == "swiglu"
        middle = round(2 / 3 * settings.middle) if gated else settings.middle
        self.first = nn.Parameter(torch.randn(words, width))
        self.second = nn.Parameter(torch.randn(words, width))
        self.up = nn.Linear(width, middle * (2 if gated else 1), bias=False)
        self.down = nn.Linear(middle, width, bias=False)
        self.head = nn.Linear(width, words, bias=False)

    def forward(self, pairs: Tensor) -> Tensor:
        """Pairs of words [B, 2] -> scores [B, words]."""
        x = self.up(self.first[pairs[:, 0]] + self.second[pairs[:, 1]])
        return self.head(self.down(self.bent(x)))

    def bent(self, x: Tensor) -> Tensor:
        """The activation; with bend 0 only what is linear in it remains."""
        straight = x
        if self.activation == "swiglu":
            gate, up = x.chunk(2, -1)
            straight, x = up, REFERENCE.swiglu(gate, up)
        elif self.activation != "none":
            x = torch.relu(x) if self.activation == "relu" else F.gelu(x)
        return self.bend * x + (1 - self.bend) * straight


@functools.cache
def odds(words: int, task: str) -> Tensor:
    """The odds of the next word for every pair of words, [words * words, words]."""
    if task == "language":
        return language(words, "pair").odds.flatten(0, 1)
    hour = torch.arange(words)
    return F.one_hot((hour[:, None] + hour) % words, words).float().flatten(0, 1)


@functools.cache
def entropy(words: int, task: str) -> float:
    """What no model can beat on this table, in nats."""
    table = odds(words, task)
    return -torch.xlogy(table, table).sum(-1).mean().item()


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The loss above the entropy at the best rate (on the clock as a share of guessing), and at every rate."""
    word = torch.arange(settings.words)
    table = torch.cartesian_prod(word, word)
    rows = torch.cat([table, torch.zeros(len(table), 1, dtype=torch.long)], 1)  # the sweep's rows end with a target
    found: dict[str, Any] = {}
    for task in TASKS:
        torch.manual_seed(seed)  # the same start for both tasks
        model, wanted = Layer(settings), odds(settings.words, task)

        def loss(scores: Tensor, _: Tensor, wanted: Tensor = wanted) -> Tensor:
            return F.cross_entropy(scores, wanted)

        ends = final(sweep(model, RATES, [rows] * settings.steps, loss), 2 * math.log(settings.words))
        above = [end - entropy(settings.words, task) for end in ends]
        found |= {task: min(above), f"{task}_by_rate": above}
    found["clock"] /= math.log(settings.words)
    found["parameters"] = float(sum(weight.numel() for weight in model.parameters()))
    return found


def draw(results: Results, figure: Figure) -> None:
    words = results.settings.words
    titles = (Text("钟面加法", "adding on a clock"), Text("每对词各有概率的语言", "a language of pairs"))
    for axes, task, title in zip(figure.axes(1, 2), TASKS, titles):
        for arm in results.arms:
            figure.line(axes, RATES, *results.band(arm, f"{task}_by_rate"), label=results.label(arm))
        figure.floor(axes, math.log(words) - entropy(words, task), Text("瞎猜", "guessing"))
        axes.set_xscale("log")
        axes.set_yscale("linear" if task == "clock" else "log")
        figure.name(
            axes, x=Text("学习率", "learning rate"), y=Text("比熵高多少", "loss above the entropy"), title=title
        )


def outcome(results: Results) -> str:
    share = results.mean("none", "clock")
    return "nothing" if share > 0.95 else "half" if share > 0.2 else "all"


lab = Lab(
    title=Text(
        "前馈层里的激活函数做了什么？换一种会怎样？", "What does the activation do, and does it matter which one?"
    ),
    about_zh="""
        两个矩阵之间什么都不放，或者放 ReLU、GELU、SwiGLU：激活函数做了什么？换一种，要紧吗？

        两个词的向量加起来，经过一个前馈层，得到下一个词的分数；没有归一化，也没有残差，所以没有激活时，
        整个模型就是一个矩阵，f(a) + g(b)。两个任务：

            钟    “9 点，再过 5 小时”：答案是确定的，(a + b) mod V。这里 f(a) + g(b) 一点用也没有。它的损失是凸的，
                  而钟面从哪个小时看都一样；所以把最好的 f 按每个小时各转一次，再取平均：结果不会更差，而且是常数，
                  g 也一样。分数是常数，就是瞎猜：ln V。（V = 2 就是有名的“异或”。）
            语言  每一对词都有自己的一套概率（fledge.lab.tiny，kind 是 "pair"）。f(a) + g(b) 能走一段路；
                  别的能走多远，看一层装得下多少。

        每一步都学整张概率表，所以损失没有噪声；报告的是损失比熵高多少。SwiGLU 有三个矩阵，不是两个，所以中间要窄一些：
        除了取整的差别，各组的参数一样多。各组试同样的学习率，各取最好的一个。
        """,
    settings=Settings(),
    arms={name: {"activation": name} for name in (*LINEAR, *CURVED)},
    labels={
        "none": Text("无激活", "no activation"),
        "relu": Text("ReLU", "ReLU"),
        "gelu": Text("GELU", "GELU"),
        "swiglu": Text("SwiGLU", "SwiGLU"),
    },
    seeds=3,
    run=run,
    metrics={
        "clock": Metric(Text("钟面：占瞎猜的", "clock: loss ÷ guessing"), format=".2%", chance=1.0, floor=0.0),
        "language": Metric(
            Text("语言：高于熵", "language: loss above entropy"),
            format=".3f",
            chance=lambda s: math.log(s.words) - entropy(s.words, "language"),
            floor=0.0,
        ),
        "parameters": Metric(Text("参数个数", "parameters"), format=".0f"),
        "clock_by_rate": Metric(Text("每个学习率：钟面", "each rate: clock")),
        "language_by_rate": Metric(Text("每个学习率：语言", "each rate: language")),
    },
    claims=[
        Claim(
            "linear_guesses",
            Text(
                "没有激活，钟面加法的损失不低于瞎猜的 99.9%；有激活的三种都低于瞎猜的 1%",
                "Without an activation, the loss on the clock is at least 99.9% of guessing; with any of the "
                "three it is below 1%",
            ),
            lambda arm: arm["none"]["clock"] >= 0.999 and max(arm[name]["clock"] for name in CURVED) < 0.01,
        ),
        Claim(
            "gate_holds_more",
            Text(
                "语言：SwiGLU 离熵的距离，比 ReLU 和 GELU 的都至少短十分之一",
                "On the language, SwiGLU is at least a tenth closer to the entropy than both ReLU and GELU",
            ),
            lambda arm: arm["swiglu"]["language"] < 0.9 * min(arm["relu"]["language"], arm["gelu"]["language"]),
        ),
    ],
    sabotages=[
        Sabotage(
            {"bend": 0.0},
            ("linear_guesses", "gate_holds_more"),
            Text("激活函数只留下直的部分", "only the straight part of each activation is left"),
        ),
    ],
    prediction=Prediction(
        Text(
            "没有激活函数的前馈层，能把钟面加法学到什么程度？",
            "How far does a layer without an activation get with adding on a clock?",
        ),
        {
            "nothing": Text("和瞎猜一样", "no further than guessing"),
            "half": Text("学会一部分", "part of the way"),
            "all": Text("几乎全学会", "nearly all the way"),
        },
        outcome,
    ),
    why=Text(
        "没有激活，两个矩阵可以先乘成一个，分数只能是“第一个词出一份，第二个词出一份”，斜着相加永远相等，钟"
        "面加法恰好要求它们不相等。有一个弯就打破了这个限制。",
        "Without an activation the two matrices multiply into one, and a score can only be one share from the "
        "first word plus one from the second. Such sums are equal along the diagonals of the table, and a clock "
        "needs them to differ. A single bend lifts that restriction.",
    ),
    figure=draw,
    quick={"words": 8, "width": 12, "middle": 24, "steps": 50},
)

if __name__ == "__main__":
    lab.main()
