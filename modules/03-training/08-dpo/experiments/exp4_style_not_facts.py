"""Pairs about manners, pairs about facts: what does DPO teach for questions that it never saw?

A small Transformer answers questions about sixty things with two words: a fact, one of twenty, and then a polite or a curt
word. Its fine-tuning showed it the true facts of forty things, and for the other twenty any fact at all; three of ten answers
were polite. Then DPO with pairs about two thirds of both kinds:

    manners    the same fact twice, as the model itself says it, chosen with the polite word, rejected with the curt one
    facts      the same last word twice, chosen with the true fact, rejected with another

Measured on the things that stand in no pair, with the probabilities of the model: how polite it is, and how often its fact is
true. The facts that it did not know are measured for things that do stand in pairs, too.
"""

from __future__ import annotations

import functools
from copy import deepcopy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import tiny_model
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE

THINGS, KNOWN, FACTS, TUNED = 60, 40, 20, 300
POLITE, CURT, FIRST_FACT = THINGS, THINGS + 1, THINGS + 2  # ids: things, the two words of manners, facts
IN_PAIRS = torch.arange(THINGS) % 3 > 0


@dataclass(frozen=True)
class Settings:
    pairs: str = param("manners", choices=("manners", "facts"), zh="成对的数据教什么", en="what the pairs are about")
    steps: int = param(50, low=10, high=1000, zh="DPO 的步数", en="steps of DPO")
    beta: float = param(0.1, low=0.01, high=1.0, zh="β", en="β")
    lr: float = param(0.001, low=0.0, high=0.01, zh="学习率", en="learning rate")


@functools.lru_cache(maxsize=2)
def fine_tuned(seed: int) -> tuple[Transformer, Tensor]:
    """(the model before DPO, the true facts [THINGS]), the same for both arms."""
    model = tiny_model(FIRST_FACT + FACTS, seed, layers=1)
    true_E = torch.randint(FACTS, (THINGS,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    for step in range(TUNED):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / TUNED)
        manner_E = torch.where(torch.rand(THINGS) < 0.3, POLITE, CURT)
        fact_E = torch.where(torch.arange(THINGS) < KNOWN, true_E, torch.randint(FACTS, (THINGS,)))
        rows = torch.stack([torch.arange(THINGS), fact_E + FIRST_FACT, manner_E], 1)
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, true_E


def logps(model: Transformer, things_N: Tensor, fact_N: Tensor, manner_N: Tensor) -> Tensor:
    """log p of both words of the answers, [N]."""
    rows = torch.stack([things_N, fact_N + FIRST_FACT, manner_N], 1)
    return model(rows[:, :-1]).log_softmax(-1).gather(2, rows[:, 1:, None]).sum((1, 2))


@torch.no_grad()
def answers(model: Transformer) -> tuple[Tensor, Tensor]:
    """Probabilities of what the model writes about every thing: (of every fact [THINGS, FACTS], of the polite word [THINGS])."""
    things, facts = torch.arange(THINGS), torch.arange(FACTS)
    said_EF = model(things[:, None])[:, -1].softmax(-1)[:, FIRST_FACT:]
    rows = torch.stack([things.repeat_interleave(FACTS), facts.repeat(THINGS) + FIRST_FACT], 1)
    polite_EF = model(rows)[:, -1].softmax(-1)[:, POLITE].view(THINGS, FACTS)
    return said_EF, (said_EF * polite_EF).sum(1)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """Manners and facts before and after, of things that stand in no pair and of those that do."""
    start, true_E = fine_tuned(seed)
    model, things = deepcopy(start), IN_PAIRS.nonzero().squeeze(1)
    said_EF, polite_before = answers(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    for _ in range(settings.steps):
        true_N = true_E[things]
        other_N = (true_N + torch.randint(1, FACTS, true_N.shape)) % FACTS
        polite_N, curt_N = torch.full_like(things, POLITE), torch.full_like(things, CURT)
        if settings.pairs == "manners":
            fact_N = said_EF[things].multinomial(1).squeeze(1)  # what the model itself says
            chosen, rejected = (fact_N, polite_N), (fact_N, curt_N)
        else:
            manner_N = torch.where(torch.rand(len(things)) < 0.5, polite_N, curt_N)
            chosen, rejected = (true_N, manner_N), (other_N, manner_N)
        with torch.no_grad():
            refs = [logps(start, things, *side) for side in (chosen, rejected)]
        sides = [logps(model, things, *side) for side in (chosen, rejected)]
        loss = REFERENCE.dpo_loss(*sides, *refs, settings.beta).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    now_EF, polite = answers(model)
    true_before, true = (said.gather(1, true_E[:, None]).squeeze(1) for said in (said_EF, now_EF))
    new, unknown = ~IN_PAIRS, torch.arange(THINGS) >= KNOWN
    return {
        "polite_before": polite_before[new].mean().item(),
        "polite": polite[new].mean().item(),
        "true_before": true_before[new].mean().item(),
        "true": true[new].mean().item(),
        "unknown_new": true[new & unknown].mean().item(),
        "unknown_before": true_before[~new & unknown].mean().item(),
        "unknown_paired": true[~new & unknown].mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    arms = [(arm, results.label(arm)) for arm in results.arms]
    before = Text("之前", "before")
    first = results.arms[0]
    for axes, was, names in (
        (left, "polite_before", {"polite": Text("", "")}),
        (
            right,
            "unknown_before",
            {"unknown_paired": Text("：在数据里", ": in pairs"), "unknown_new": Text("：不在", ": not")},
        ),
    ):
        labels, heights = [before], [results.mean(first, was)]
        for name, more in names.items():
            labels += [Text(label.zh + more.zh, label.en + more.en) for _, label in arms]
            heights += [results.mean(arm, name) for arm, _ in arms]
        figure.bars(axes, labels, heights)
        axes.tick_params(axis="x", labelsize="small")
    figure.name(left, y=Text("礼貌的比例（不在数据里的）", "polite (things in no pair)"))
    figure.name(right, y=Text("原来不知道的，说对几成", "true, of what it did not know"))


lab = Lab(
    title=Text("DPO 教的是怎么说，还是知道什么？", "Does DPO teach how to say it, or what is true?"),
    about_zh="""
        一组成对的数据只差礼貌，一组只差事实：对没见过的问题，DPO 教会了什么？

        一个小 Transformer 用两个词回答关于六十样东西的问题：先说一个事实（二十种之一），再说一个礼貌的或生硬的词。微调给它看过
        四十样东西的真事实，另外二十样给它看的是随便什么；十条回答里有三条礼貌。然后做 DPO，成对的数据只涉及两种东西里的三分之二：

            礼貌    两条的事实一样，是模型自己说的；选中的礼貌，没选中的生硬
            事实    两条的最后一个词一样；选中的是真事实，没选中的是别的

        用模型的概率来量，量那些不在数据里的东西：有多礼貌，事实说对几成。它原来不知道的事实，也在数据里的东西上量一次。
        """,
    settings=Settings(),
    arms={"manners": {"pairs": "manners"}, "facts": {"pairs": "facts"}},
    labels={"manners": Text("只差礼貌", "manners"), "facts": Text("只差事实", "facts")},
    run=run,
    metrics={
        "polite_before": Metric(Text("之前：礼貌", "before: polite")),
        "polite": Metric(Text("之后：礼貌", "after: polite")),
        "true_before": Metric(Text("之前：事实对", "before: true")),
        "true": Metric(Text("之后：事实对", "after: true")),
        "unknown_before": Metric(Text("不知道的，之前", "unknown facts, before"), chance=1 / FACTS),
        "unknown_paired": Metric(Text("不知道的，在数据里", "unknown facts, in pairs"), chance=1 / FACTS),
        "unknown_new": Metric(Text("不知道的，不在数据里", "unknown facts, in no pair"), chance=1 / FACTS),
    },
    claims=[
        Claim(
            "manners_go_everywhere",
            Text(
                "只差礼貌：不在数据里的东西也多礼貌 40 个百分点以上，事实变动不到 10 个；只差事实：礼貌变动不到 20 个",
                "Manners: things in no pair become politer by over 40 points while truth moves by less than 10; facts: manners "
                "move by less than 20",
            ),
            lambda arm: (
                arm["manners"]["polite"] > arm["manners"]["polite_before"] + 0.4
                and abs(arm["manners"]["true"] - arm["manners"]["true_before"]) < 0.1
                and abs(arm["facts"]["polite"] - arm["facts"]["polite_before"]) < 0.2
            ),
        ),
        Claim(
            "facts_stay",
            Text(
                "只差事实：数据里的新事实学到一些（多 5 个百分点以上，只差礼貌时没有），不在数据里的比那少 5 个以上",
                "Facts: those in pairs are learnt a little (over 5 points, and not by manners), the others less by over 5",
            ),
            lambda arm: (
                arm["facts"]["unknown_paired"] > arm["manners"]["unknown_paired"] + 0.05
                and arm["facts"]["unknown_new"] < arm["facts"]["unknown_paired"] - 0.05
            ),
        ),
    ],
    sabotages=[
        Sabotage({"lr": 0.0}, ("manners_go_everywhere", "facts_stay"), Text("没有训练", "nothing is trained")),
    ],
    prediction=Prediction(
        Text(
            "用四十样东西的真事实做 DPO。没见过的那些东西，事实会说得更对吗？",
            "DPO with true facts about forty things: do its facts about the others become truer?",
        ),
        {"yes": Text("会：它学会了说真话", "yes, it has learnt to tell the truth"), "no": Text("不会", "no")},
        lambda results: "yes" if results.mean("facts", "unknown_new") > 1 / FACTS + 0.05 else "no",
    ),
    why=Text(
        "礼貌对所有问题是同一个方向，在四十样东西上学到的，对别的也管用；两条的事实一样，在损失里正好抵消，几乎不动。"
        "每样东西的事实却各是各的：知道一个，对另一个毫无帮助。",
        "Manners are one direction for all questions: what is learnt with forty things serves the others. The fact is the same "
        "on both sides, cancels in the loss, and hardly moves. Facts are one for every thing: to know one is no help with "
        "another.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
