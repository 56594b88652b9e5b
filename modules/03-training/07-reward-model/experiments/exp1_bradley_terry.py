"""A fifth of the labels is wrong: how good can a reward model become, and by whose measure?

Answers of words whose worth is known, and a reward model as small as can be: a number for every word. It learns from pairs,
with the engine's Bradley–Terry loss. The labels come from somebody who errs: a fifth of the pairs is the wrong way round. Three
arms: 50 pairs without errors, 50 with, and 1000 with.

Accuracy is measured twice on new pairs: against labels of the same somebody, errors and all, and against the true worth. Where
a fifth of the labels is wrong, nobody can agree with more than 80 % of them, and yet a model may know the truth better than
that: it sees the errors of many pairs, and those cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.judging import Answers, Judge, answers, judged, worth_of_words
from fledge.training.preference import reward_loss

TESTED = 4000
ARMS = {"clean": (50, False), "few": (50, True), "many": (1000, True)}


@dataclass(frozen=True)
class Settings:
    labels: str = param(
        "many", choices=("clean", "few", "many"), zh="有多少对，标错不标错", en="how many pairs, and errors"
    )
    wrong: float = param(0.2, low=0.0, high=0.5, zh="标反的比例", en="share of pairs that are the wrong way round")
    steps: int = param(300, low=50, high=3000, zh="训练步数", en="training steps")


def labelled(count: int, worth_V: Tensor, wrong: float) -> tuple[Answers, Answers]:
    """(chosen, rejected): the answer that is worth more is chosen, but for the share `wrong`."""
    left, right = answers(count, worth_V), answers(count, worth_V)
    return judged(left, right, (left.worth_N > right.worth_N) ^ (torch.rand(count) < wrong))


def run(settings: Settings, seed: int) -> dict[str, float]:
    """Accuracies on pairs that were not trained on."""
    pairs, errs = ARMS[settings.labels]
    worth_V = worth_of_words()
    wrong = settings.wrong if errs else 0.0
    judge = Judge().train_on(*labelled(pairs, worth_V, wrong), settings.steps, reward_loss)
    with torch.no_grad():
        chosen, rejected = labelled(TESTED, worth_V, wrong)
        margin_P = judge(chosen) - judge(rejected)
    right_P = (margin_P > 0) == (chosen.worth_N > rejected.worth_N)
    return {
        "labels": (margin_P > 0).float().mean().item(),
        "truth": right_P.float().mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "labels") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "truth") for arm in results.arms])
    figure.floor(left, 1 - results.settings.wrong, Text("标错时的上限", "ceiling with the errors"))
    for axes in (left, right):
        axes.set_ylim(0, 1)
    figure.name(left, y=Text("与新标签一致", "agrees with new labels"))
    figure.name(right, y=Text("与真正的价值一致", "agrees with the truth"))


lab = Lab(
    title=Text("五分之一的标签是错的，能学到多好？", "A fifth of the labels is wrong: how good can it become?"),
    about_zh="""
        五分之一的标签是错的，奖励模型能学到多好？用谁的尺子量？

        回答由词组成，每条值多少是已知的；奖励模型小到不能再小：每个词一个数。它从成对的比较学，损失是引擎里的 Bradley–Terry。
        标数据的人会错：五分之一的对标反了。三组：50 对没有错的，50 对有错的，1000 对有错的。

        在新的对上量两次准确率：一次对着同一个人的标签，错的也算；一次对着真正的价值。标签有五分之一是错的，谁也不能和它们有
        超过 80 % 的一致；可是模型对真相可以知道得更准：它见过许多对的错误，而那些错误互相抵消。
        """,
    settings=Settings(),
    arms={name: {"labels": name} for name in ARMS},
    labels={
        "clean": Text("50 对，没有错", "50, no errors"),
        "few": Text("50 对，有错", "50, errors"),
        "many": Text("1000 对，有错", "1000, errors"),
    },
    run=run,
    metrics={
        "labels": Metric(Text("与新标签一致", "agrees with new labels"), chance=0.5),
        "truth": Metric(Text("与真正的价值一致", "agrees with the truth"), chance=0.5),
    },
    claims=[
        Claim(
            "above_its_labels",
            Text(
                "1000 对有错的：与标签一致的不到 82%，与真相一致的比那多 8 个百分点以上",
                "1000 pairs with errors: it agrees with under 82 % of the labels, and with the truth 8 points more",
            ),
            lambda arm: arm["many"]["labels"] < 0.82 and arm["many"]["truth"] > arm["many"]["labels"] + 0.08,
        ),
        Claim(
            "errors_cancel",
            Text(
                "偶然的错误互相抵消：1000 对比 50 对多判对 7 个百分点以上",
                "Errors by chance cancel: 1000 pairs are right about 7 points more than 50",
            ),
            lambda arm: arm["many"]["truth"] > arm["few"]["truth"] + 0.07,
        ),
    ],
    sabotages=[
        Sabotage({"wrong": 0.0}, ("above_its_labels",), Text("没有标错的", "no label is wrong")),
        Sabotage(
            {"wrong": 0.5},
            ("above_its_labels", "errors_cancel"),
            Text("标签全凭抛硬币", "every label is the toss of a coin"),
        ),
    ],
    prediction=Prediction(
        Text(
            "1000 对里有五分之一标反了。奖励模型对真正的好坏能判对多少？",
            "A fifth of 1000 pairs is the wrong way round. How often is the model right about the true worth?",
        ),
        {
            "less": Text("不到 80%：学生不会比老师更准", "under 80 %, no pupil is better than the teacher"),
            "more": Text("超过 80%", "over 80 %"),
        },
        lambda results: "more" if results.mean("many", "truth") > 0.8 else "less",
    ),
    why=Text(
        "标反是偶然的：同一个词在许多对里出现，多数时候标对，少数标反，平均下来方向还是对的，只是分差变小了。拿新标签来量，"
        "模型判对、标签标错的也算它错，所以那里有 80 % 的上限。",
        "Which labels are wrong is chance: a word stands in many pairs, most of them right, and what remains on average has the "
        "right direction and only a smaller margin. Against new labels the model also loses wherever it is right and the label "
        "wrong, which is where the ceiling of 80 % comes from.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
