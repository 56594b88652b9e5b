"""When there is little text: train on it, on what a teacher writes, or on what the student itself writes and the teacher
judges?

The text is a language whose next word depends on the two before; its odds are known, and the teacher knows them. There are
only twenty rows of data, and the student is too small to learn it all. One student trains on the data; one on rows that the
teacher writes anew for every step (sequence-level distillation); one writes itself and is corrected by the teacher's
probabilities, with KL(student ‖ teacher) (on-policy distillation). All take equal steps. Measured: what a true text costs
the student above the entropy, and how much of what it writes itself is a word that the language hardly ever has there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import language
from fledge.lab.writer import Writer, optimizer_of, step
from fledge.training.divergence import reverse_kl

WORDS, LENGTH, SPREAD = 16, 16, 2.0
UNLIKELY = 0.002  # a word that the language has there once in 500 times


@dataclass(frozen=True)
class Settings:
    learns: str = param("data", choices=("data", "teacher", "student"), zh="学谁写的", en="whose text it learns")
    rows: int = param(20, low=5, high=1000, zh="有几行数据", en="rows of data")
    steps: int = param(600, low=50, high=3000, zh="训练多少步", en="steps")
    width: int = param(6, low=2, high=128, zh="学生的宽度", en="width of the student")
    plenty: bool = param(False, zh="数据要多少有多少", en="data without end", hidden=True)
    knows: bool = param(True, zh="老师知道这种语言", en="the teacher knows the language", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    tongue = language(WORDS, "sum", SPREAD)
    odds = tongue.odds if settings.knows else tongue.odds[torch.randperm(WORDS)]
    data = tongue.rows(settings.steps * 16 if settings.plenty else settings.rows, LENGTH, seed + 1000)
    student = Writer(WORDS, 2, settings.width)
    optimizer = optimizer_of(student, 0.003)
    for _ in range(settings.steps):
        rows = data[torch.randint(len(data), (16,))]
        if settings.learns == "teacher" and not settings.plenty:
            for place in range(2, LENGTH):  # behind the first two words of the data
                rows[:, place] = torch.multinomial(odds[rows[:, place - 2], rows[:, place - 1]], 1)[:, 0]
        if settings.learns == "student":
            rows = student.write(rows[:, :2], LENGTH - 2)
            teacher = odds[rows[:, :-2], rows[:, 1:-1]].log().flatten(0, 1)
            loss = reverse_kl(teacher, student(rows[:, :-1])[:, 1:].flatten(0, 1).log_softmax(-1)) / len(teacher)
        else:
            loss = -student.logps(rows, 2).mean()
        step(optimizer, loss)
    test = tongue.rows(500, LENGTH, seed + 9000)
    with torch.no_grad():
        pays = -student.logps(test, 2).mean().item()
    own = student.write(test[:, :2], LENGTH)
    likely = tongue.odds[own[:, :-2], own[:, 1:-1], own[:, 2:]]
    return {"excess": pays - tongue.entropy, "nonsense": (likely < UNLIKELY).double().mean().item()}


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2, width=4.2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "excess") for arm in results.arms])
    figure.name(left, y=Text("比熵多付的 nat", "nats above the entropy"))
    figure.bars(right, labels, [results.mean(arm, "nonsense") for arm in results.arms])
    figure.name(right, y=Text("自己写的里，几乎不该有的词", "unlikely words in its own text"))


lab = Lab(
    title=Text(
        "学数据、学老师写的，还是让老师改自己写的？", "The data, the teacher's text, or one's own text corrected?"
    ),
    about_zh="""
        文字很少的时候：学这些文字，学老师写的，还是自己写、让老师来改？

        文本是一种语言，下一个词由前两个词决定；各有多大可能是已知的，老师正好知道。数据只有二十行，学生又太小，学不全。一个学生学数
        据；一个学老师每一步重新写的（序列级蒸馏）；一个自己写，由老师的概率来纠正，用 KL(学生‖老师)（on-policy 蒸馏）。步数相同。
        量两件事：真的文字上比熵多付多少；它自己写的话里，有多少词是这种语言在那里几乎不会有的。
        """,
    settings=Settings(),
    arms={name: {"learns": name} for name in ("data", "teacher", "student")},
    labels={
        "data": Text("二十行数据", "20 rows of data"),
        "teacher": Text("老师写的", "teacher's text"),
        "student": Text("自己写，老师改", "own, corrected"),
    },
    seeds=3,
    run=run,
    metrics={
        "excess": Metric(Text("比熵多付的 nat", "nats above the entropy"), floor=0.0),
        "nonsense": Metric(Text("几乎不该有的词", "unlikely words"), format=".1%", floor=0.0),
    },
    claims=[
        Claim(
            "teacher",
            Text(
                "数据很少时，学老师写的，多付的不到学数据的一半",
                "With little data, the teacher's text leaves less than half of what the data leave",
            ),
            lambda arm: arm["teacher"]["excess"] < 0.5 * arm["data"]["excess"],
        ),
        Claim(
            "student",
            Text(
                "自己写、老师改的，胡话不到学老师写的一半，可是在真的文字上付得更多",
                "Corrected on its own text, it talks less than half as much nonsense, and pays more on true text",
            ),
            lambda arm: (
                arm["student"]["nonsense"] < 0.5 * arm["teacher"]["nonsense"]
                and arm["student"]["excess"] > arm["teacher"]["excess"]
            ),
        ),
    ],
    sabotages=[
        Sabotage({"plenty": True}, ("teacher",), Text("数据要多少有多少", "data without end")),
        Sabotage(
            {"knows": False}, ("student",), Text("老师不知道这种语言", "a teacher that does not know the language")
        ),
    ],
    prediction=Prediction(
        Text(
            "自己写、由老师来改的学生，在真的文字上比学老师写的付得多还是少？",
            "The student that is corrected on its own text: does it pay more or less on true text than "
            "the one that learns the teacher's?",
        ),
        {"less": Text("少", "less"), "more": Text("多", "more")},
        lambda results: "more" if results.mean("student", "excess") > results.mean("teacher", "excess") else "less",
    ),
    why=Text(
        "老师要写多少有多少，学生就不会把二十行背下来。"
        "自己写的学生只在自己会去的地方被纠正，而反向 KL 罚的是老师不会说的话：它说得少，"
        "但说得像样；别人会说的而它不说，没有人罚它，真的文字上就付得多。",
        "The teacher writes without end, so there are no twenty rows to learn by heart. Who writes "
        "itself is corrected where it goes, and "
        "the reverse KL punishes what the teacher would not say: it says fewer things, and sound "
        "ones. What it never says costs it nothing "
        "there, and much on true text.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
