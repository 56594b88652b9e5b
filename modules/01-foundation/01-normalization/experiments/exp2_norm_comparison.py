"""What does a norm buy when you train a Transformer: a lower loss, or more learning rates that work?

Four models of the same size learn the same made-up language. They differ only in their norm: none; LayerNorm after every
addition (Post-LN, Vaswani et al., 2017); LayerNorm before every branch (Pre-LN); RMSNorm before every branch (what Llama,
Qwen3 and Fledge use). LayerNorm here has a weight but no bias, so that all four have the same number of parameters.

Whether a model trains depends on two things: the learning rate and the starting weights. A single rate would favour
whichever arm it happens to suit, so every arm is trained at the same rates, each √10 times the one before, without
warm-up. And every arm starts in two ways: "ordinary", with all matrices random with variance 1 / fan-in; and "silent",
with the last matrix of every branch set to 0, so that a block adds nothing at first (this is how Fledge starts its models).

In this language the two previous words decide the probabilities of the next. We wrote its tables, so we can calculate its
entropy (no model can do better) and the loss of guessing, ln V. Every batch is new, so the training loss is a test loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import PostNorm, batches, final, language, sweep, tiny_model
from fledge.model.layers import Block
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE

HIGHEST_RATE, STEP = 0.1, 10**0.5
WORST = 1.25  # times the loss of guessing: what is worse, or nan, counts as this
STARTS = ("ordinary", "silent")
START = {"ordinary": Text("普通初始化", "ordinary start"), "silent": Text("分支从 0 开始", "silent start")}


@dataclass(frozen=True)
class Settings:
    layers: int = param(4, low=1, high=16, zh="层数", en="number of layers")
    width: int = param(24, low=8, high=128, zh="模型的宽度（4 的倍数）", en="width of the model (a multiple of 4)")
    vocab: int = param(16, low=4, high=64, zh="语言里有多少个词", en="words in the language")
    steps: int = param(100, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(5, low=3, high=9, zh="试几个学习率（从 0.1 往下）", en="how many learning rates (from 0.1 down)")
    norm: str = param(
        "none",
        choices=("none", "post_layer_norm", "pre_layer_norm", "pre_rms_norm", "weight_only"),
        zh="归一化和它的位置",
        en="the norm and where it goes",
    )


NORMS = {
    "none": lambda x, weight, eps: x,
    "weight_only": lambda x, weight, eps: x * weight,
    "layer_norm": lambda x, weight, eps: F.layer_norm(x, x.shape[-1:], weight, None, eps),
    "rms_norm": REFERENCE.rms_norm,
}


def model_of(settings: Settings, start: str, seed: int) -> Transformer:
    """The model of an arm; its head is random too, so that what the blocks make of a text shows from the first step."""
    norm = NORMS[settings.norm.removeprefix("post_").removeprefix("pre_")]
    model = tiny_model(
        settings.vocab,
        seed,
        width=settings.width,
        layers=settings.layers,
        parts=replace(REFERENCE, rms_norm=norm),
        block=PostNorm if settings.norm.startswith("post_") else Block,
    )
    nn.init.normal_(model.lm_head.weight, std=settings.width**-0.5)
    for name, weight in model.named_parameters():
        if start == "silent" and name.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(weight)
    return model


def rates_of(settings: Settings) -> list[float]:
    return [HIGHEST_RATE / STEP**n for n in reversed(range(settings.rates))]


def gap(settings: Settings) -> float:
    """Nats between guessing and the entropy: all that there is to learn."""
    return math.log(settings.vocab) - language(settings.vocab).entropy


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Final loss from every start at every rate. A rate "works" when the loss has come halfway from chance to the entropy."""
    rates, chance = rates_of(settings), math.log(settings.vocab)
    data = batches(settings.vocab, settings.steps, seed)
    found: dict[str, float | list[float]] = {}
    for start in STARTS:
        losses = sweep(model_of(settings, start, seed), rates, data)
        if start == "ordinary":
            found["first_loss"] = losses[0, 0].item()
        values = final(losses, worst=WORST * chance)
        works = [rate for rate, loss in zip(rates, values) if loss < chance - gap(settings) / 2]
        found |= {
            f"best_{start}": min(values),
            f"lost_{start}": (min(values) - language(settings.vocab).entropy) / gap(settings),
            f"learnt_{start}": (chance - values[-1]) / gap(settings),
            f"working_{start}": float(len(works)),
            f"top_rate_{start}": max(works, default=0.0),
            f"by_rate_{start}": values,
        }
    return found


def draw(results: Results, figure: Figure) -> None:
    known, chance = language(results.settings.vocab), math.log(results.settings.vocab)
    for axes, start in zip(figure.axes(1, 2), STARTS):
        for arm in results.arms:
            mean, low, high = results.band(arm, f"by_rate_{start}")
            figure.line(axes, rates_of(results.settings), mean, low, high, label=results.label(arm))
        figure.floor(axes, chance, Text("瞎猜 ln V", "guessing, ln V"))
        figure.floor(axes, known.entropy_of_none, Text("只知道词频", "knowing only word frequencies"))
        figure.floor(axes, known.entropy, Text("熵：谁也到不了它的下面", "entropy: the best possible"))
        axes.set_xscale("log")
        axes.set_ylim(known.entropy - 0.1, (WORST + 0.4) * chance)  # room for the legend
        loss = Text("最后的损失（最高画到 1.25 ln V）", "final loss (drawn up to 1.25 ln V)")
        figure.name(axes, x=Text("学习率", "learning rate"), y=loss, title=START[start])
        axes.legend(loc="upper center", ncols=2, frameon=False, fontsize="small")
    axes.get_legend().remove()  # the same curves: the legend on the left is enough


def outcome(results: Results) -> str:
    if results.mean("none", "lost_silent") > results.mean("pre_rms_norm", "lost_silent") + 0.15:
        return "loss"
    wider = results.mean("pre_rms_norm", "working_silent") > results.mean("none", "working_silent") + 0.5
    return "rates" if wider else "nothing"


def metrics_of(start: str) -> dict[str, Metric]:
    zh, en = START[start].zh, START[start].en
    return {
        f"best_{start}": Metric(
            Text(f"{zh}：最好的损失", f"{en}: loss at the best rate"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab).entropy,
        ),
        f"lost_{start}": Metric(
            Text(f"{zh}：离熵还差（瞎猜为 1）", f"{en}: gap to the entropy (guessing: 1)"), chance=1, floor=0
        ),
        f"learnt_{start}": Metric(
            Text(f"{zh}：最高学习率下学到的（全部为 1）", f"{en}: learnt at the highest rate (all: 1)"),
            chance=0,
            floor=1,
        ),
        f"working_{start}": Metric(Text(f"{zh}：几个学习率能用", f"{en}: how many rates work"), format=".1f"),
        f"top_rate_{start}": Metric(Text(f"{zh}：能用的最高学习率", f"{en}: highest rate that works"), format=".0e"),
        f"by_rate_{start}": Metric(Text(f"{zh}：每个学习率最后的损失", f"{en}: final loss at every rate")),
    }


lab = Lab(
    title=Text(
        "归一化让损失更低，还是让更多的学习率能用？", "Does a norm lower the loss, or make more learning rates work?"
    ),
    about_zh="""
        训练 Transformer 时，归一化换来的是什么：更低的损失，还是更多能用的学习率？

        四个同样大的模型，学同一种编出来的语言。它们只差归一化：没有归一化；LayerNorm 放在每次相加之后
        （Post-LN，Vaswani 等，2017）；LayerNorm 放在每条分支之前（Pre-LN）；RMSNorm 放在前面
        （Llama、Qwen3 和 Fledge 都这样）。这里的 LayerNorm 有权重、没有偏置，这样四个模型的参数一样多。

        一个模型训练得了还是训练不了，由两样东西决定：学习率，和从哪里开始。如果大家只用一个学习率，
        就会偏袒碰巧适合它的那一组。所以每一组都试同样的几个学习率，后一个是前一个的 √10 倍，不预热。
        每一组还各有两种初始化：“普通初始化”，所有矩阵都是随机数，方差是 1 / 输入维数；
        “分支从 0 开始”，每条分支的最后一个矩阵是 0，每个块一开始什么也不加（Fledge 就是这样初始化模型的）。

        这种语言里，下一个词的概率由前两个词决定。概率表在我们手里，所以算得出熵（再好的模型也到不了它的下面）
        和瞎猜的损失 ln V。每一批都是新的句子，训练损失也就是测试损失。
        """,
    settings=Settings(),
    arms={name: {"norm": name} for name in ("none", "post_layer_norm", "pre_layer_norm", "pre_rms_norm")},
    labels={
        "none": Text("无归一化", "no norm"),
        "post_layer_norm": Text("LayerNorm 在后（Post-LN）", "LayerNorm after (Post-LN)"),
        "pre_layer_norm": Text("LayerNorm 在前（Pre-LN）", "LayerNorm before (Pre-LN)"),
        "pre_rms_norm": Text("RMSNorm 在前（Pre-LN）", "RMSNorm before (Pre-LN)"),
    },
    seeds=3,
    run=run,
    metrics={
        "first_loss": Metric(
            Text("普通初始化：训练前的损失", "ordinary start: loss before training"),
            format=".3g",
            chance=lambda settings: math.log(settings.vocab),
        ),
        **metrics_of("ordinary"),
        **metrics_of("silent"),
    },
    claims=[
        Claim(
            "any_start",
            Text(
                "普通初始化：没有归一化时，试过的学习率没有一个能用；Pre-LN RMSNorm 至少有三个能用",
                "Ordinary start: without a norm none of the rates works; with Pre-LN RMSNorm at least three do",
            ),
            lambda arm: arm["none"]["working_ordinary"] == 0 and arm["pre_rms_norm"]["working_ordinary"] >= 3,
        ),
        Claim(
            "rates_not_loss",
            Text(
                "分支从 0 开始：最好的损失相差不到可学部分的十分之一；但在试过的最高学习率下，无归一化的不比瞎猜强，"
                "Pre-LN RMSNorm 学到了可学部分的五分之一以上",
                "Silent start: the best losses differ by less than a tenth of what there is to learn; but at the "
                "highest rate "
                "tried, the model without a norm ends no better than guessing, while Pre-LN RMSNorm learns more "
                "than a fifth",
            ),
            lambda arm: (
                abs(arm["none"]["lost_silent"] - arm["pre_rms_norm"]["lost_silent"]) < 0.1
                and arm["none"]["learnt_silent"] <= 0
                and arm["pre_rms_norm"]["learnt_silent"] > 0.2
            ),
        ),
        Claim(
            "rms_is_enough",
            Text(
                "普通初始化：RMSNorm 和 LayerNorm（都是 Pre-LN）最好的损失相差不到可学部分的十分之一，无归一化比"
                "两者都差三成以上",
                "Ordinary start: the best losses of RMSNorm and LayerNorm (both Pre-LN) differ by less than a "
                "tenth of what there is to learn; without a norm the best loss is worse than both by more than "
                "0.3 of it",
            ),
            lambda arm: (
                abs(arm["pre_rms_norm"]["lost_ordinary"] - arm["pre_layer_norm"]["lost_ordinary"]) < 0.1
                and arm["none"]["lost_ordinary"] > 0.3 + arm["pre_rms_norm"]["lost_ordinary"]
                and arm["none"]["lost_ordinary"] > 0.3 + arm["pre_layer_norm"]["lost_ordinary"]
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"norm": "weight_only"},
            ("any_start", "rates_not_loss", "rms_is_enough"),
            Text(
                "每个归一化只剩下乘 weight，不看输入有多大",
                "every norm only multiplies by its weight, whatever the input",
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "分支从 0 开始，每一组都用自己最好的学习率。和无归一化相比，RMSNorm 带来什么？",
            "From the silent start, with every arm at its own best rate: what does RMSNorm gain over no norm?",
        ),
        {
            "loss": Text(
                "明显更低的损失（超过可学部分的 15%）",
                "a clearly lower loss (by more than 15% of what there is to learn)",
            ),
            "rates": Text("损失差不多，但能用更高的学习率", "about the same loss, but higher rates work"),
            "nothing": Text("两样都没有", "neither"),
        },
        outcome,
    ),
    why=Text(
        "没有归一化，数越大的分支就加得越多、越滚越大，所以初始值和学习率都得恰到好处；归一化让每条分支看到的数大"
        "小不变，选错一点也不要紧。能学到多少由模型和数据决定，归一化没有改变它。",
        "Without a norm, branches that see large numbers add large numbers, and the growth feeds itself, so the "
        "start and the learning rate must be just right. With a norm every branch sees numbers of the same size, "
        "and a poor choice does less harm. How much can be learnt depends on model and data, and the norm does "
        "not change that.",
    ),
    figure=draw,
    quick={"width": 16, "steps": 50, "rates": 4},
)

if __name__ == "__main__":
    lab.main()
