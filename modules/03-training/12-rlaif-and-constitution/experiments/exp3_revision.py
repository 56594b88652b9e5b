"""Can rules that a program checks be trained into a model, by mending its own answers?

A small model adds two digits; half of its answers begin with an apology, and half lack the unit. The constitution has two
rules: do not apologise, name the unit. The model writes answers, a program finds what breaks a rule and mends that alone,
and the model is fine-tuned on the result; one arm fine-tunes on its answers as they are. Measured on sums that were not
among them: violations, and right sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.writer import Writer, tune

PAIRS = torch.cartesian_prod(torch.arange(10), torch.arange(10))
SORRY, SURE, UNIT, NOTHING = 10, 11, 12, 13


@dataclass(frozen=True)
class Settings:
    learns: str = param("own", choices=("own", "revised"), zh="学什么", en="what it learns")
    steps: int = param(200, low=20, high=2000, zh="训练多少步", en="steps")
    mends: bool = param(True, zh="真的改", en="something is mended", hidden=True)
    canned: bool = param(False, zh="整个回答换成一句套话", en="the whole answer becomes a stock phrase", hidden=True)


def digits(total_N1: Tensor) -> Tensor:
    return torch.cat([total_N1 // 10, total_N1 % 10], 1)


def examples() -> Tensor:
    """What the model is made from: a, b, opening, tens, ones, unit; a fifth of the sums is wrong."""
    pairs = PAIRS[torch.randint(100, (4000,))]
    count = len(pairs)
    sums = torch.where(torch.rand(count, 1) < 0.8, pairs.sum(1, keepdim=True), torch.randint(19, (count, 1)))
    opening = torch.where(torch.rand(count, 1) < 0.5, SORRY, SURE)
    return torch.cat([pairs, opening, digits(sums), torch.where(torch.rand(count, 1) < 0.5, UNIT, NOTHING)], 1)


def measured(model: Writer, asked: Tensor) -> tuple[float, float]:
    """(rules broken by an answer, share of right sums)."""
    ids = model.write(asked.repeat(50, 1), 4)
    broken = (ids[:, 2] == SORRY).float() + (ids[:, 5] != UNIT).float()
    return broken.mean().item(), (ids[:, 3:5] == digits(ids[:, :2].sum(1, keepdim=True))).all(1).float().mean().item()


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    model, rows, order = Writer(14, 6), examples(), torch.randperm(100)
    answer = torch.arange(6) >= 2
    tune(model, rows, answer.expand(len(rows), -1), 400, 0.003)
    new = PAIRS[order[60:]]
    broken_before, right_before = measured(model, new)
    own = model.write(PAIRS[order[:60]].repeat(20, 1), 4)
    if settings.learns == "revised" and settings.mends:
        own[:, 2], own[:, 5] = SURE, UNIT  # its number stays, be it right or wrong
        if settings.canned:
            own[:, 3:5] = 0
    tune(model, own, answer.expand(len(own), -1), settings.steps, 0.001)
    broken, right = measured(model, new)
    return {"broken": broken, "right": right, "broken_before": broken_before, "right_before": right_before}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for place, name, label in (
        (-0.2, "broken", Text("每个回答违反几条", "rules broken by an answer")),
        (0.2, "right", Text("得数对", "right sums")),
    ):
        heights = [results.mean(arm, name) for arm in results.arms]
        axes.bar([n + place for n in range(len(heights))], heights, width=0.36, label=figure.words(label))
    axes.set_xticks(range(len(results.arms)), [figure.words(results.label(arm)) for arm in results.arms])
    figure.name(axes, x=Text("学什么", "what it learns"), y=Text("没练过的题", "on new sums"))


lab = Lab(
    title=Text("改好自己的回答，再学回来", "Mend your own answers and learn them"),
    about_zh="""
        由程序检查的规则，能不能靠改好模型自己的回答，教进模型里？

        一个小模型做一位数加法，一半的回答以道歉开头，一半没有写单位。宪法有两条：不要道歉，写出单位。模型写出回答，程序找出
        违反的地方，只改那里，再用改好的微调；另一组用原样的回答微调。在没练过的题上量：违反几条，得数对多少。
        """,
    settings=Settings(),
    arms={"own": {"learns": "own"}, "revised": {"learns": "revised"}},
    labels={"own": Text("原样的回答", "its answers as they are"), "revised": Text("改好的回答", "its answers mended")},
    run=run,
    metrics={
        "broken": Metric(Text("每个回答违反几条", "rules broken by an answer"), format=".2f", floor=0.0),
        "right": Metric(Text("得数对", "right sums"), format=".1%"),
        "broken_before": Metric(Text("之前违反几条", "rules broken before"), format=".2f", floor=0.0),
        "right_before": Metric(Text("之前得数对", "right sums before"), format=".1%"),
    },
    claims=[
        Claim(
            "broken",
            Text("学改好的，违反的不到另一组的一半", "Mended answers leave less than half of the violations"),
            lambda arm: arm["revised"]["broken"] < arm["own"]["broken"] / 2,
        ),
        Claim(
            "right",
            Text("得数对的和训练前相差不到 10 个百分点", "The share of right sums is within 10 points of what it was"),
            lambda arm: abs(arm["revised"]["right"] - arm["revised"]["right_before"]) < 0.1,
            absolute=True,
        ),
    ],
    sabotages=[
        Sabotage({"mends": False}, ("broken",), Text("什么也没有改", "nothing is mended")),
        Sabotage(
            {"canned": True},
            ("right",),
            Text("整个回答换成套话：没有违反，也没有答案", "a stock phrase: no violation, and no answer"),
        ),
    ],
    prediction=Prediction(
        Text(
            "学了改好的回答以后，得数对的会怎样？",
            "After learning the mended answers: what of the share of right sums?",
        ),
        {
            "falls": Text("少了 10 个百分点以上", "it falls by more than 10 points"),
            "same": Text("差不多", "it stays about the same"),
            "rises": Text("多了 10 个百分点以上", "it rises by more than 10 points"),
        },
        lambda results: (
            "falls"
            if results.mean("revised", "right") < results.mean("revised", "right_before") - 0.1
            else "rises"
            if results.mean("revised", "right") > results.mean("revised", "right_before") + 0.1
            else "same"
        ),
    ),
    why=Text(
        "改的只是规则管的地方，得数还是模型自己写的那个，所以学回来以后，样子变了，会的没有多也没有少。规则看不见的，改写也不会改。",
        "Only what a rule looks at is mended; the number stays the one that the model wrote. So the manner changes, and it "
        "knows as much as before. What no rule sees, no revision mends.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
