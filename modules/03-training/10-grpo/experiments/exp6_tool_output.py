"""Should a model learn the words of its tools?

The question is the price of a thing; the prices are arbitrary, and only a tool knows them. An episode is: question, call,
what the tool says, answer. One arm learns from the tokens that the model chose (the tool's are masked), the other from all.
Then both are asked about things that they never saw: with the tool, which answers after the call; and left alone, to see
what they write when nobody answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.writer import Writer, tune

THINGS = torch.cartesian_prod(torch.arange(10), torch.arange(10))  # two tokens name a thing
CALL, RESULT, ANSWER = 10, 11, 12


@dataclass(frozen=True)
class Settings:
    learns: str = param("own", choices=("own", "all"), zh="学哪些词元", en="tokens that are learnt")
    steps: int = param(300, low=50, high=2000, zh="训练多少步", en="steps")
    known: int = param(50, low=10, high=90, zh="训练里有几样东西", en="things in the training data")
    masked: bool = param(False, zh="两组都遮住", en="both are masked", hidden=True)
    fixed: bool = param(False, zh="价钱都一样", en="every price is the same", hidden=True)


def spread(token: int, count: int) -> Tensor:
    return torch.full((count, 1), token)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    price = torch.randint(10, (100, 2))
    if settings.fixed:
        price[:] = price[0].clone()
    rows = torch.cat([THINGS, spread(CALL, 100), spread(RESULT, 100), price, spread(ANSWER, 100), price], 1)
    chosen = torch.tensor([False, False, True, False, False, False, True, True, True])
    if settings.learns == "all" and not settings.masked:
        chosen = torch.arange(9) >= 2
    order = torch.randperm(100)
    known, new = order[: settings.known], order[settings.known :].repeat(8)
    model = Writer(13, 5)
    tune(model, rows[known], chosen.expand(len(known), -1), settings.steps, 0.003)
    called = model.write(THINGS[new], 1)[:, 2] == CALL
    told = model.write(rows[new][:, :6], 3)  # the tool has answered
    right = called & (told[:, 6:] == rows[new][:, 6:]).all(1)
    alone = model.write(THINGS[new], 7)
    whole = (alone[:, [2, 3, 6]] == torch.tensor([CALL, RESULT, ANSWER])).all(1)
    return {
        "right": right.double().mean().item(),
        "made_up": whole.double().mean().item(),
        "made_up_right": (whole & (alone[:, 7:] == price[new]).all(1)).double().mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for place, name, label in (
        (-0.2, "right", Text("有工具：答对", "with the tool: right")),
        (0.2, "made_up", Text("没有工具：编出结果", "without: made up")),
    ):
        heights = [results.mean(arm, name) for arm in results.arms]
        axes.bar([n + place for n in range(len(heights))], heights, width=0.36, label=figure.words(label))
    axes.set_xticks(range(len(results.arms)), [figure.words(results.label(arm)) for arm in results.arms])
    figure.name(axes, x=Text("学哪些词元", "tokens that are learnt"), y=Text("比例", "share"))


lab = Lab(
    title=Text("工具的话要不要学？", "Should a model learn its tools' words?"),
    about_zh="""
        工具的话，模型要不要学？

        问的是东西的价钱。价钱是随便定的，只有工具知道。一次经过是：问题、调用、工具的话、回答。一组只学模型自己选的词元（工具的话
        遮住），一组全部都学。然后问没有见过的东西：有工具的时候，工具在调用之后接话；没有工具的时候，看它自己会往下写什么。
        """,
    settings=Settings(),
    arms={"own": {"learns": "own"}, "all": {"learns": "all"}},
    labels={"own": Text("只学自己的", "its own alone"), "all": Text("全部都学", "all of them")},
    run=run,
    metrics={
        "right": Metric(Text("有工具，答对", "right with the tool"), format=".1%"),
        "made_up": Metric(Text("没有工具，编出整个结果", "made up without it"), format=".1%"),
        "made_up_right": Metric(Text("其中碰巧对的", "of these right"), format=".1%", chance=0.01),
    },
    claims=[
        Claim(
            "made_up",
            Text(
                "全部都学的，没有人答话也会编出工具的结果，九成以上；只学自己的不到一成",
                "Who learns all makes up the tool's result when nobody answers, in more than 90 %; who "
                "learns its own, in less than 10 %",
            ),
            lambda arm: arm["all"]["made_up"] > 0.9 and arm["own"]["made_up"] < 0.1,
        ),
        Claim(
            "right",
            Text(
                "有工具时，只学自己的答对九成五以上，全部都学的不到九成",
                "With the tool, who learns its own is right in more than 95 %, who learns all in less than 90 %",
            ),
            lambda arm: arm["own"]["right"] > 0.95 and arm["all"]["right"] < 0.9,
        ),
    ],
    sabotages=[
        Sabotage(
            {"masked": True}, ("made_up", "right"), Text("两组都遮住工具的话", "the tool's words are masked in both")
        ),
        Sabotage(
            {"fixed": True},
            ("right",),
            Text("价钱都一样，背下来也对", "all prices are alike: learnt by heart is right"),
        ),
    ],
    prediction=Prediction(
        Text(
            "把工具的话也学进去的模型，没有人答话时会怎样？",
            "A model learnt its tools' words too. What does it do when nobody answers its call?",
        ),
        {
            "stops": Text("写不出像样的结果", "it writes no proper result"),
            "makes_up": Text("自己编一个结果，照样回答", "it makes one up and answers"),
        },
        lambda results: "makes_up" if results.mean("all", "made_up") > 0.5 else "stops",
    ),
    why=Text(
        "没有遮住的词元，损失都要它变得更可能：模型学到的是“调用之后就该写一个结果”，并且把见过的价钱背了下来，有了真的结果也会"
        "去信背下来的。遮住以后，它只能从工具的话里抄。",
        "The loss makes every token likelier that is not masked: the model learns that after a call a result is to be written, and "
        "learns the prices by heart, to the point of trusting them over the true result. Masked, "
        "all it can do is copy what the tool says.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
