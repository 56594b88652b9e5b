"""Does it help a student to learn the teacher's steps, and not its answers alone?

Twenty people, four relations: each person has one friend, one boss and so on. A question has two hops, "the boss of x's
friend?". One student learns question and answer; one learns the step between too, written before the answer (a trace); and
one a step that is as long and says nothing. All are tested on questions that they never saw, though every single hop
occurred in others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.writer import Writer, tune

PEOPLE, RELATIONS = 20, 4


@dataclass(frozen=True)
class Settings:
    learns: str = param("trace", choices=("answer", "trace", "noise"), zh="学什么", en="what it learns")
    steps: int = param(800, low=100, high=4000, zh="训练多少步", en="steps")
    share: float = param(0.7, low=0.1, high=0.9, zh="见过几成的题", en="share of the questions that it sees")
    true_steps: bool = param(True, zh="步骤是对的", en="the steps are true", hidden=True)
    noise: bool = param(True, zh="空话真是空话", en="the empty step is empty", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    of = torch.stack([torch.randperm(PEOPLE) for _ in range(RELATIONS)])
    who, first, second = torch.cartesian_prod(
        torch.arange(PEOPLE), torch.arange(RELATIONS), torch.arange(RELATIONS)
    ).unbind(1)
    between = of[first, who]
    answer = of[second, between]
    if (settings.learns == "noise" and settings.noise) or not settings.true_steps:
        between = torch.randint(PEOPLE, between.shape)
    question = torch.stack([who, PEOPLE + first, PEOPLE + second], 1)
    said = [answer] if settings.learns == "answer" else [between, answer]
    rows = torch.cat([question, torch.stack(said, 1)], 1)
    order, seen = torch.randperm(len(rows)), int(settings.share * len(rows))
    model = Writer(PEOPLE + RELATIONS, 4)
    tune(model, rows[order[:seen]], torch.arange(rows.shape[1]).expand(seen, -1) >= 3, settings.steps, 0.003, batch=64)

    def right(asked: torch.Tensor) -> float:
        written = model.write(question[asked], len(said), temperature=0.001)  # the likeliest token each time
        return (written[:, -1] == answer[asked]).double().mean().item()

    return {"seen": right(order[:seen]), "new": right(order[seen:])}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    figure.bars(axes, [results.label(arm) for arm in results.arms], [results.mean(arm, "new") for arm in results.arms])
    figure.floor(axes, 1 / PEOPLE, Text("瞎猜", "guessing"))
    figure.name(axes, x=Text("学什么", "what it learns"), y=Text("没见过的题，答对", "right on new questions"))


lab = Lab(
    title=Text("学答案，还是连步骤一起学？", "The answers, or the steps with them?"),
    about_zh="""
        只学老师的答案，和连步骤一起学，差多少？

        二十个人，四种关系：每个人有一个朋友、一个上司，等等。题目要走两步：“x 的朋友的上司是谁？”一个学生学题目和答案；一个连中
        间的一步也学，写在答案前面（思考的过程）；一个也写一步，一样长，却什么也没说。考的是没有见过的题，但每一步都在别的题里出现过。
        """,
    settings=Settings(),
    arms={name: {"learns": name} for name in ("answer", "trace", "noise")},
    labels={
        "answer": Text("只有答案", "answers alone"),
        "trace": Text("步骤和答案", "steps and answers"),
        "noise": Text("空话和答案", "empty words and answers"),
    },
    run=run,
    metrics={
        "seen": Metric(Text("见过的题，答对", "right on questions it saw"), format=".1%", chance=1 / PEOPLE),
        "new": Metric(Text("没见过的题，答对", "right on new questions"), format=".1%", chance=1 / PEOPLE),
    },
    claims=[
        Claim(
            "trace",
            Text(
                "没见过的题，连步骤一起学的多答对 40 个百分点以上",
                "On new questions, steps give more than 40 points",
            ),
            lambda arm: arm["trace"]["new"] > arm["answer"]["new"] + 0.4,
        ),
        Claim(
            "content",
            Text(
                "不是因为写得长：一样长的空话，比步骤少 40 个百分点以上",
                "Not because more is written: empty words of that length lie more than 40 points below",
            ),
            lambda arm: arm["noise"]["new"] < arm["trace"]["new"] - 0.4,
        ),
    ],
    sabotages=[
        Sabotage({"true_steps": False}, ("trace",), Text("步骤是乱写的", "the steps are made up")),
        Sabotage({"noise": False}, ("content",), Text("空话其实是对的步骤", "the empty words are true steps")),
    ],
    prediction=Prediction(
        Text(
            "三个学生在见过的题上都几乎全对。只学答案的，没见过的题能对多少？",
            "On questions they saw, all three are nearly always right. How many new ones does the student of answers get right?",
        ),
        {
            "guess": Text("和瞎猜差不多（不到 15%）", "about as many as by guessing (below 15 %)"),
            "half": Text("一半左右", "about half"),
            "most": Text("大多数", "most"),
        },
        lambda results: (
            "guess"
            if results.mean("answer", "new") < 0.15
            else "half"
            if results.mean("answer", "new") < 0.7
            else "most"
        ),
    ),
    why=Text(
        "只有答案时，两步要在一次前向里走完，小模型做不到，就把题目背下来。写出中间一步，每次只走一步，而每一步都在别的题里学过，"
        "拼起来就是没见过的题。",
        "From answers alone, two hops have to be made in one pass; the small model cannot, and "
        "learns the questions by heart. With the step "
        "written down it makes one hop at a time, each of them known from other questions, and together they answer new ones.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
