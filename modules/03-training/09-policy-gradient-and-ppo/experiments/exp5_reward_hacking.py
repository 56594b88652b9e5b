"""How long may the rope of the KL be, when the reward has a hole?

A policy writes answers of eight words, out of twenty. Most words are worth something between -1.5 and 1.5, and the judge scores
them by their worth. Two words flatter: they are worth -2, and the judge likes them: 3. At first the policy hardly ever writes
them.

Policy gradient (REINFORCE with the mean of the batch for a baseline) makes the judge's score rise. Every word costs β times k1,
its log-probability minus what it was at first: that is the KL in the reward, as InstructGPT has it. Three arms: no rope (β =
0), a long one (β = 0.1) and a short one (β = 1). What the answers are worth in truth is computed from the policy, and never
trained on. With `--kl loss` the rope is k3 in the loss instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.rollout.policy import k3

WORDS, FLATTER, LENGTH, BATCH = 20, 2, 8, 64
BETAS = {"none": 0.0, "long": 0.1, "short": 1.0}


@dataclass(frozen=True)
class Settings:
    rope: str = param("short", choices=("none", "long", "short"), zh="KL 的绳子", en="the rope of the KL")
    steps: int = param(400, low=50, high=5000, zh="训练步数", en="training steps")
    liked: float = param(3.0, low=-2.0, high=10.0, zh="讨好的词得几分", en="score of a word that flatters")
    worth: float = param(-2.0, low=-10.0, high=3.0, zh="讨好的词值几分", en="worth of a word that flatters")
    kl: str = param("reward", choices=("reward", "loss"), zh="KL 放在哪里", en="where the KL goes")
    speed: float = param(0.03, low=0.0, high=1.0, zh="学习率", en="learning rate", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Score and worth of a word over the training (means, exact), and where they end."""
    worth_V = torch.rand(WORDS) * 3 - 1.5
    score_V = worth_V.clone()
    worth_V[:FLATTER], score_V[:FLATTER] = settings.worth, settings.liked
    logits = torch.randn(WORDS) * 0.5
    logits[:FLATTER] = logits.mean() - 4  # together one word in five hundred
    reference_V = logits.log_softmax(0)
    logits = logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=settings.speed)
    scores, worths = [], []
    for _ in range(settings.steps):
        logp_V = logits.log_softmax(0)
        p_V = logp_V.detach().exp()
        scores.append((p_V @ score_V).item())
        worths.append((p_V @ worth_V).item())
        words_NL = torch.multinomial(p_V, BATCH * LENGTH, replacement=True).view(BATCH, LENGTH)
        logp_NL, ref_NL, beta = logp_V[words_NL], reference_V[words_NL], BETAS[settings.rope]
        reward_NL = score_V[words_NL]
        if settings.kl == "reward":
            reward_NL = reward_NL - beta * (logp_NL.detach() - ref_NL)
        reward_N = reward_NL.sum(1)
        loss = -(reward_N - reward_N.mean())[:, None] * logp_NL
        if settings.kl == "loss":
            loss = loss + beta * k3(logp_NL, ref_NL)
        loss = loss.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    p_V = logits.detach().softmax(0)
    return {
        "scores": scores,
        "worths": worths,
        "score": scores[-1],
        "before": worths[0],
        "highest": max(worths),
        "worth": worths[-1],
        "flatter": p_V[:FLATTER].sum().item(),
        "kl": (p_V * (p_V.log() - reference_V)).sum().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        steps = range(len(results.mean(arm, "scores")))
        figure.line(left, steps, *results.band(arm, "scores"), label=results.label(arm))
        figure.line(right, steps, *results.band(arm, "worths"), label=results.label(arm))
    figure.name(left, x=Text("步数", "step"), y=Text("评分（训练用的）", "score (trained on)"))
    figure.name(right, x=Text("步数", "step"), y=Text("真正的价值", "true worth"))


lab = Lab(
    title=Text("奖励有空子，KL 的绳子该多长？", "The reward has a hole: how long may the rope of the KL be?"),
    about_zh="""
        奖励有空子的时候，KL 这根绳子该多长？

        策略写八个词的回答，一共有二十个词。多数词的价值在 −1.5 到 1.5 之间，评分就是它们的价值。有两个词专门讨好：值 −2 分，
        评分却给 3 分。策略一开始几乎不写它们。

        策略梯度（REINFORCE，基线是一批的平均）让评分升高。每写一个词，扣 β 乘 k1，也就是它的对数概率减去一开始的：这是
        InstructGPT 的做法，KL 放在奖励里。三组：没有绳子（β = 0）、长绳子（β = 0.1）、短绳子（β = 1）。回答真正值多少，
        从策略算出来，从不用来训练。加上 `--kl loss`，绳子就换成损失里的 k3。
        """,
    settings=Settings(),
    arms={name: {"rope": name} for name in BETAS},
    labels={
        "none": Text("β = 0", "β = 0"),
        "long": Text("β = 0.1", "β = 0.1"),
        "short": Text("β = 1", "β = 1"),
    },
    run=run,
    metrics={
        "scores": Metric(Text("评分", "score")),
        "worths": Metric(Text("价值", "worth")),
        "score": Metric(Text("最后的评分", "score at last"), format=".2f"),
        "before": Metric(Text("训练前的价值", "worth before"), format=".2f"),
        "highest": Metric(Text("最高的价值", "highest worth"), format=".2f"),
        "worth": Metric(Text("最后的价值", "worth at last"), format=".2f"),
        "flatter": Metric(Text("讨好的词占几成", "share of flattery"), floor=0.0),
        "kl": Metric(Text("一个词的 KL", "KL of a word"), floor=0.0),
    },
    claims=[
        Claim(
            "hacked",
            Text(
                "没有绳子：评分到 2.5 以上，价值降到 −1.5 以下；短绳子：价值高过训练前",
                "Without a rope the score ends above 2.5 and the worth below -1.5; with a short one the worth rises",
            ),
            lambda arm: (
                arm["none"]["score"] > 2.5
                and arm["none"]["worth"] < -1.5
                and arm["short"]["worth"] > arm["short"]["before"] + 0.1
            ),
        ),
        Claim(
            "long_does_not_hold",
            Text(
                "长绳子也拴不住：β = 0.1 的价值比 β = 1 低 1 以上",
                "A long rope does not hold: with β = 0.1 the worth is lower by more than 1 than with β = 1",
            ),
            lambda arm: arm["long"]["worth"] < arm["short"]["worth"] - 1,
        ),
        Claim(
            "good_first",
            Text(
                "钻空子之前价值先升过：没有绳子时，最高的价值比最后高 2 以上，比短绳子的高 0.3 以上",
                "Before the hole is found the worth rises: without a rope its highest is 2 above its last, and 0.3 above that "
                "of the short rope",
            ),
            lambda arm: (
                arm["none"]["highest"] > arm["none"]["worth"] + 2
                and arm["none"]["highest"] > arm["short"]["highest"] + 0.3
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"liked": -2.0},
            ("hacked", "long_does_not_hold", "good_first"),
            Text("评分没有空子：讨好的词得分等于价值", "a score without a hole: flattery scores what it is worth"),
        ),
        Sabotage({"speed": 0.0}, ("hacked", "long_does_not_hold", "good_first"), Text("策略不学", "nothing is learnt")),
    ],
    prediction=Prediction(
        Text(
            "β = 0.1 的绳子，能让策略不去写那两个讨好的词吗？",
            "Does a rope with β = 0.1 keep the policy from the two words that flatter?",
        ),
        {"holds": Text("能", "yes"), "late": Text("不能，只是晚一点", "no, it only comes later")},
        lambda results: "late" if results.mean("long", "flatter") > 0.5 else "holds",
    ),
    why=Text(
        "在“评分减 β 倍 KL”下，最好的策略让每个词的概率与原来的概率乘 e 的（评分/β）次方成正比。"
        "β = 1 时讨好的词只多 e 的 3 次方倍，原来太少，翻不了身；β = 0.1 时是 e 的 30 次方倍，多少见的空子也会占满。",
        "Of score minus β times KL the best policy gives a word its first probability times e to the power of score / β. With "
        "β = 1 flattery gains a factor of e³, and it was too rare for that to matter; with β = 0.1 it is e³⁰, and no hole is "
        "rare enough.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
