"""What does a baseline change about the policy gradient: its mean, or how much it scatters?

A bandit is the smallest task with a reward: one question, ten answers, and every answer pays 10 and a little more or less. The
policy is a softmax over ten numbers, so that the true gradient of the mean reward can be computed. REINFORCE (Williams, 1992)
estimates it from one sampled answer: reward times the gradient of its log-probability.

Three estimates: the reward as it is, the reward minus the mean reward of all answers so far, and the reward minus a number that
depends on the answer that was drawn (its own usual pay). For each we measure how far the mean of many estimates is from the
true gradient, and how much single ones scatter. The third one looks even calmer, and is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

ANSWERS = 10


@dataclass(frozen=True)
class Settings:
    baseline: str = param(
        "none", choices=("none", "mean", "answer"), zh="从奖励里减去什么", en="what is taken off the reward"
    )
    samples: int = param(100_000, low=10_000, high=1_000_000, zh="抽多少次", en="samples")
    level: float = param(10.0, low=0.0, high=100.0, zh="奖励的平均水平", en="level of the rewards")
    noise: float = param(0.5, low=0.0, high=5.0, zh="奖励的噪声", en="noise of a reward")
    used: bool = param(True, zh="真的减去", en="it is taken off", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """How far the mean of the estimates is from the gradient (over its length), and how much one of them scatters."""
    worth_A = settings.level + torch.randn(ANSWERS, dtype=torch.float64)
    p_A = torch.randn(ANSWERS, dtype=torch.float64).softmax(0)
    gradient_A = p_A * (worth_A - p_A @ worth_A)  # of the mean reward, by the policy's ten numbers
    drawn_N = torch.multinomial(p_A, settings.samples, replacement=True)
    reward_N = worth_A[drawn_N] + settings.noise * torch.randn(settings.samples, dtype=torch.float64)
    taken_N = torch.zeros_like(reward_N)
    if settings.used and settings.baseline == "mean":
        taken_N[1:] = reward_N.cumsum(0)[:-1] / torch.arange(1, settings.samples)  # of what came before
    elif settings.used and settings.baseline == "answer":
        taken_N = worth_A[drawn_N]
    score_NA = torch.eye(ANSWERS, dtype=torch.float64)[drawn_N] - p_A  # of log p, by the ten numbers
    estimate_NA = (reward_N - taken_N)[:, None] * score_NA
    length = gradient_A.norm()
    return {
        "off": ((estimate_NA.mean(0) - gradient_A).norm() / length).item(),
        "variance": (estimate_NA.var(0).sum() / length**2).item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "off") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "variance") for arm in results.arms])
    right.set_yscale("log")
    figure.name(left, y=Text("平均偏了多少（梯度的长度 = 1）", "error of the mean (the gradient = 1)"))
    figure.name(right, y=Text("一次估计的方差", "variance of one estimate"))


lab = Lab(
    title=Text("基线改变了策略梯度的什么？", "What does a baseline change about the policy gradient?"),
    about_zh="""
        从奖励里减去一个基线，改变的是策略梯度的平均，还是它的波动？

        多臂老虎机是最小的有奖励的任务：一个问题，十种回答，每种得 10 分上下。策略是十个数的 softmax，所以平均奖励的真梯度算得出来。
        REINFORCE（Williams，1992）只用抽到的一个回答来估计它：奖励乘上对数概率的梯度。

        三种估计：奖励原样；减去到此为止所有奖励的平均；减去一个随抽到的回答而变的数（这种回答平时的奖励）。每一种都量两件事：
        许多次估计的平均离真梯度多远，一次估计波动多大。第三种看上去还要平稳，却是错的。
        """,
    settings=Settings(),
    arms={name: {"baseline": name} for name in ("none", "mean", "answer")},
    labels={
        "none": Text("不减", "nothing"),
        "mean": Text("减平均", "the mean"),
        "answer": Text("减这种回答自己的", "the answer's own"),
    },
    run=run,
    metrics={
        "off": Metric(Text("平均的偏差（梯度的长度 = 1）", "error of the mean (the gradient = 1)"), floor=0.0),
        "variance": Metric(Text("一次估计的方差", "variance of one estimate"), format=".1f", floor=0.0),
    },
    claims=[
        Claim(
            "calmer",
            Text("减去平均，方差降到五分之一以下", "With the mean taken off the variance falls to less than a fifth"),
            lambda arm: arm["mean"]["variance"] < arm["none"]["variance"] / 5,
        ),
        Claim(
            "still_right",
            Text(
                "减去平均以后，估计的平均仍然是真梯度（差不到 15%）；减去回答自己的，就偏了一半以上",
                "The mean of the estimates is still the gradient (to 15 %); with the answer's own pay it is off by half",
            ),
            lambda arm: arm["mean"]["off"] < 0.15 and arm["answer"]["off"] > 0.5,
        ),
    ],
    sabotages=[
        Sabotage(
            {"used": False}, ("calmer", "still_right"), Text("三种都什么也不减", "nothing is taken off in any of them")
        ),
    ],
    prediction=Prediction(
        Text(
            "奖励都在 10 上下。减去它们的平均，一次估计的方差会怎样？",
            "All rewards are near 10. Their mean is taken off: what becomes of the variance of one estimate?",
        ),
        {
            "same": Text("差不多：减的是常数", "about the same, it is a constant"),
            "half": Text("大约减半", "about half is left"),
            "fifth": Text("剩下不到五分之一", "less than a fifth is left"),
        },
        lambda results: next(
            name
            for name, most in (("fifth", 0.2), ("half", 0.75), ("same", float("inf")))
            if results.mean("mean", "variance") < most * results.mean("none", "variance")
        ),
    ),
    why=Text(
        "∇ ln p 的平均是 0，所以减去一个与抽到谁无关的数，平均不变；而一次估计的大小由奖励乘上去，10 变成 1 上下，方差就小了许多。"
        "减去的数要是看了抽到的是谁，“谁比谁好”也一起被减掉了。",
        "The mean of ∇ ln p is 0, so a number that does not know which answer was drawn changes no mean; but it is what every "
        "estimate is multiplied with, and where 10 becomes about 1 the variance is far smaller. A number that does know it "
        "takes away which answer is better, too.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
