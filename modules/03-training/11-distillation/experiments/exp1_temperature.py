"""What does a student get from a teacher's probabilities that the right answers do not hold?

The text is a chain: which token may follow which, and how often, is known exactly. The teacher knows it; the student
begins with nothing. One student sees the token that came (a hard label), the others see the teacher's whole distribution, as it
is or softened by a temperature, with and without the factor T². All take the same plain gradient steps on the same tokens.
Measured is what the student pays above the entropy of the chain, in nats a token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

TOKENS, WIDTH = 48, 12


@dataclass(frozen=True)
class Settings:
    learns: str = param(
        "soft", choices=("hard", "soft", "warm", "warm_plain"), zh="学生学什么", en="what the student learns from"
    )
    temperature: float = param(4.0, low=0.25, high=16.0, zh="温度", en="temperature")
    steps: int = param(300, low=20, high=3_000, zh="训练多少步", en="steps")
    batch: int = param(16, low=1, high=512, zh="每步多少个词元", en="tokens a step")
    rate: float = param(2.0, low=0.01, high=10.0, zh="学习率", en="learning rate")
    knows: bool = param(True, zh="老师知道这条链", en="the teacher knows the chain", hidden=True)


def chain() -> Tensor:
    """Logits of the next token after each token: a smooth landscape, with a few likely followers for each."""
    places = torch.randn(TOKENS, 6)
    return 1.2 * places @ torch.randn(6, TOKENS)


def run(settings: Settings, seed: int) -> dict[str, float]:
    truth = chain()
    logits = truth if settings.knows else truth[torch.randperm(TOKENS)]
    student = [(0.1 * torch.randn(shape)).requires_grad_() for shape in ((TOKENS, WIDTH), (WIDTH, TOKENS))]
    T = settings.temperature if settings.learns.startswith("warm") else 1.0
    for _ in range(settings.steps):
        tokens = torch.randint(TOKENS, (settings.batch,))
        came = torch.multinomial(truth[tokens].softmax(-1), 1)[:, 0]
        predicted = student[0][tokens] @ student[1]
        if settings.learns != "hard":
            apart = F.kl_div(
                (predicted / T).log_softmax(-1),
                (logits[tokens] / T).log_softmax(-1),
                log_target=True,
                reduction="batchmean",
            )
            loss = apart if settings.learns == "warm_plain" else T**2 * apart
        else:
            loss = F.cross_entropy(predicted, came)
        for weight, grad in zip(student, torch.autograd.grad(loss, student)):
            weight.data -= settings.rate * grad
    with torch.no_grad():
        pays = F.kl_div(
            (student[0] @ student[1]).log_softmax(-1), truth.log_softmax(-1), log_target=True, reduction="batchmean"
        )
    return {"excess": pays.item()}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    figure.bars(
        axes, [results.label(arm) for arm in results.arms], [results.mean(arm, "excess") for arm in results.arms]
    )
    figure.name(
        axes, x=Text("学生学什么", "what the student learns from"), y=Text("比熵多付的 nat", "nats above the entropy")
    )


lab = Lab(
    title=Text("老师的概率比正确答案多教了什么？", "What do a teacher's probabilities teach beyond the right answers?"),
    about_zh="""
        老师的概率里，有什么是正确答案没有的？

        文本是一条链：哪个词元后面跟哪个、各有多大概率，我们都知道。老师知道这些概率，学生从零开始。
        一个学生只看真正出现的词元（硬标签），其余的看老师的整个分布：原样的，或者用温度变平的，乘或不乘 T²。
        所有学生在同样的词元上走同样多的梯度步。量的是：学生比这条链的熵多付多少 nat。
        """,
    settings=Settings(),
    arms={name: {"learns": name} for name in ("hard", "soft", "warm", "warm_plain")},
    labels={
        "hard": Text("正确答案", "right answers"),
        "soft": Text("概率，T = 1", "probabilities, T = 1"),
        "warm": Text("T = 4，乘 T²", "T = 4, times T²"),
        "warm_plain": Text("T = 4，不乘", "T = 4, not times T²"),
    },
    run=run,
    metrics={"excess": Metric(Text("比熵多付的 nat", "nats above the entropy"), floor=0.0)},
    claims=[
        Claim(
            "soft_is_better",
            Text(
                "看概率的学生，多付的不到看答案的一半", "Probabilities leave less than half of what right answers leave"
            ),
            lambda arm: arm["soft"]["excess"] < 0.5 * arm["hard"]["excess"],
        ),
        Claim(
            "square_matters",
            Text(
                "温度 4 时不乘 T²，学得慢：多付的是乘了的 1.5 倍以上",
                "At T = 4 without T² it learns slowly: more than 1.5 times as much is left",
            ),
            lambda arm: arm["warm_plain"]["excess"] > 1.5 * arm["warm"]["excess"],
        ),
    ],
    sabotages=[
        Sabotage(
            {"knows": False},
            ("soft_is_better",),
            Text("老师自己不知道这条链", "a teacher that does not know the chain"),
        ),
        Sabotage(
            {"temperature": 1.0},
            ("square_matters",),
            Text("温度是 1 时，T² 也是 1", "at temperature 1 the factor is 1"),
        ),
    ],
    prediction=Prediction(
        Text(
            "同样多的步，看概率的学生多付多少？",
            "As many steps: how much more does the student of probabilities pay than the other?",
        ),
        {"same": Text("差不多", "about as much"), "less": Text("不到一半", "less than half")},
        lambda results: "less" if results.mean("soft", "excess") < 0.5 * results.mean("hard", "excess") else "same",
    ),
    why=Text(
        "硬标签每次只说出一个词元，别的词元有多可能，要看很多次才估得出来；老师的整个分布一次就全说了。除以 T 会让梯度小到"
        "大约 T² 分之一，乘回 T² 才能和原来一样快。",
        "A hard label tells of one token at a time, and how likely "
        "the others are shows only after many of them; the teacher'"
        "s distribution says all of it at once. Dividing by T makes"
        " the gradient about T² times smaller, and only the factor "
        "T² brings the old speed back.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
