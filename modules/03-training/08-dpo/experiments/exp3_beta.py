"""β = 1, 0.1 or 0.01: how far does DPO go from its reference, and what does it get for that?

Thirty questions, eight answers each. Every answer has a true reward, and every two of them are compared by so many people that
the share who prefers one is just what Bradley and Terry say. The policy is a table, and it is trained until its loss falls no
more. So it can be held against the theory: the best policy has the reference's probability times exp(reward / β), over their
sum (Rafailov et al., 2023).

The same pairs, the same loss, another β. We look at the KL to the reference, at the mean reward, and at how far the policy is
from what theory says.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.training.preference import dpo_loss

QUESTIONS, ANSWERS = 30, 8
BETAS = {"one": 1.0, "tenth": 0.1, "hundredth": 0.01}


@dataclass(frozen=True)
class Settings:
    beta: str = param("tenth", choices=("one", "tenth", "hundredth"), zh="β", en="β")
    spread: float = param(1.0, low=0.0, high=5.0, zh="奖励相差多大", en="spread of the rewards")


def run(settings: Settings, seed: int) -> dict[str, float]:
    """What the trained table is, beside its reference and beside the theory."""
    beta = BETAS[settings.beta]
    reward_QA = settings.spread * torch.randn(QUESTIONS, ANSWERS, dtype=torch.float64)
    ref_QA = torch.randn(QUESTIONS, ANSWERS, dtype=torch.float64).log_softmax(1)
    first, second = torch.triu_indices(ANSWERS, ANSWERS, 1)
    prefer_QP = (reward_QA[:, first] - reward_QA[:, second]).sigmoid()
    scores_QA = ref_QA.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [scores_QA], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        logp_QA = scores_QA.log_softmax(1)
        sides = logp_QA[:, first], logp_QA[:, second], ref_QA[:, first], ref_QA[:, second]
        turned = sides[1], sides[0], sides[3], sides[2]
        loss = (prefer_QP * dpo_loss(*sides, beta) + (1 - prefer_QP) * dpo_loss(*turned, beta)).mean()
        loss.backward()
        return loss

    optimizer.step(step)
    logp_QA = scores_QA.detach().log_softmax(1)
    theory_QA = (ref_QA + reward_QA / beta).log_softmax(1)
    p_QA = logp_QA.exp()
    best = (p_QA * reward_QA).sum(1)
    return {
        "kl": (p_QA * (logp_QA - ref_QA)).sum(1).mean().item(),
        "before": (ref_QA.exp() * reward_QA).sum(1).mean().item(),
        "reward": best.mean().item(),
        "answers": (-(p_QA * logp_QA).nan_to_num().sum(1)).exp().mean().item(),
        "off": (p_QA - theory_QA.exp()).abs().sum(1).mean().item() / 2,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "kl") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "reward") for arm in results.arms])
    figure.name(left, y=Text("离参考多远（KL）", "KL to the reference"))
    figure.name(right, y=Text("平均奖励", "mean reward"))


lab = Lab(
    title=Text("β 小十倍，离参考远多少？", "A tenth of β: how much further from the reference?"),
    about_zh="""
        β = 1、0.1、0.01：DPO 会离参考模型多远，换来了什么？

        三十个问题，各有八条回答。每条有真正的奖励，每两条都由很多人比过，偏向其中一条的比例正好是 Bradley–Terry 说的那么多。
        策略是一张表，训练到损失不再下降。于是可以和理论对照：最好的策略是参考模型的概率乘 exp(奖励 / β)，再除以总和
        （Rafailov 等，2023）。

        同样的数据、同样的损失，只换 β。看离参考的 KL、平均奖励，以及和理论差多少。
        """,
    settings=Settings(),
    arms={name: {"beta": name} for name in BETAS},
    labels={
        "one": Text("β = 1", "β = 1"),
        "tenth": Text("β = 0.1", "β = 0.1"),
        "hundredth": Text("β = 0.01", "β = 0.01"),
    },
    run=run,
    metrics={
        "kl": Metric(Text("离参考的 KL", "KL to the reference"), format=".2f", floor=0.0),
        "before": Metric(Text("参考的平均奖励", "reward of the reference"), format=".2f"),
        "reward": Metric(Text("平均奖励", "mean reward"), format=".2f"),
        "answers": Metric(
            Text("还会写几种回答（共 8 种）", "answers that are still given (of 8)"), format=".1f", floor=1.0
        ),
        "off": Metric(Text("和理论差多少", "distance from the theory"), format=".0e", floor=0.0, noisy=True),
    },
    claims=[
        Claim(
            "as_in_theory",
            Text(
                "每个 β 都落在理论上（差不到 1%）；β 从 1 到 0.1，KL 变成四倍以上",
                "Every β ends where theory says (to 1 %), and from β = 1 to 0.1 the KL is more than four times as large",
            ),
            lambda arm: (
                all(one["off"] < 0.01 for one in arm.values()) and arm["tenth"]["kl"] > 4 * arm["one"]["kl"] + 0.1
            ),
        ),
        Claim(
            "little_left",
            Text(
                "再小十倍就到头了：奖励多不到 0.1，β 从 1 到 0.1 时多了 0.4 以上",
                "Another tenth brings nearly nothing: less than 0.1 of reward, where that from 1 to 0.1 brought over 0.4",
            ),
            lambda arm: (
                arm["hundredth"]["reward"] - arm["tenth"]["reward"] < 0.1
                and arm["tenth"]["reward"] - arm["one"]["reward"] > 0.4
            ),
        ),
        Claim(
            "one_answer",
            Text(
                "β = 0.01 只剩一种回答（不到 1.2 种），β = 1 还有三种以上",
                "With β = 0.01 one answer is left (under 1.2), with β = 1 more than three",
            ),
            lambda arm: arm["hundredth"]["answers"] < 1.2 and arm["one"]["answers"] > 3,
        ),
    ],
    sabotages=[
        Sabotage(
            {"spread": 0.0},
            ("as_in_theory", "little_left", "one_answer"),
            Text("回答不分好坏，没有什么可学", "all answers are equally good, and there is nothing to learn"),
        ),
    ],
    prediction=Prediction(
        Text("β 从 0.1 减到 0.01，平均奖励会怎样？", "β goes from 0.1 to 0.01. What becomes of the mean reward?"),
        {"more": Text("再涨一截", "it rises by another step"), "same": Text("几乎不变", "it hardly changes")},
        lambda results: (
            "same" if results.mean("hundredth", "reward") - results.mean("tenth", "reward") < 0.1 else "more"
        ),
    ),
    why=Text(
        "同样的比较教给三个策略同样的奖励；β 只管奖励怎样变成概率，exp(奖励 / β)。β = 1 时好回答多几倍，β = 0.1 时多出几万倍，"
        "最好的那条已经占了几乎全部，再小也没有什么可拿的了。",
        "The same comparisons teach all three the same rewards. β only says how a reward becomes a probability, exp(reward / β): "
        "with β = 1 a good answer gains a few times, with β = 0.1 some ten thousand times, so that the best has nearly "
        "everything, and a smaller β finds nothing more to take.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
