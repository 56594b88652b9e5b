"""How far should an advantage look ahead: one step (λ = 0), to the end (λ = 1), or in between?

An answer of sixteen tokens. Each is good (+1) or bad (-1) by the toss of a coin, and the reward at the end is their sum with a
little noise. So the truth is known: the advantage of a good token is +1, that of a bad one -1, and the value before a token is
the sum of those before it.

The critic is half trained: it expects half of the true value. The advantages are those of `fledge.rollout.advantages.gae`
(Schulman et al., 2016). For each λ we measure how much of a token's credit is missing (the bias: 0 is right, 1 is no credit at
all), and how much a single advantage scatters around what it should be on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.rollout.advantages import gae

LAMBDAS = {"one": 0.0, "usual": 0.95, "end": 1.0}


@dataclass(frozen=True)
class Settings:
    ahead: str = param("usual", choices=("one", "usual", "end"), zh="λ", en="λ")
    critic: float = param(
        0.5, low=0.0, high=1.5, zh="价值网络学到了真值的几成", en="share of the value that the critic expects"
    )
    answers: int = param(4000, low=500, high=50_000, zh="多少个回答", en="answers")
    tokens: int = param(16, low=1, high=64, zh="一个回答几个词元", en="tokens of an answer", hidden=True)
    noise: float = param(1.0, low=0.0, high=10.0, zh="奖励的噪声", en="noise of the reward")


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The credit that the tokens of every place get (1 is right), what is missing of it, and the scatter."""
    N, T = settings.answers, settings.tokens
    good_NT = torch.where(torch.rand(N, T, dtype=torch.float64) < 0.5, 1.0, -1.0)
    value_NT = settings.critic * (good_NT.cumsum(1) - good_NT)  # before each token
    reward_N = good_NT.sum(1) + settings.noise * torch.randn(N, dtype=torch.float64)
    lam, before = LAMBDAS[settings.ahead], [0.0] * (T - 1)
    found = [
        gae([*before, reward], values, 1.0, lam)[0] for reward, values in zip(reward_N.tolist(), value_NT.tolist())
    ]
    advantage_NT = torch.tensor(found, dtype=torch.float64)
    credit_T = (advantage_NT * good_NT).mean(0)
    rest_NT = advantage_NT - credit_T * good_NT
    return {
        "credit": credit_T.tolist(),
        "missing": (1 - credit_T).abs().mean().item(),
        "scatter": rest_NT.std(0).mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        credit = results.mean(arm, "credit")
        figure.line(left, range(1, len(credit) + 1), credit, label=results.label(arm))
    figure.floor(left, 1.0, Text("应得的", "what is due"))
    figure.bars(
        right, [results.label(arm) for arm in results.arms], [results.mean(arm, "scatter") for arm in results.arms]
    )
    figure.name(left, x=Text("第几个词元", "token"), y=Text("词元分到的功劳", "credit of a token"))
    figure.name(right, y=Text("一个优势的波动", "scatter of one advantage"))


lab = Lab(
    title=Text("优势该往前看多远？", "How far should an advantage look ahead?"),
    about_zh="""
        优势该往前看多远：一步（λ = 0）、到结尾（λ = 1），还是折中？

        一个回答有 16 个词元，每个是好（+1）是坏（−1）由抛硬币决定，最后的奖励是它们之和，加一点噪声。所以真相是知道的：好词元的
        优势是 +1，坏词元的是 −1，写一个词元之前的价值是前面各个之和。

        价值网络只学到一半：它预期的是真值的一半。优势由 `fledge.rollout.advantages.gae` 计算（Schulman 等，2016）。对每个 λ 量两件
        事：词元的功劳少算了多少（偏差：0 是一点没少，1 是全没算），以及单个优势在它应有的平均值上下波动多大。
        """,
    settings=Settings(),
    arms={name: {"ahead": name} for name in LAMBDAS},
    labels={
        "one": Text("λ = 0", "λ = 0"),
        "usual": Text("λ = 0.95", "λ = 0.95"),
        "end": Text("λ = 1", "λ = 1"),
    },
    run=run,
    metrics={
        "credit": Metric(Text("词元分到的功劳", "credit of a token")),
        "missing": Metric(Text("少算的功劳（偏差）", "credit that is missing (bias)"), chance=1.0, floor=0.0),
        "scatter": Metric(Text("一个优势的波动", "scatter of one advantage"), floor=0.0),
    },
    claims=[
        Claim(
            "one_step_believes",
            Text(
                "价值网络只对一半：λ = 0 少算四成以上的功劳，λ = 1 少算不到一成",
                "With a critic that is half right λ = 0 misses over 40 % of the credit and λ = 1 less than 10 %",
            ),
            lambda arm: arm["one"]["missing"] > 0.4 and arm["end"]["missing"] < 0.1,
        ),
        Claim(
            "the_end_scatters",
            Text("λ = 1 的波动是 λ = 0 的三倍以上", "λ = 1 scatters more than three times as much as λ = 0"),
            lambda arm: arm["end"]["scatter"] > 3 * arm["one"]["scatter"],
        ),
        Claim(
            "between",
            Text(
                "λ = 0.95 在两者之间：少算的不到 λ = 0 的一半，波动比 λ = 1 小一成以上",
                "λ = 0.95 lies between: less than half of the bias of λ = 0, and a tenth less scatter than λ = 1",
            ),
            lambda arm: (
                arm["usual"]["missing"] < arm["one"]["missing"] / 2
                and arm["usual"]["scatter"] < 0.9 * arm["end"]["scatter"]
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"critic": 1.0},
            ("one_step_believes", "between"),
            Text("价值网络完全对：λ = 0 也不少算", "a critic that is right: λ = 0 misses nothing either"),
        ),
        Sabotage(
            {"tokens": 1},
            ("one_step_believes", "the_end_scatters", "between"),
            Text("只有一个词元，没有“前面”可看", "with a single token there is nothing ahead"),
        ),
    ],
    prediction=Prediction(
        Text(
            "价值网络只学到真值的一半。哪个 λ 给词元的功劳最准（平均来说）？",
            "The critic expects half of the true value. With which λ is the credit of a token right on average?",
        ),
        {
            "one": Text("λ = 0：只看一步，最干净", "λ = 0, the cleanest for it looks one step ahead"),
            "end": Text("λ = 1：不听价值网络的", "λ = 1, for it does not listen to the critic"),
        },
        lambda results: "end" if results.mean("end", "missing") < results.mean("one", "missing") else "one",
    ),
    why=Text(
        "λ = 0 时，一个词元的功劳就是价值网络的估计变了多少；估计只有真值的一半，功劳也只有一半，剩下的都堆到了最后一个词元上。"
        "λ = 1 用的是真正的奖励，平均没有错，可是后面每个词元的运气都算了进来。",
        "With λ = 0 the credit of a token is by how much the critic's estimate moves. It moves by half of what it should, and "
        "the other half is heaped upon the last token. λ = 1 takes the reward itself: right on average, but with the luck of "
        "every later token in it.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
