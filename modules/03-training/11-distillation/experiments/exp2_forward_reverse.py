"""Which way round should a KL divergence stand, when the student is too small to be its teacher?

The teacher's distribution has two modes: it says one thing or another, and nothing between. The student has one: a bump whose
place and width it may choose. One student minimises KL(teacher ‖ student), one KL(student ‖ teacher), both by gradients, from
beginnings that are somewhat nearer to one mode than to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

PLACES = 61


@dataclass(frozen=True)
class Settings:
    direction: str = param("forward", choices=("forward", "reverse"), zh="KL 的方向", en="direction of the KL")
    apart: float = param(
        8.0, low=0.0, high=12.0, zh="两个峰离多远（标准差的倍数）", en="distance of the modes, in widths"
    )
    steps: int = param(600, low=50, high=5_000, zh="训练多少步", en="steps")


def run(settings: Settings, seed: int) -> dict[str, float]:
    x = torch.linspace(-10, 10, PLACES)
    half = settings.apart / 2
    teacher = torch.logaddexp(-((x - half) ** 2) / 2, -((x + half) ** 2) / 2).log_softmax(0)
    begin = torch.empty(()).uniform_(1.5, 4.0) * (1 if torch.rand(()) < 0.5 else -1)
    place = begin.requires_grad_()
    log_width = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([place, log_width], lr=0.05)
    for _ in range(settings.steps):
        student = (-(((x - place) / log_width.exp()) ** 2) / 2).log_softmax(0)
        pair = (student, teacher) if settings.direction == "forward" else (teacher, student)
        loss = F.kl_div(*pair, log_target=True, reduction="sum")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    q = (-(((x - place) / log_width.exp()) ** 2) / 2).softmax(0).detach()
    left, right = q[x < -half / 2].sum().item(), q[x > half / 2].sum().item()
    return {
        "weaker_mode": min(left, right),
        "between": q[(x.abs() < half / 2)].sum().item(),
        "width": log_width.exp().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "between") for arm in results.arms])
    figure.name(
        axes,
        x=Text("KL 的方向", "direction of the KL"),
        y=Text("学生放在两峰之间的概率", "the student's probability between the modes"),
    )


lab = Lab(
    title=Text("KL 的方向：顾全一切，还是守住一个峰？", "Direction of the KL: cover everything, or keep to one mode?"),
    about_zh="""
        学生太小，成不了老师，KL 该朝哪个方向？

        老师的分布有两个峰：要么说这个，要么说那个，中间的从不说。学生只有一个峰，位置和宽度可以选。
        一个学生最小化 KL(老师 ‖ 学生)，一个最小化 KL(学生 ‖ 老师)，都用梯度下降，起点离其中一个峰稍近一些。
        """,
    settings=Settings(),
    arms={"forward": {"direction": "forward"}, "reverse": {"direction": "reverse"}},
    labels={
        "forward": Text("KL(老师‖学生)", "KL(teacher‖student)"),
        "reverse": Text("KL(学生‖老师)", "KL(student‖teacher)"),
    },
    run=run,
    metrics={
        "weaker_mode": Metric(Text("学生放在较弱的峰上的概率", "the student's probability on the weaker mode")),
        "between": Metric(Text("学生放在两峰之间的概率", "the student's probability between the modes")),
        "width": Metric(Text("学生的宽度", "the student's width")),
    },
    claims=[
        Claim(
            "forward_covers",
            Text("正向：较弱的峰多得 20 个百分点", "Forward: 20 points more on the weaker mode"),
            lambda arm: arm["forward"]["weaker_mode"] > arm["reverse"]["weaker_mode"] + 0.2,
        ),
        Claim(
            "forward_says_nonsense",
            Text(
                "正向：两峰之间多 20 个百分点", "Forward: 20 points more between the modes, where the teacher never is"
            ),
            lambda arm: arm["forward"]["between"] > arm["reverse"]["between"] + 0.2,
        ),
        Claim(
            "reverse_keeps_to_one",
            Text(
                "反向：守住一个峰，另一个不到 5%，中间也不到 5%",
                "Reverse: one mode; below 5% on the other, and between",
            ),
            lambda arm: arm["reverse"]["weaker_mode"] < 0.05 and arm["reverse"]["between"] < 0.05,
        ),
    ],
    sabotages=[
        Sabotage(
            {"direction": "reverse"},
            ("forward_covers", "forward_says_nonsense"),
            Text("两组都用反向的 KL", "the reverse KL in both arms"),
        ),
        Sabotage({"apart": 0.0}, ("reverse_keeps_to_one",), Text("老师只有一个峰", "a teacher with one mode")),
    ],
    prediction=Prediction(
        Text("最小化 KL(学生‖老师) 的学生会怎样？", "What does the student of KL(student‖teacher) do?"),
        {"covers": Text("横跨两个峰", "it spans both modes"), "one": Text("守住一个峰", "it keeps to one mode")},
        lambda results: "one" if results.mean("reverse", "weaker_mode") < 0.05 else "covers",
    ),
    why=Text(
        "KL(老师‖学生) 按老师的概率加权：老师有而学生没有的地方，代价很大，学生只好把两个峰都盖住，中间也占上。KL(学"
        "生‖老师) 按学生的概率加权：学生站到老师几乎没有的地方，代价才大，所以它待在一个峰里。",
        "KL(teacher ‖ student) weighs by the teacher's probabilities: where the teacher has something and the student "
        "nothing it costs much, so the student covers both modes, and what lies between. KL(student ‖ teacher) weighs "
        "by the student's: it costs much to stand where the teacher has hardly anything, so the student stays in one "
        "mode.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
