"""One batch of answers is learnt from eight times: what does PPO's clipping hold back?

A policy is a table: 64 questions, 20 possible answers each, their scores random. It writes four answers to every question, and
each gets a reward: its true worth and as much noise. Then the very same batch is learnt from eight times, in four parts, with
the loss of the engine, `fledge.rollout.policy.clipped_loss`: once with ε = 0.2 and once with no clipping.

The ratio says how much more likely an answer became than it was when it was written. What the batch believes to have gained is
the mean of ratio times advantage; what was gained in truth is computed from the table, and so is how far the policy has moved
(its KL). Both gains are in units of the advantages' spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.rollout.advantages import whiten
from fledge.rollout.policy import clipped_loss

QUESTIONS, ANSWERS, DRAWN = 64, 20, 4
NEVER = 1e9  # an ε that clips nothing


@dataclass(frozen=True)
class Settings:
    clip: str = param("usual", choices=("usual", "none"), zh="裁剪", en="clipping")
    epsilon: float = param(0.2, low=0.05, high=1.0, zh="ε", en="ε")
    passes: int = param(8, low=1, high=32, zh="同一批学几遍", en="passes over one batch")
    lr: float = param(0.05, low=0.001, high=0.5, zh="学习率", en="learning rate")
    noise: float = param(1.0, low=0.0, high=5.0, zh="奖励的噪声", en="noise of a reward")
    moves: bool = param(True, zh="策略会变", en="the policy moves", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """What one batch does to the policy that wrote it."""
    worth_QA = torch.randn(QUESTIONS, ANSWERS)
    scores_QA = torch.randn(QUESTIONS, ANSWERS).requires_grad_()
    p_QA = scores_QA.detach().softmax(1)
    drawn_QN = torch.multinomial(p_QA, DRAWN, replacement=True)
    reward_QN = worth_QA.gather(1, drawn_QN) + settings.noise * torch.randn(QUESTIONS, DRAWN)
    advantage_QN = whiten(reward_QN - (p_QA * worth_QA).sum(1, keepdim=True))
    old_QN = scores_QA.detach().log_softmax(1).gather(1, drawn_QN)
    limit = settings.epsilon if settings.clip == "usual" else NEVER
    optimizer = torch.optim.Adam([scores_QA], lr=settings.lr if settings.moves else 0.0)
    for _ in range(settings.passes):
        for part in torch.randperm(QUESTIONS).chunk(4):
            logp_QN = scores_QA[part].log_softmax(1).gather(1, drawn_QN[part])
            loss, _ = clipped_loss(logp_QN, old_QN[part], advantage_QN[part], limit, limit)
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
    logp_QA = scores_QA.detach().log_softmax(1)
    ratio_QN = (logp_QA.gather(1, drawn_QN) - old_QN).exp()
    believed = (ratio_QN * advantage_QN).mean() - advantage_QN.mean()
    scale = (reward_QN - (p_QA * worth_QA).sum(1, keepdim=True)).std()
    gained = ((logp_QA.exp() - p_QA) * worth_QA).sum(1).mean() / scale
    kl = (logp_QA.exp() * (logp_QA - p_QA.log())).sum(1).mean()
    return {
        "highest": ratio_QN.max().item(),
        "kl": kl.item(),
        "believed": believed.item(),
        "gained": gained.item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "highest") for arm in results.arms])
    sides = [(arm, name) for arm in results.arms for name in ("believed", "gained")]
    words = {"believed": Text("以为", "believed"), "gained": Text("真的", "gained")}
    named = [
        Text(f"{results.label(arm).zh}：{words[name].zh}", f"{results.label(arm).en}: {words[name].en}")
        for arm, name in sides
    ]
    figure.bars(right, named, [results.mean(arm, name) for arm, name in sides])
    right.tick_params(axis="x", labelsize="small")
    figure.name(left, y=Text("最大的比值", "highest ratio"))
    figure.name(right, y=Text("得益（优势的标准差 = 1）", "gain (spread of the advantages = 1)"))


lab = Lab(
    title=Text("同一批回答学八遍，裁剪拦住了什么？", "Eight passes over one batch: what does clipping hold back?"),
    about_zh="""
        同一批回答学八遍，PPO 的裁剪拦住了什么？

        策略是一张表：64 个问题，每个有 20 种回答，分数随机。每个问题写四个回答，各得一个奖励：真正的价值，加上同样大的噪声。
        然后把这一批学八遍，每遍分四份，用引擎自己的损失 `fledge.rollout.policy.clipped_loss`：一组 ε = 0.2，一组不裁剪。

        比值说的是：一个回答比写下它的时候可能了多少倍。这一批“以为”得到的，是比值乘优势的平均；真正得到的，从表里算得出来；
        策略走了多远（KL）也算得出来。两种得益都以优势的标准差为单位。
        """,
    settings=Settings(),
    arms={"usual": {"clip": "usual"}, "none": {"clip": "none"}},
    labels={"usual": Text("ε = 0.2", "ε = 0.2"), "none": Text("不裁剪", "no clipping")},
    run=run,
    metrics={
        "highest": Metric(Text("最大的比值", "highest ratio"), format=".2f"),
        "kl": Metric(Text("策略走了多远（KL）", "how far the policy moved (KL)"), floor=0.0),
        "believed": Metric(Text("以为得到的", "gain that is believed")),
        "gained": Metric(Text("真正得到的", "gain in truth")),
    },
    claims=[
        Claim(
            "ratios_stay",
            Text(
                "不裁剪时，有的回答变得可能了三倍以上；裁剪时没有一个到三倍",
                "Without clipping an answer becomes over three times as likely; with it none does",
            ),
            lambda arm: arm["none"]["highest"] > 3 > arm["usual"]["highest"],
        ),
        Claim(
            "less_far",
            Text("裁剪时策略走的距离不到三分之一", "With clipping the policy moves less than a third as far"),
            lambda arm: arm["usual"]["kl"] < arm["none"]["kl"] / 3,
        ),
        Claim(
            "believes_less",
            Text(
                "不裁剪时，以为得到的比真的多 0.5 以上；裁剪时多不到 0.4",
                "Without clipping the belief exceeds the truth by over 0.5; with it by less than 0.4",
            ),
            lambda arm: (
                arm["none"]["believed"] - arm["none"]["gained"] > 0.5
                and arm["usual"]["believed"] - arm["usual"]["gained"] < 0.4
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"epsilon": NEVER},
            ("ratios_stay", "less_far", "believes_less"),
            Text("ε 大到什么也裁不到", "an ε so large that nothing is clipped"),
        ),
        Sabotage(
            {"moves": False}, ("ratios_stay", "less_far", "believes_less"), Text("策略不更新", "the policy never moves")
        ),
    ],
    prediction=Prediction(
        Text(
            "同一批学八遍，ε = 0.2。回答的比值会超过 1.2 吗？",
            "Eight passes over a batch with ε = 0.2: does a ratio rise beyond 1.2?",
        ),
        {
            "wall": Text("不会：裁剪是一堵墙", "no, clipping is a wall"),
            "beyond": Text("会：裁剪只是不再推", "yes, clipping only stops pushing"),
        },
        lambda results: "beyond" if results.mean("usual", "highest") > 1.2 else "wall",
    ),
    why=Text(
        "同一批学下去，优势里的噪声也被当真：没有裁剪，好运气的回答被一遍一遍地推。裁剪在比值过了 1 + ε 后让它的梯度变成 0，"
        "推它的就只剩优化器的惯性，以及同一个问题的其他回答。",
        "Pass after pass the noise of the advantages is taken for truth, and without clipping a lucky answer is pushed every "
        "time. Beyond 1 + ε clipping makes its gradient 0: what still moves it is the optimizer's momentum, and the other "
        "answers to the same question.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
