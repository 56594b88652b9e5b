"""Where does the loss of DPO begin, and what does it mean when it stays there?

The "reward" that DPO gives an answer is β · (log p - log p of the reference). Before the first step the model is its
reference: all rewards are 0, and every pair has the loss -log σ(0) = ln 2 = 0.693, whatever the model, the pairs and β are.
So the first number of the log is a test: another one means that the reference is not the model that is trained.

A loss that stays at 0.693 means something else: the model does not move. A real training script of a 26M model has a
learning rate of 4e-8, made for hours on hundreds of thousands of pairs; on a small file its curve is a flat line. One arm has a
rate of that size, one a usual one, and one begins with a reference that is not the model.

The policy is as small as can be: a table with the scores of four answers for every question. A preference is a pair of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

QUESTIONS, ANSWERS = 30, 4


@dataclass(frozen=True)
class Settings:
    begin: str = param(
        "usual", choices=("usual", "tiny", "another"), zh="学习率和参考模型", en="the rate and the reference"
    )
    steps: int = param(200, low=50, high=2000, zh="训练步数", en="training steps")
    speed: float = param(0.05, low=0.0, high=1.0, zh="正常的学习率", en="the usual rate", hidden=True)
    beta: float = param(0.1, low=0.0, high=1.0, zh="β", en="β", hidden=True)
    off: float = param(0.0, low=0.0, high=2.0, zh="参考模型偏了多少", en="how far every reference is off", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The loss at first and at last, and its course."""
    start = 2 * torch.randn(QUESTIONS, ANSWERS)
    scores = start.clone().requires_grad_()
    away = settings.off + 2 * (settings.begin == "another")
    other = start + away * torch.randn(QUESTIONS, ANSWERS)
    known = other.log_softmax(1)
    truth = torch.randn(QUESTIONS, ANSWERS)
    pairs = torch.stack([torch.randperm(ANSWERS)[:2] for _ in range(QUESTIONS)])
    better = truth.gather(1, pairs).argmax(1, keepdim=True)
    chosen, rejected = pairs.gather(1, better), pairs.gather(1, 1 - better)
    speed = settings.speed * (1e-5 if settings.begin == "tiny" else 1)
    optimizer, losses = torch.optim.AdamW([scores], lr=speed, weight_decay=0.0), []
    for _ in range(settings.steps):
        logps = scores.log_softmax(1)
        picked = [x.gather(1, side).squeeze(1) for x in (logps, known) for side in (chosen, rejected)]
        loss = REFERENCE.dpo_loss(*picked, settings.beta).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"course": losses, "first": losses[0], "last": losses[-1], "from_ln_2": abs(losses[0] - math.log(2))}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for arm in results.arms:
        course = results.mean(arm, "course")
        figure.line(axes, range(1, len(course) + 1), course, label=results.label(arm))
    axes.axhline(math.log(2), color="grey", linewidth=0.8)
    figure.name(axes, x=Text("步数", "step"), y=Text("损失", "loss"))


lab = Lab(
    title=Text("DPO 从 ln 2 开始，停在 0.693 说明什么？", "DPO begins at ln 2: what does it mean to stay at 0.693?"),
    about_zh="""
        DPO 的损失从哪里开始？停在那里说明什么？

        DPO 给一条回答的“奖励”是 β ·（log p − 参考模型的 log p）。第一步之前，模型就是参考模型：奖励全是 0，每一对的损失都是
        −log σ(0) = ln 2 = 0.693，与模型、数据、β 都无关。所以日志里的第一个数是一次检查：不是 0.693，就说明参考模型不是
        正在训练的模型。

        一直停在 0.693 是另一回事：模型没有动。有的训练脚本学习率是 4e-8，那是给几十万对数据、训练几个小时用的；数据少时曲线就是
        一条平线。这里比三组：正常的学习率、极小的学习率、参考模型不是自己。

        模型小到不能再小：一张表，每个问题有四条回答的分数；一对偏好就是其中的两条。
        """,
    settings=Settings(),
    arms={name: {"begin": name} for name in ("usual", "tiny", "another")},
    labels={
        "usual": Text("正常的学习率", "a usual rate"),
        "tiny": Text("极小的学习率", "a tiny rate"),
        "another": Text("参考模型不是自己", "another reference"),
    },
    run=run,
    metrics={
        "course": Metric(Text("损失", "loss")),
        "first": Metric(Text("第一步的损失", "loss at first")),
        "last": Metric(Text("最后的损失", "loss at last")),
        "from_ln_2": Metric(Text("第一步离 ln 2 多远", "how far the first is from ln 2"), floor=0.0),
    },
    claims=[
        Claim(
            "begins_at_ln_2",
            Text(
                "参考模型就是自己时，第一步的损失是 ln 2（差不到 0.0001）；不是自己时就不是",
                "With itself as reference the loss begins at ln 2 (to 0.0001), with another it does not",
            ),
            lambda arm: arm["usual"]["from_ln_2"] < 1e-4 < arm["another"]["from_ln_2"],
        ),
        Claim(
            "stuck",
            Text(
                "学习率极小，损失就停在 ln 2；正常的学习率能降到 0.6 以下",
                "With a tiny rate the loss stays at ln 2; a usual one gets below 0.6",
            ),
            lambda arm: arm["tiny"]["last"] > 0.69 and arm["usual"]["last"] < 0.6,
        ),
    ],
    sabotages=[
        Sabotage({"off": 2.0}, ("begins_at_ln_2",), Text("参考模型都偏了", "every reference is another model")),
        Sabotage({"beta": 0.0}, ("begins_at_ln_2", "stuck"), Text("β = 0，奖励总是 0", "with β = 0 all rewards are 0")),
        Sabotage({"speed": 0.0}, ("stuck",), Text("不更新参数，谁也学不到", "without updates nobody learns")),
    ],
    prediction=Prediction(
        Text("DPO 第一步的损失约是多少？", "About how large is the loss of DPO at its first step?"),
        {"ln_2": Text("0.69，总是它", "0.69, always"), "depends": Text("看模型和数据", "it depends on model and data")},
        lambda results: "ln_2" if results.mean("usual", "from_ln_2") < 0.01 else "depends",
    ),
    why=Text(
        "模型就是参考模型时，两个对数概率的差都是 0，σ(0) = 1/2，损失就是 ln 2，和数据、β 都没有关系。参考"
        "模型不是它，差就不是 0，第一个数就会不同；学习率太小，差一直留在 0 附近，曲线就一直停在 ln 2。",
        "Where the model is its reference, both differences of log-probabilities are 0, σ(0) is 1/2, and the loss is "
        "ln 2, whatever the data and β are. With another reference they are not 0, and the first number differs; with "
        "too small a rate they stay near 0, and the curve stays at ln 2.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
