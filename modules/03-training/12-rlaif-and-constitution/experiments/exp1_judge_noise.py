"""How good must a judge be for training on its preferences to help?

The policy has twelve answers to each of 200 questions, one of them right. It writes pairs of which one is right, a judge
says which is better, and DPO trains on what it said. The arms differ in how often the judge is right. Measured is the
probability of a right answer, exactly, before and after.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

QUESTIONS, ANSWERS = 200, 12


@dataclass(frozen=True)
class Settings:
    judge: float = param(0.95, low=0.0, high=1.0, zh="评审说对的比例", en="how often the judge is right")
    pairs: int = param(16, low=1, high=200, zh="每个问题写几对", en="pairs written to a question")
    steps: int = param(100, low=10, high=1000, zh="训练多少步", en="steps")
    beta: float = param(0.2, low=0.01, high=5.0, zh="DPO 的 β", en="DPO's beta")
    listens: bool = param(True, zh="数据照评审说的来", en="the data follow the judge", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    number, right = torch.arange(QUESTIONS), torch.randint(ANSWERS, (QUESTIONS,))
    logits = torch.randn(QUESTIONS, ANSWERS)
    logits[number, right] += 1.0
    asked = number.repeat(settings.pairs)
    pair = torch.multinomial(logits.softmax(-1)[asked], 2, replacement=True)
    good = pair == right[asked, None]
    useful = good[:, 0] != good[:, 1]
    asked, pair, good = asked[useful], pair[useful], good[useful]
    said = torch.where(torch.rand(len(asked)) < settings.judge, good[:, 0], good[:, 1])
    if not settings.listens:
        said = torch.rand(len(asked)) < 0.5
    chosen, rejected = pair.gather(1, (~said).long()[:, None])[:, 0], pair.gather(1, said.long()[:, None])[:, 0]
    policy, reference = logits.clone().requires_grad_(), logits.log_softmax(-1)
    optimizer = torch.optim.Adam([policy], lr=0.05)
    for _ in range(settings.steps):
        logp = policy.log_softmax(-1)
        loss = REFERENCE.dpo_loss(
            logp[asked, chosen],
            logp[asked, rejected],
            reference[asked, chosen],
            reference[asked, rejected],
            settings.beta,
        ).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    before, after = (one.softmax(-1)[number, right].mean().item() for one in (logits, policy.detach()))
    return {"before": before, "after": after}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    figure.bars(
        axes, [results.label(arm) for arm in results.arms], [results.mean(arm, "after") for arm in results.arms]
    )
    figure.floor(axes, results.mean("coin", "before"), Text("训练前", "before training"))
    figure.name(
        axes,
        x=Text("评审说对的比例", "how often the judge is right"),
        y=Text("答对的概率", "probability of a right answer"),
    )


lab = Lab(
    title=Text("评审要多准才有用？", "How good must a judge be?"),
    about_zh="""
        评审说对几成，照它的话训练才有用？

        200 个问题，每个问题策略有十二个回答可选，一个是对的。它写出一对一错的回答对，评审说哪个好，DPO 就照它说的训练。
        各组只差评审说对的比例。量的是答对的概率（精确算出），训练前和训练后。
        """,
    settings=Settings(),
    arms={"coin": {"judge": 0.5}, "poor": {"judge": 0.6}, "fair": {"judge": 0.8}, "good": {"judge": 0.95}},
    labels={
        "coin": Text("50%", "50 %"),
        "poor": Text("60%", "60 %"),
        "fair": Text("80%", "80 %"),
        "good": Text("95%", "95 %"),
    },
    run=run,
    metrics={
        "before": Metric(Text("训练前答对", "right before"), format=".1%"),
        "after": Metric(Text("训练后答对", "right after"), format=".1%"),
    },
    claims=[
        Claim(
            "rises",
            Text("评审越准，训练后答对的越多", "The better the judge, the more is right after training"),
            lambda arm: arm["coin"]["after"] < arm["poor"]["after"] < arm["fair"]["after"] < arm["good"]["after"],
        ),
        Claim(
            "poor",
            Text(
                "六成准的评审，进步不到九成五准的三分之一",
                "A judge that is right in 60 % brings less than a third of what one of 95 % does",
            ),
            lambda arm: (
                arm["poor"]["after"] - arm["poor"]["before"] < (arm["good"]["after"] - arm["good"]["before"]) / 3
            ),
        ),
    ],
    sabotages=[
        Sabotage({"listens": False}, ("rises", "poor"), Text("数据不听评审的", "the data do not follow the judge")),
    ],
    prediction=Prediction(
        Text(
            "评审十次错四次（六成准）。照它说的训练，答对的会怎样？",
            "A judge is wrong in four cases of ten. What does training on its word do to the share of right answers?",
        ),
        {
            "falls": Text("下降", "it falls"),
            "little": Text("升一些", "it rises a little"),
            "much": Text("升一倍以上", "it more than doubles"),
        },
        lambda results: (
            "falls"
            if results.mean("poor", "after") < results.mean("poor", "before")
            else "little"
            if results.mean("poor", "after") < 2 * results.mean("poor", "before")
            else "much"
        ),
    ),
    why=Text(
        "同一个问题的几对里，说对的和说错的互相抵消，剩下的才是方向：六成准剩两成，九成五准剩九成。错得随机，多几对就能抵消；错得一"
        "贯，多少对都没有用。",
        "Of the pairs of one question, right and wrong verdicts cancel, and what is left gives the "
        "direction: a fifth at 60 %, nine "
        "tenths at 95 %. Errors by chance cancel with more pairs; errors of taste never do.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
