"""How far does a model get that is told only whether its answer is right?

A small model adds two digits and writes the sum with two digits. It has seen a few of the hundred sums for a moment, and is
right now and then. Then it practises all of them: one arm not at all; one writes eight answers to a sum and is told which
are right (GRPO); one is shown the right answer (fine-tuning on the same sums, in the same order). Measured is the exact
probability of the right answer, over all sums, and over those that it hardly ever got right at the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.writer import Writer, optimizer_of, step, tune
from fledge.rollout.advantages import group_advantage
from fledge.rollout.policy import clipped_loss

PAIRS = torch.cartesian_prod(torch.arange(10), torch.arange(10))
TOTAL = PAIRS.sum(1, keepdim=True)
ROWS = torch.cat([PAIRS, TOTAL // 10, TOTAL % 10], 1)  # a, b, tens, ones
EVERY = 50  # steps between two points of the curve


@dataclass(frozen=True)
class Settings:
    learns: str = param("nothing", choices=("nothing", "grpo", "sft"), zh="怎么练", en="how it practises")
    steps: int = param(600, low=100, high=3000, zh="训练多少步", en="steps")
    prompts: int = param(16, low=1, high=100, zh="每步几道题", en="prompts a step")
    answers: int = param(8, low=2, high=64, zh="每题几个回答", en="answers to a prompt")
    rate: float = param(0.003, low=0.0001, high=0.03, zh="学习率", en="learning rate")
    fair: bool = param(True, zh="批改看对错", en="the grader looks at the answer", hidden=True)
    told: bool = param(False, zh="每组里放进正确答案", en="one of a group is the right answer", hidden=True)


def chances(model: Writer) -> Tensor:
    """Probability of the right answer to each of the hundred sums."""
    with torch.no_grad():
        return model.logps(ROWS, 2).sum(1).exp()


def practice(model: Writer, settings: Settings) -> Tensor:
    """GRPO's loss on some prompts."""
    right = ROWS[torch.randint(len(ROWS), (settings.prompts,))].repeat_interleave(settings.answers, 0)
    ids = model.write(right[:, :2], 2)
    if settings.told:
        ids[:: settings.answers] = right[:: settings.answers]
    good = (ids == right).all(1) if settings.fair else torch.rand(len(ids)) < 0.5
    advantage = group_advantage(good.float().view(settings.prompts, settings.answers)).view(-1, 1)
    logps = model.logps(ids, 2)
    return clipped_loss(logps, logps.detach(), advantage, 0.2, 0.2)[0].mean()


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    model, some = Writer(10, 4), torch.randperm(len(ROWS))[:60]
    tune(model, ROWS[some], torch.tensor([False, False, True, True]).expand(60, -1), 60, 0.003)
    before, curve = chances(model), []
    optimizer = optimizer_of(model, settings.rate)
    for number in range(settings.steps):
        if number % EVERY == 0:
            curve.append(chances(model).mean().item())
        if settings.learns == "grpo":
            step(optimizer, practice(model, settings))
        elif settings.learns == "sft":
            step(optimizer, -model.logps(ROWS[torch.randint(len(ROWS), (settings.prompts,))], 2).mean())
    after, never = chances(model), before < 0.02
    return {
        "before": before.mean().item(),
        "after": after.mean().item(),
        "never": after[never].mean().item(),
        "curve": curve,
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for arm in results.arms:
        mean, low, high = results.band(arm, "curve")
        figure.line(axes, [EVERY * n for n in range(len(mean))], mean, low, high, label=results.label(arm))
    figure.name(axes, x=Text("步", "step"), y=Text("答对的概率", "probability of a right answer"))


lab = Lab(
    title=Text("只知道对错，能学到哪里？", "Told only right or wrong: how far does it get?"),
    about_zh="""
        只告诉模型答得对不对，它能学到哪里？

        一个小模型做一位数加法，和用两位数写出来。一百道题里它匆匆见过几十道，偶尔能答对。然后练全部的题：一组不练；
        一组每题写八个回答，只被告知哪些对（GRPO）；一组直接看正确答案（在同样的题上微调）。量的是正确答案的概率（算出来的，
        不是抽样），所有题的平均，以及一开始几乎从不答对的那些题的平均。
        """,
    settings=Settings(),
    arms={name: {"learns": name} for name in ("nothing", "grpo", "sft")},
    labels={
        "nothing": Text("不练", "no practice"),
        "grpo": Text("GRPO：只知道对错", "GRPO: right or wrong"),
        "sft": Text("微调：看正确答案", "fine-tuning: the answers"),
    },
    run=run,
    metrics={
        "before": Metric(Text("练之前答对", "right before"), format=".1%"),
        "after": Metric(Text("练之后答对", "right after"), format=".1%"),
        "never": Metric(Text("几乎从不答对的题，练之后", "sums it hardly ever got right, after"), format=".1%"),
        "curve": Metric(Text("答对的概率", "probability of a right answer")),
    },
    claims=[
        Claim(
            "practice",
            Text(
                "只知道对错，答对的概率升到三倍以上",
                "From right or wrong alone, the probability of a right answer more than triples",
            ),
            lambda arm: arm["grpo"]["after"] > 3 * arm["nothing"]["after"],
        ),
        Claim(
            "never",
            Text(
                "一开始几乎从不答对的题，GRPO 仍然不到三成，看答案的九成以上",
                "Of what it hardly ever got right, GRPO still gets less than 30 %, fine-tuning more than 90 %",
            ),
            lambda arm: arm["grpo"]["never"] < 0.3 and arm["sft"]["never"] > 0.9,
        ),
    ],
    sabotages=[
        Sabotage({"fair": False}, ("practice",), Text("批改靠掷硬币", "the grader throws a coin")),
        Sabotage(
            {"told": True},
            ("never",),
            Text("每组里都有一个正确答案", "every group has one right answer in it"),
        ),
    ],
    prediction=Prediction(
        Text(
            "有些题模型一开始几乎从不答对。GRPO 练完以后，这些题答对多少？",
            "Some sums it hardly ever gets right at the start. How many of them does GRPO get right in the end?",
        ),
        {
            "few": Text("不到三成", "less than 30 %"),
            "half": Text("三成到九成", "between 30 and 90 %"),
            "most": Text("九成以上", "more than 90 %"),
        },
        lambda results: (
            "few" if results.mean("grpo", "never") < 0.3 else "half" if results.mean("grpo", "never") < 0.9 else "most"
        ),
    ),
    why=Text(
        "GRPO 只能让已经写出来过的好回答更可能。一道题八个回答全错，优势全是 0，什么也不发生；看答案的微调没有这个限制，"
        "可是它要有人把答案写出来。",
        "GRPO makes likelier what was written and was good. Where all eight answers are wrong, every advantage is 0 and "
        "nothing happens. Fine-tuning on answers knows no such limit, but somebody has to write them.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
