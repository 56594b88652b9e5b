"""Whoever labels likes long answers: what does the reward model learn from that?

Answers of 4 to 12 words are worth the mean of their words, whatever their length. Whoever compares two of them takes the
better, but every word more counts a little for the longer one. A reward model as small as can be, a number for every word and
one for the length, learns from a thousand such pairs. Two arms: pairs of any two answers, and pairs of equally long ones, which
the same person judges. Length cannot be learnt from those.

Measured on new answers: how the reward correlates with length, how often the model is right about pairs whose better answer is
the shorter one, and what it picks out of sixteen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.judging import Judge, answers, judged, worth_of_words
from fledge.training.preference import reward_loss

TESTED, PICKED_FROM = 4096, 16


@dataclass(frozen=True)
class Settings:
    pairs: str = param("any", choices=("any", "equal"), zh="哪些回答放在一起比", en="which answers are compared")
    liking: float = param(0.1, low=0.0, high=1.0, zh="多一个词加几分", en="what a word more counts for")
    count: int = param(1000, low=50, high=10_000, zh="多少对", en="pairs")
    steps: int = param(300, low=50, high=3000, zh="训练步数", en="training steps")


def run(settings: Settings, seed: int) -> dict[str, float]:
    """What the model makes of length."""
    worth_V = worth_of_words()
    left = answers(settings.count, worth_V)
    right = answers(settings.count, worth_V, left.lengths_N if settings.pairs == "equal" else None)
    left_wins = left.worth_N + settings.liking * left.lengths_N > right.worth_N + settings.liking * right.lengths_N
    chosen, rejected = judged(left, right, left_wins)
    judge = Judge().train_on(chosen, rejected, settings.steps, reward_loss)
    new = answers(TESTED, worth_V)
    with torch.no_grad():
        score_N = judge(new)
    length_N = new.lengths_N.float()
    half = TESTED // 2
    shorter_is_better = (new.worth_N[:half] > new.worth_N[half:]) & (length_N[:half] < length_N[half:])
    taken = score_N.view(-1, PICKED_FROM).argmax(1, keepdim=True)
    return {
        "correlation": torch.corrcoef(torch.stack([score_N, length_N]))[0, 1].item(),
        "shorter": (score_N[:half] > score_N[half:])[shorter_is_better].float().mean().item(),
        "longer_chosen": (chosen.lengths_N > rejected.lengths_N).float().mean().item(),
        "length": length_N.view(-1, PICKED_FROM).gather(1, taken).mean().item(),
        "worth": new.worth_N.view(-1, PICKED_FROM).gather(1, taken).mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "correlation") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "shorter") for arm in results.arms])
    figure.floor(right, 0.5, Text("瞎猜", "chance"))
    figure.name(left, y=Text("分数与长度的相关", "correlation of reward and length"))
    figure.name(right, y=Text("短的更好时判对几成", "right where the shorter is better"))


lab = Lab(
    title=Text("标数据的人喜欢长的，模型学到了什么？", "Whoever labels likes long answers: what is learnt?"),
    about_zh="""
        标数据的人喜欢长的回答，奖励模型从中学到了什么？

        4 到 12 个词的回答，价值是各个词的平均，与长度无关。比较两条的人挑好的那条，可是多一个词就多算一点。奖励模型小到不能再小：
        每个词一个数，长度一个数，从一千对里学。两组：任意两条放在一起比；只拿一样长的比，由同一个人来标。后者里学不到长度。

        在新的回答上量：分数与长度有多相关；好的那条更短时，模型判对几成；从十六条里它挑出什么来。
        """,
    settings=Settings(),
    arms={"any": {"pairs": "any"}, "equal": {"pairs": "equal"}},
    labels={"any": Text("任意两条", "any two"), "equal": Text("一样长的两条", "equally long")},
    run=run,
    metrics={
        "correlation": Metric(Text("分数与长度的相关", "correlation with length"), format=".2f", chance=0.0),
        "shorter": Metric(Text("短的更好时判对几成", "right where the shorter is better"), chance=0.5),
        "longer_chosen": Metric(Text("数据里选中的更长", "chosen is longer in the data")),
        "length": Metric(Text("16 条里挑中的长度", "length of the best of 16"), format=".1f", chance=8.0),
        "worth": Metric(Text("16 条里挑中的价值", "worth of the best of 16"), format=".2f"),
    },
    claims=[
        Claim(
            "length_is_learnt",
            Text(
                "任意两条来比，分数与长度的相关在 0.4 以上；一样长的来比，不到 0.2",
                "Of any two the reward correlates with length by over 0.4, of equally long ones by less than 0.2",
            ),
            lambda arm: arm["any"]["correlation"] > 0.4 and abs(arm["equal"]["correlation"]) < 0.2,
        ),
        Claim(
            "wrong_where_it_matters",
            Text(
                "短的那条更好时，一样长的来比多判对 20 个百分点以上",
                "Where the shorter is better, judging equally long ones is right 20 points more",
            ),
            lambda arm: arm["equal"]["shorter"] > arm["any"]["shorter"] + 0.2,
        ),
        Claim(
            "choosing_shows_it",
            Text(
                "从 16 条里挑，学了长度的挑得长 2 个词以上，价值还更低",
                "Of 16 answers the one that learnt length takes one over 2 words longer, of less worth",
            ),
            lambda arm: (
                arm["any"]["length"] > arm["equal"]["length"] + 2 and arm["any"]["worth"] < arm["equal"]["worth"] - 0.05
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"liking": 0.0},
            ("length_is_learnt", "wrong_where_it_matters", "choosing_shows_it"),
            Text("标数据的人不看长度", "whoever labels does not look at length"),
        ),
    ],
    prediction=Prediction(
        Text(
            "选中的回答里大约三分之二更长。模型的分数会跟着长度走吗？",
            "About two in three chosen answers are the longer ones. Does the reward go with length?",
        ),
        {
            "no": Text("不会：多数对里，好的还是更好的词", "no, in most pairs better words decide"),
            "yes": Text("会", "yes"),
        },
        lambda results: "yes" if results.mean("any", "correlation") > 0.3 else "no",
    ),
    why=Text(
        "长度每一对里都看得见，一学就会；词的好坏要从许多对里慢慢看出来。标签里有一点点偏好，损失就会把它学成一条规则。"
        "一样长的两条，长度之差是 0，损失里没有长度，也就学不到。",
        "Length shows in every pair and is easily learnt, while the worth of a word must be gathered from many. A slight liking "
        "in the labels becomes a rule. Between equally long answers the difference in length is 0, so the loss has nothing "
        "to learn it from.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
