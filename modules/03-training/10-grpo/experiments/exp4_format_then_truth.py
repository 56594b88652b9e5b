"""A reward for the form, for the truth, or for both: what does a model learn of what is not rewarded?

A small model adds two digits; an answer should stand between two marks. After a little fine-tuning it does so sometimes,
and is right sometimes. Then GRPO trains it with one of three rewards. Measured are both, whatever was rewarded: how many
answers have the form, and how many of the sums are right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.writer import Writer, optimizer_of, step, tune
from fledge.rollout.advantages import group_advantage
from fledge.rollout.policy import clipped_loss

PAIRS = torch.cartesian_prod(torch.arange(10), torch.arange(10))
OPEN, CLOSE, OTHER = 10, 11, 12  # the marks, and what stands there else
REWARDS = {"format": (1.0, 0.0), "truth": (0.0, 1.0), "both": (0.5, 0.5)}


@dataclass(frozen=True)
class Settings:
    reward: str = param("both", choices=("format", "truth", "both"), zh="奖励什么", en="what is rewarded")
    steps: int = param(300, low=50, high=2000, zh="训练多少步", en="steps")
    rate: float = param(0.003, low=0.0001, high=0.03, zh="学习率", en="learning rate")
    all_count: bool = param(False, zh="三组都奖励两样", en="every arm is rewarded for both", hidden=True)
    fair: bool = param(True, zh="批改看回答", en="the grader looks at the answer", hidden=True)


def digits(total_N1: Tensor) -> Tensor:
    return torch.cat([total_N1 // 10, total_N1 % 10], 1)


def examples() -> Tensor:
    """Answers to fine-tune on: 30 % in form, 40 % right. a, b, mark, tens, ones, mark."""
    pairs = PAIRS.repeat(10, 1)
    count = len(pairs)
    right = torch.rand(count, 1) < 0.4
    numbers = digits(torch.where(right, pairs.sum(1, keepdim=True), torch.randint(19, (count, 1))))
    formed = torch.rand(count, 1) < 0.3
    return torch.cat([pairs, torch.where(formed, OPEN, OTHER), numbers, torch.where(formed, CLOSE, OTHER)], 1)


def judged(ids: Tensor) -> tuple[Tensor, Tensor]:
    """(has the form, the sum is right), 0 or 1 each."""
    form = (ids[:, 2] == OPEN) & (ids[:, 5] == CLOSE)
    truth = (ids[:, 3:5] == digits(ids[:, :2].sum(1, keepdim=True))).all(1)
    return form.float(), truth.float()


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    model, rows = Writer(13, 6), examples()
    tune(model, rows, torch.arange(6).expand(len(rows), -1) >= 2, 300, 0.003)
    before = [value.mean().item() for value in judged(model.write(PAIRS.repeat(20, 1), 4))]
    optimizer = optimizer_of(model, settings.rate)
    weights = REWARDS["both" if settings.all_count else settings.reward]
    for _ in range(settings.steps):
        ids = model.write(PAIRS[torch.randint(100, (16,))].repeat_interleave(8, 0), 4)
        reward = sum(weight * value for weight, value in zip(weights, judged(ids)))
        if not settings.fair:
            reward = torch.rand(len(ids))
        advantage = group_advantage(reward.view(16, 8)).view(-1, 1)  # type: ignore[union-attr]
        logps = model.logps(ids, 2)
        step(optimizer, clipped_loss(logps, logps.detach(), advantage, 0.2, 0.2)[0].mean())
    form, truth = (value.mean().item() for value in judged(model.write(PAIRS.repeat(20, 1), 4)))
    return {"format": form, "truth": truth, "format_before": before[0], "truth_before": before[1]}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for place, name, label in (
        (-0.2, "format", Text("格式对", "in form")),
        (0.2, "truth", Text("得数对", "right sums")),
    ):
        heights = [results.mean(arm, name) for arm in results.arms]
        axes.bar([n + place for n in range(len(heights))], heights, width=0.36, label=figure.words(label))
    axes.set_xticks(range(len(results.arms)), [figure.words(results.label(arm)) for arm in results.arms])
    figure.name(axes, x=Text("奖励什么", "what is rewarded"), y=Text("练之后的比例", "share after training"))


lab = Lab(
    title=Text("奖励什么，就得到什么", "You get what you reward"),
    about_zh="""
        奖励格式、奖励对错，还是两样都奖励：没有奖励的那一样，模型学得到吗？

        一个小模型做一位数加法，答案应当写在两个记号中间。微调一点以后，它有时守格式，有时答对。然后用三种奖励之一做 GRPO。
        不管奖励的是什么，练完两样都量：多少回答守格式，多少得数对。
        """,
    settings=Settings(),
    arms={name: {"reward": name} for name in REWARDS},
    labels={
        "format": Text("只奖励格式", "form alone"),
        "truth": Text("只奖励对错", "truth alone"),
        "both": Text("两样各一半", "half of each"),
    },
    seeds=3,
    quick={"steps": 200},
    run=run,
    metrics={
        "format": Metric(Text("练后守格式", "in form after"), format=".1%"),
        "truth": Metric(Text("练后得数对", "right after"), format=".1%"),
        "format_before": Metric(Text("练前守格式", "in form before"), format=".1%"),
        "truth_before": Metric(Text("练前得数对", "right before"), format=".1%"),
    },
    claims=[
        Claim(
            "one",
            Text(
                "只奖励格式：格式九成以上，得数对的不到两成，两样都奖励的有一半以上",
                "Form alone: more than 90 % in form, but less than 20 % right, where the reward for both gives more than half",
            ),
            lambda arm: arm["format"]["format"] > 0.9 and arm["format"]["truth"] < 0.2 and arm["both"]["truth"] > 0.5,
        ),
        Claim(
            "both",
            Text(
                "两样都奖励，格式九成以上，得数对的过半",
                "Both rewarded: more than 90 % in form, more than half right",
            ),
            lambda arm: arm["both"]["format"] > 0.9 and arm["both"]["truth"] > 0.5,
            absolute=True,
        ),
    ],
    sabotages=[
        Sabotage({"all_count": True}, ("one",), Text("三组都奖励两样", "every arm is rewarded for both")),
        Sabotage({"fair": False}, ("both",), Text("批改靠掷骰子", "the grader throws dice")),
    ],
    prediction=Prediction(
        Text(
            "只奖励格式，练完以后得数对的会怎样？",
            "Only the form is rewarded. What becomes of the share of right sums?",
        ),
        {"more": Text("也跟着多起来", "it rises too"), "not": Text("不会多起来", "it does not rise")},
        lambda results: (
            "more" if results.mean("format", "truth") > results.mean("format", "truth_before") + 0.1 else "not"
        ),
    ),
    why=Text(
        "优势只由奖励算出来。奖励不看的东西，好回答和坏回答里一样多，梯度没有理由动它；它只会随着别的变化漂来漂去。",
        "Advantages are made of the reward alone. What it does not look at is as frequent in good answers as in bad ones, "
        "and the gradient has no reason to change it: it drifts wherever the rest takes it.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
