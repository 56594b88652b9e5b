"""Take the best of n answers by a reward model: does a larger n always give better answers?

Every answer has a true worth and a score by the reward model. The model is right about most answers: its score is the worth
and a little noise. A few answers exploit it: they score high and are worth nothing (in language: long, flattering, sure of
themselves). Of n answers the one with the highest score is taken.

With one answer, or a few, the exploits are rare, and choosing helps. With many, one of them is nearly always there, and it
wins: the score goes on rising while the worth turns over. Goodhart's law: a measure that becomes a goal ceases to be a good
measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Settings:
    exploits: str = param("few", choices=("none", "few"), zh="有没有钻空子的回答", en="answers that exploit the model")
    share: float = param(0.01, low=0.001, high=0.2, zh="其中钻空子的比例", en="their share")
    prompts: int = param(200, low=50, high=2000, zh="多少个问题", en="questions")
    bonus: float = param(4.0, low=0.0, high=10.0, zh="钻空子的得多少分", en="the score of an exploit", hidden=True)
    choice: str = param("score", choices=("score", "chance"), zh="按什么挑", en="what is taken", hidden=True)


def best_of(ordered_PK: Tensor, n: int) -> Tensor:
    """The mean over all ways to draw n of the K answers of what the last in order is worth, [P]."""
    K = ordered_PK.shape[1]
    weights = torch.tensor([comb(i, n - 1) / comb(K, n) for i in range(K)], dtype=torch.float64)
    return ordered_PK.double() @ weights


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Mean score and worth of the best of n, for every n of SIZES."""
    worth_PK = torch.randn(settings.prompts, SIZES[-1])
    score_PK = worth_PK + 0.5 * torch.randn(settings.prompts, SIZES[-1])
    if settings.exploits == "few":
        exploit_PK = torch.rand(settings.prompts, SIZES[-1]) < settings.share
        score_PK = torch.where(exploit_PK, settings.bonus + 0.5 * torch.randn_like(score_PK), score_PK)
        worth_PK = torch.where(exploit_PK, -2.0, worth_PK)
    order_PK = (score_PK if settings.choice == "score" else torch.rand_like(score_PK)).argsort(1)
    score = [best_of(score_PK.gather(1, order_PK), n).mean().item() for n in SIZES]
    worth = [best_of(worth_PK.gather(1, order_PK), n).mean().item() for n in SIZES]
    return {
        "score": score,
        "worth": worth,
        "last": worth[-1],
        "highest": max(worth),
        "gain": score[-1] - score[0],
        "worth_gain": worth[-1] - worth[0],
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for arm in results.arms:
        label = results.label(arm)
        figure.line(axes, SIZES, results.mean(arm, "worth"), label=label)
    figure.line(
        axes,
        SIZES,
        results.mean("few", "score"),
        label=Text("模型打的分（有钻空子的）", "the model's score (with exploits)"),
    )
    axes.set_xscale("log", base=2)
    figure.name(axes, x=Text("n：从多少条里挑", "n: of how many the best is taken"), y=Text("平均值", "mean"))


lab = Lab(
    title=Text(
        "挑得越多越好吗？best-of-n 与古德哈特定律", "Is more choice always better? Best of n and Goodhart's law"
    ),
    about_zh="""
        用奖励模型从 n 条回答里挑最好的：n 越大，回答就越好吗？

        每条回答有真正的价值，和奖励模型打的分。多数时候模型是对的：分数等于价值加一点噪声。少数回答钻了空子：分数高，价值却没有
        （放到语言里：又长、又会讨好、口气很肯定）。

        只挑几条时，钻空子的很少碰到，挑选有用。挑得多了，几乎每次都有一条，而且总是它胜出：分数一直涨，价值却掉头向下。
        这就是古德哈特定律：一个指标成了目标，就不再是好指标。
        """,
    settings=Settings(),
    arms={"none": {"exploits": "none"}, "few": {"exploits": "few"}},
    labels={
        "none": Text("真正的价值（没有钻空子的）", "true worth (no exploits)"),
        "few": Text("真正的价值（有钻空子的）", "true worth (with exploits)"),
    },
    run=run,
    metrics={
        "score": Metric(Text("分数", "score")),
        "worth": Metric(Text("价值", "worth")),
        "last": Metric(Text("n = 256 时的价值", "worth at n = 256")),
        "highest": Metric(Text("最高的价值", "highest worth")),
        "gain": Metric(Text("分数涨了多少", "how much the score rose")),
        "worth_gain": Metric(Text("价值涨了多少", "how much the worth rose")),
    },
    claims=[
        Claim(
            "turns_over",
            Text(
                "有钻空子的回答时，挑 256 条比挑得最合适时差 1 以上",
                "With exploits the best of 256 is worth less than the best choice of n by more than 1",
            ),
            lambda arm: arm["few"]["highest"] - arm["few"]["last"] > 1,
        ),
        Claim(
            "score_rises",
            Text(
                "模型打的分却涨得更多：比没有钻空子的回答时多 0.5 以上",
                "The model's score rises all the more: by more than 0.5 beyond that without exploits",
            ),
            lambda arm: arm["few"]["gain"] > arm["none"]["gain"] + 0.5,
        ),
        Claim(
            "safe_without",
            Text(
                "没有钻空子的回答时，挑选让价值多涨 2 以上",
                "Without exploits choosing raises the worth by more than 2 beyond that with them",
            ),
            lambda arm: arm["none"]["worth_gain"] > arm["few"]["worth_gain"] + 2,
        ),
    ],
    sabotages=[
        Sabotage(
            {"bonus": 0.0},
            ("turns_over",),
            Text("钻空子得不到高分，也就不会胜出", "exploits that score nothing more do not win"),
        ),
        Sabotage(
            {"choice": "chance"},
            ("turns_over", "score_rises", "safe_without"),
            Text("随便挑一条，就没有挑选可言", "an answer taken by chance is no choice"),
        ),
    ],
    prediction=Prediction(
        Text(
            "有 1% 的回答钻空子，n 从 1 加到 256，挑出来的回答会怎样？",
            "1 % of the answers are exploits: n grows from 1 to 256. What becomes of the answer that is taken?",
        ),
        {
            "better": Text("越来越好", "better and better"),
            "turns": Text("先变好，后变差", "first better, then worse"),
        },
        lambda results: "turns" if results.mean("few", "highest") - results.mean("few", "last") > 0.2 else "better",
    ),
    why=Text(
        "从 n 条里挑分最高的，挑中的是分布的尾巴。大多数回答的分和真实价值差不多，可尾巴里钻空子的回答分最高、价值是 0；"
        "n 一大，几乎每次都会碰上一条，于是分还在涨，价值掉下来了。",
        "Taking the best of n means taking from the tail. For most answers score and worth are nearly the same, but "
        "in the tail stand the exploits, with the highest scores and no worth; with a large n one of them is nearly "
        "always there, so that the score still rises and the worth falls.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
