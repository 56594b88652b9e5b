"""How large a rank does a change of a weight need?

A layer has learnt W; the new task wants W + D, where D has a rank of its own, four, as if four directions of the layer had to
change. LoRA of rank 1, 4 and 16 and full fine-tuning see the same inputs and the answers of W + D, and are trained with the
same steps of AdamW at the best of the same rates. What is left of the error is measured on inputs that nobody has seen. The
best that rank r can do is known (Eckart and Young, 1936): it keeps the r largest singular values of D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

RATES = (0.003, 0.01, 0.03)


@dataclass(frozen=True)
class Settings:
    rank: int = param(4, low=0, high=64, zh="LoRA 的秩（0：全部微调）", en="rank of LoRA (0: all weights)")
    width: int = param(64, low=16, high=256, zh="层的宽度", en="width of the layer")
    steps: int = param(300, low=50, high=2000, zh="训练几步", en="steps of training")
    true_rank: int = param(4, low=1, high=64, zh="变化本身的秩", en="rank of the change itself", hidden=True)


def train(settings: Settings, change: Tensor, lr: float, seed: int) -> float:
    """What is left of the error, as a share of what it was."""
    draw, n = torch.Generator().manual_seed(seed), settings.width
    if settings.rank:
        A = (torch.rand(settings.rank, n, generator=draw) * 2 - 1) * n**-0.5
        parts = [torch.zeros(n, settings.rank).requires_grad_(), A.requires_grad_()]
    else:
        parts = [torch.zeros(n, n).requires_grad_()]
    optimizer = torch.optim.AdamW(parts, lr=lr, weight_decay=0.0)
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - step / settings.steps)
        x = torch.randn(64, n, generator=draw)
        update = parts[0] @ parts[1] if settings.rank else parts[0]
        loss = (x @ (update - change).T).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    update = (parts[0] @ parts[1] if settings.rank else parts[0]).detach()
    return float((update - change).square().sum() / change.square().sum())  # of inputs N(0, 1), exactly


def run(settings: Settings, seed: int) -> dict[str, float]:
    draw, n, k = torch.Generator().manual_seed(seed), settings.width, settings.true_rank
    change = torch.randn(n, k, generator=draw) @ torch.randn(k, n, generator=draw) / (n * k) ** 0.5
    values = torch.linalg.svdvals(change).square()
    trained = settings.rank * 2 * n if settings.rank else n * n
    return {
        "left": min(train(settings, change, lr, seed) for lr in RATES),
        "best": (values[settings.rank :].sum() / values.sum()).item() if settings.rank else 0.0,
        "parameters": trained / n**2,
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "left") for arm in results.arms])
    figure.name(axes, x=Text("秩", "rank"), y=Text("剩下的误差", "error that is left"))


lab = Lab(
    title=Text("秩要多大才够？", "How large a rank is enough?"),
    about_zh="""
        一个权重要变多少，秩才够用？

        一层学会了 W，新任务要的是 W + D，D 自己的秩是 4：好比这一层只有四个方向要改。秩 1、4、16 的 LoRA 和全部微调看同样的
        输入、同样的答案，用 AdamW 走同样多的步，各取几个学习率里最好的。剩下的误差在没有见过的输入上量。
        秩 r 最多能做到多好是知道的（Eckart 和 Young，1936）：留下 D 最大的 r 个奇异值。
        """,
    settings=Settings(),
    arms={"one": {"rank": 1}, "four": {"rank": 4}, "sixteen": {"rank": 16}, "full": {"rank": 0}},
    labels={
        "one": Text("秩 1", "rank 1"),
        "four": Text("秩 4", "rank 4"),
        "sixteen": Text("秩 16", "rank 16"),
        "full": Text("全部微调", "all weights"),
    },
    run=run,
    metrics={
        "left": Metric(Text("剩下的误差", "error that is left"), chance=1.0, floor=0.0),
        "best": Metric(Text("这个秩最好能剩下多少", "the least that this rank can leave")),
        "parameters": Metric(Text("训练的参数（权重 = 1）", "trained parameters (the weight = 1)"), format=".2f"),
    },
    claims=[
        Claim(
            "as_much_as_it_takes",
            Text(
                "变化的秩是 4：秩 1 剩下三成以上的误差，秩 4 剩下不到 5 %",
                "The change has rank 4: rank 1 leaves more than three tenths, rank 4 less than 5 %",
            ),
            lambda arm: arm["one"]["left"] > 0.3 and arm["four"]["left"] < 0.05,
        ),
        Claim(
            "no_more",
            Text(
                "再大的秩只多出参数：秩 4 之后误差不再减少 5 个百分点",
                "A larger rank only adds parameters: beyond 4 less than 5 points are gained",
            ),
            lambda arm: (
                arm["one"]["left"] - arm["four"]["left"] > 0.3 and arm["four"]["left"] - arm["sixteen"]["left"] < 0.05
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"true_rank": 64},
            ("as_much_as_it_takes", "no_more"),
            Text("变化本身没有低秩", "the change is of no low rank"),
        ),
    ],
    prediction=Prediction(
        Text(
            "变化的秩是 4，用秩 16 会比秩 4 好多少？", "The change has rank 4. How much better is rank 16 than rank 4?"
        ),
        {"much": Text("好很多", "much"), "hardly": Text("几乎一样", "hardly at all")},
        lambda results: "much" if results.mean("four", "left") - results.mean("sixteen", "left") > 0.05 else "hardly",
    ),
    why=Text(
        "要学的改变有四个方向。BA 的每一列都由 B 的 r 列拼出来，r = 1 只有一个方向，另外三个够不着；r = 4"
        " 正好够；再大就只是多了参数。",
        "The change that is to be learnt has four directions. Every column of BA is put together from the r columns "
        "of B: with r = 1 there is one direction, and three are out of reach; r = 4 is just enough; more is only more "
        "parameters.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
