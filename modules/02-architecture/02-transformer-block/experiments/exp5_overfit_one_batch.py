"""Can the model memorise one batch? The cheapest test of a training program, and what it misses.

One batch of random words is shown over and over. There is nothing in it to understand, so the loss can only fall by
memorising; a correctly assembled model brings it down to almost nothing. Every row begins with a word that occurs nowhere
else, so that every word to be predicted can be told from what comes before it.

The arms differ in one mistake: none; targets that belong to other rows than the inputs (a shuffle that moved only one of the
two); targets that are the inputs themselves (nobody shifted them by one); no causal mask (every word sees the next one).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import next_word_loss, sweep, tiny_model
from fledge.parts.reference import explicit_attention

MISTAKES = ("none", "mixed_up", "not_shifted", "no_mask")
RATE = 1e-2


@dataclass(frozen=True)
class Settings:
    rows: int = param(4, low=2, high=16, zh="这一批有几行", en="rows in the batch")
    vocab: int = param(32, low=20, high=64, zh="有多少个词", en="number of words")
    steps: int = param(50, low=20, high=500, zh="训练步数", en="training steps")
    mistake: str = param("none", choices=MISTAKES, zh="程序里的错误", en="the mistake in the program")


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The loss before every step, on the one batch that the model is trained on."""
    model = tiny_model(settings.vocab, seed)
    if settings.mistake == "no_mask":
        for block in model.model.layers:
            block.self_attn.parts = replace(block.self_attn.parts, attention=seeing_all)
    ids = torch.randint(settings.rows, settings.vocab, (settings.rows, 13))
    ids[:, 0] = torch.arange(settings.rows)
    orders = iter([torch.randperm(settings.rows) for _ in range(settings.steps + 1)])

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        if settings.mistake == "mixed_up":
            targets = ids[next(orders), 1:]
        elif settings.mistake == "not_shifted":
            targets = ids[:, :-1]
        return next_word_loss(logits, targets)

    losses = sweep(model, (RATE,), [ids] * (settings.steps + 1), loss)[:, 0].tolist()
    return {"start": losses[0], "end": sum(losses[-10:]) / 10, "losses": losses}


def seeing_all(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
    """Attention without the causal mask."""
    return explicit_attention(q_BHTD, k_BHSD, v_BHSD, None)


def draw(results: Results, figure: Figure) -> None:
    axes, settings = figure.axes(width=7.2), results.settings
    for arm in results.arms:
        mean, low, high = results.band(arm, "losses")
        figure.line(axes, range(len(mean)), mean, low, high, label=results.label(arm))
    figure.floor(axes, math.log(settings.vocab), Text("瞎猜（ln V）", "guessing (ln V)"))
    rows = settings.rows
    figure.floor(
        axes, math.log(rows), Text(f"在 {rows} 行里瞎猜（ln {rows}）", f"guessing among {rows} rows (ln {rows})")
    )
    figure.name(axes, x=Text("步", "step"), y=Text("这一批上的损失", "loss on the batch"))
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def passing(results: Results) -> str:
    return str(sum(results.mean(arm, "end") < 0.1 for arm in MISTAKES[1:]))


lab = Lab(
    title=Text(
        "背下一个批次：这个检查能发现什么，发现不了什么？",
        "Memorising one batch: what does this check find, and what does it miss?",
    ),
    about_zh="""
        模型能背下一个批次吗？这是对训练程序最便宜的检查；它又发现不了什么？

        一个批次，里面是随机的词，反复拿来训练。里面没有规律可学，损失只能靠背来降低；装对了的模型会把它降到接近 0。
        每一行开头的词在别处都不出现，所以每个要猜的词，都能从它前面的词推出来。

        各组只差一个错误：没有错误；目标对错了行，和输入不是同一行（只打乱了两者中的一个）；
        目标就是输入本身（没有错开一格）；没有因果遮挡（每个词都看得见下一个词）。
        """,
    settings=Settings(),
    arms={mistake: {"mistake": mistake} for mistake in MISTAKES},
    labels={
        "none": Text("没有错误", "no mistake"),
        "mixed_up": Text("目标对错了行", "targets from other rows"),
        "not_shifted": Text("目标没有右移", "targets not shifted"),
        "no_mask": Text("没有因果遮挡", "no causal mask"),
    },
    seeds=3,
    run=run,
    metrics={
        "start": Metric(
            Text("第一步之前的损失", "loss before the first step"), chance=lambda settings: math.log(settings.vocab)
        ),
        "end": Metric(
            Text("最后十步的损失", "loss over the last ten steps"),
            chance=lambda settings: math.log(settings.vocab),
            floor=0.0,
        ),
        "losses": Metric(Text("每一步的损失", "loss at each step")),
    },
    claims=[
        Claim(
            "learns",
            Text(
                "没有错误的程序把这一批背下来：损失低于 0.1",
                "Without a mistake, the batch is memorised: the loss falls below 0.1",
            ),
            lambda arm: arm["none"]["end"] < 0.1,
            absolute=True,
        ),
        Claim(
            "found",
            Text("目标对错了行：损失一直在 1 以上", "With targets from other rows, the loss stays above 1"),
            lambda arm: arm["mixed_up"]["end"] > 1,
        ),
        Claim(
            "missed",
            Text(
                "没有右移、没有遮挡：损失照样低于 0.1，这个检查发现不了",
                "With targets not shifted, or without a mask, the loss falls below 0.1 just the same, and the "
                "check misses the mistake",
            ),
            lambda arm: arm["not_shifted"]["end"] < 0.1 and arm["no_mask"]["end"] < 0.1,
            absolute=True,
        ),
    ],
    sabotages=[
        Sabotage(
            {"mistake": "mixed_up"},
            ("learns", "missed"),
            Text("每一组的目标都对错了行", "every arm has targets from other rows"),
        ),
        Sabotage({"mistake": "none"}, ("found",), Text("没有一组有错误", "no arm has a mistake")),
    ],
    prediction=Prediction(
        Text(
            "三种错误（目标对错行、目标没有右移、没有因果遮挡）里，有几种照样能把一个批次背到损失接近 0？",
            "With how many of three mistakes (targets from other rows, targets not shifted, no causal mask) does "
            "the loss on one batch still fall to almost 0?",
        ),
        {
            "0": Text("一种也没有", "none of them"),
            "1": Text("一种", "one"),
            "2": Text("两种", "two"),
            "3": Text("三种都能", "all three"),
        },
        passing,
    ),
    why=Text(
        "错行的目标背不下来，损失就停在高处；而没有右移、没有遮挡的程序，答案就摆在输入里，抄比背还容易，损"
        "失照样降下去。这个检查抓得到“学不会”，抓不到“作弊”。",
        "Targets from other rows cannot be memorised, so the loss gets stuck. Without the shift or the mask the "
        "answer is in the input, and copying is even easier than memorising, so the loss falls as usual. The "
        "check catches a model that cannot learn, not one that cheats.",
    ),
    figure=draw,
    quick={"steps": 30},
)

if __name__ == "__main__":
    lab.main()
