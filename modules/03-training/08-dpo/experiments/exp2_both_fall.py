"""The loss of DPO falls: does the chosen answer become more likely?

The loss sees one thing, by how much the chosen answer has gained on the rejected one. It says nothing about all other answers,
and what raises one answer of a network raises those that look alike. Here a policy as small as that can be: forty answers to a
question, each a row of sixteen features, and the score of an answer is the sum of its features times weights that are trained.
One pair of the forty is learnt, with the engine's loss.

Two arms: a pair that is alike (features that correlate by 0.9), and one that has nothing in common. We look at the
log-probabilities of both answers, and at what the answers that nobody judged have together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

QUESTIONS, ANSWERS, FEATURES = 40, 40, 16
ALIKE = {"alike": 0.9, "unlike": 0.0}


@dataclass(frozen=True)
class Settings:
    pair: str = param("alike", choices=("alike", "unlike"), zh="一对里的两条像不像", en="whether the two are alike")
    steps: int = param(200, low=20, high=2000, zh="训练步数", en="training steps")
    beta: float = param(0.1, low=0.01, high=1.0, zh="β", en="β")
    shared: bool = param(True, zh="回答之间共用权重", en="answers share weights", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Means over questions of both log-probabilities (less those at first), over the training and at its end."""
    features_QAF = torch.randn(QUESTIONS, ANSWERS, FEATURES)
    alike = ALIKE[settings.pair]
    features_QAF[:, 1] = alike * features_QAF[:, 0] + (1 - alike**2) ** 0.5 * features_QAF[:, 1]
    if not settings.shared:
        features_QAF = torch.eye(ANSWERS).expand(QUESTIONS, -1, -1)
    start_QA = torch.randn(QUESTIONS, ANSWERS)
    weights_QF = torch.zeros(QUESTIONS, features_QAF.shape[2], requires_grad=True)
    ref_QA, course = start_QA.log_softmax(1), []
    optimizer = torch.optim.AdamW([weights_QF], lr=0.02, weight_decay=0.0)
    for _ in range(settings.steps):
        logp_QA = (start_QA + torch.einsum("qaf,qf->qa", features_QAF, weights_QF)).log_softmax(1)
        moved_QA = (logp_QA - ref_QA).detach()
        course.append([moved_QA[:, 0].mean().item(), moved_QA[:, 1].mean().item()])
        loss = REFERENCE.dpo_loss(logp_QA[:, 0], logp_QA[:, 1], ref_QA[:, 0], ref_QA[:, 1], settings.beta).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    others_QA = logp_QA.detach().exp()[:, 2:]
    return {
        "chosen_course": [chosen for chosen, _ in course],
        "rejected_course": [rejected for _, rejected in course],
        "chosen": course[-1][0],
        "rejected": course[-1][1],
        "margin": course[-1][0] - course[-1][1],
        "loss": loss.item(),
        "others": others_QA.sum(1).mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    for axes, arm in zip(figure.axes(1, 2), results.arms):
        steps = range(len(results.mean(arm, "chosen_course")))
        figure.line(axes, steps, *results.band(arm, "chosen_course"), label=Text("选中的", "chosen"))
        figure.line(axes, steps, *results.band(arm, "rejected_course"), label=Text("没选中的", "rejected"))
        figure.name(
            axes,
            x=Text("步数", "step"),
            y=Text("对数概率变了多少", "change of the log-probability"),
            title=results.label(arm),
        )


lab = Lab(
    title=Text("DPO 的损失在降，好回答更可能了吗？", "The loss of DPO falls: is the chosen answer more likely?"),
    about_zh="""
        DPO 的损失在降，选中的回答就更可能了吗？

        损失只看一件事：选中的比没选中的多涨了多少。别的回答怎样，它一个字也没说；而神经网络把一条回答推高，和它相像的也跟着高。
        这里用一个最小的、有这种性质的策略：一个问题四十条回答，每条是十六个特征，分数是特征乘上要训练的权重再相加。
        四十条里只有一对拿来学，损失是引擎里的那个。

        两组：这一对很像（特征的相关是 0.9），和毫无共同之处。看两条各自的对数概率，再看没有人评过的回答一共占多少。
        """,
    settings=Settings(),
    arms={name: {"pair": name} for name in ALIKE},
    labels={"alike": Text("两条很像", "alike"), "unlike": Text("两条不像", "unlike")},
    run=run,
    metrics={
        "chosen_course": Metric(Text("选中的变了多少", "change of the chosen")),
        "rejected_course": Metric(Text("没选中的变了多少", "change of the rejected")),
        "chosen": Metric(Text("选中的最后变了多少", "change of the chosen at last"), format=".1f"),
        "rejected": Metric(Text("没选中的最后变了多少", "change of the rejected at last"), format=".1f"),
        "margin": Metric(Text("差", "margin"), format=".1f"),
        "loss": Metric(Text("损失", "loss"), chance=0.693, floor=0.0),
        "others": Metric(Text("没人评过的回答占多少", "share of the others")),
    },
    claims=[
        Claim(
            "both_fall",
            Text(
                "两条很像时，损失降到 0.3 以下，选中的对数概率却降了 5 以上；不像时它升了",
                "Alike: the loss falls below 0.3, and the chosen log-probability by over 5; unlike: it rises",
            ),
            lambda arm: arm["alike"]["loss"] < 0.3 and arm["alike"]["chosen"] < -5 and arm["unlike"]["chosen"] > 0,
        ),
        Claim(
            "others_take_it",
            Text(
                "少掉的概率归了没有人评过的回答：两条很像时它们占八成以上，比不像时多 20 个百分点",
                "What is lost goes to answers that nobody judged: over 80 % when alike, 20 points more than when unlike",
            ),
            lambda arm: arm["alike"]["others"] > 0.8 and arm["alike"]["others"] > arm["unlike"]["others"] + 0.2,
        ),
    ],
    sabotages=[
        Sabotage(
            {"shared": False},
            ("both_fall", "others_take_it"),
            Text("每条回答有自己的权重，推一条不牵动别的", "every answer has a weight of its own, and pulls no other"),
        ),
    ],
    prediction=Prediction(
        Text(
            "损失从 0.693 降到 0.2 以下。选中的回答的概率会怎样？",
            "The loss falls from 0.693 below 0.2. What becomes of the chosen answer's probability?",
        ),
        {
            "rises": Text("一定升高了", "it must have risen"),
            "depends": Text("要看两条像不像", "that depends on how alike the two are"),
        },
        lambda results: (
            "depends" if results.mean("alike", "chosen") < 0 < results.mean("unlike", "chosen") else "rises"
        ),
    ),
    why=Text(
        "要拉开很像的两条，只能沿着它们的差别推，而且要推得很远。选中的自己在这个方向上只占一点点，别的回答里总有占得多的："
        "它们升得更快，把概率都拿走了。损失不看它们，所以照样下降。",
        "Two answers that are alike are told apart only along what differs, and must be pushed far. The chosen one has little of "
        "that itself; among the others some have more, rise faster, and take the probability. The loss does not look at them, "
        "and falls all the same.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
