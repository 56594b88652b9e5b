"""What does dividing the scores by sqrt(d) protect? The spread of the weights, and the gradient through the softmax.

Queries and keys are random with mean 0 and variance 1, roughly as they are when training begins. Their dot product adds up
d such products, so its variance is d: the larger the head, the larger the scores, and the closer the softmax comes to
picking a single key. The arms divide the scores by 1, by sqrt(d) (Vaswani et al., 2017) and by d. Nothing is trained.

The gradient is that of the scores, for a random gradient arriving at the weights, so that it shows the effect of the softmax
and nothing else. The claim about it uses the median over queries; the mean is shown beside it, but a few queries whose two
best keys happen to tie make up most of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

SIZES = (1, 4, 16, 64, 256, 1024)
"""Head sizes d; the usual one of a real model is 64 or 128."""


@dataclass(frozen=True)
class Settings:
    keys: int = param(64, low=4, high=1024, zh="每个查询看多少个键", en="keys per query")
    queries: int = param(512, low=32, high=4096, zh="查询的个数", en="number of queries")
    divide: str = param("sqrt", choices=("one", "sqrt", "d"), zh="分数除以什么", en="what the scores are divided by")
    vectors: str = param("random", choices=("random", "unit"), zh="向量有多长", en="length of the vectors", hidden=True)


def attention_weights(query_ND: Tensor, key_SD: Tensor, divide: str) -> tuple[Tensor, Tensor]:
    """Scores and weights [N, S]: softmax(q k^T / divisor). Written out, because the part divides by sqrt(d) always."""
    d = query_ND.shape[1]
    scores = (query_ND @ key_SD.T / {"one": 1.0, "sqrt": math.sqrt(d), "d": float(d)}[divide]).requires_grad_()
    return scores, scores.softmax(-1)


def run(settings: Settings, seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list[float]] = {name: [] for name in ("spread", "entropy", "gradient", "gradient_mean")}
    for d in SIZES:
        query, key = (torch.randn(n, d, generator=generator) for n in (settings.queries, settings.keys))
        if settings.vectors == "unit":
            query, key = (x / x.norm(dim=1, keepdim=True) for x in (query, key))
        scores, weights = attention_weights(query, key, settings.divide)
        arriving = torch.randn(weights.shape, generator=generator)
        (gradient,) = torch.autograd.grad((weights * arriving).sum(), scores)
        entropy = -(weights * weights.clamp_min(1e-30).log()).sum(-1)
        found["spread"].append(scores.std().item())
        found["entropy"].append(entropy.mean().item() / math.log(settings.keys))
        found["gradient"].append(gradient.norm(dim=-1).median().item())
        found["gradient_mean"].append(gradient.norm(dim=-1).mean().item())
    largest = {name: values[-1] for name, values in found.items()}
    return {
        **largest,
        "entropy_by_size": found["entropy"],
        "gradient_by_size": found["gradient"],
        "drift": abs(found["entropy"][-1] - found["entropy"][SIZES.index(16)]),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for axes, metric in ((left, "entropy_by_size"), (right, "gradient_by_size")):
        for arm in results.arms:
            figure.line(axes, SIZES, *results.band(arm, metric), label=results.label(arm))
        axes.set_xscale("log", base=2)
        axes.set_xticks(SIZES, [str(size) for size in SIZES])
    right.set_yscale("log")
    figure.floor(left, 0, Text("只看一个键", "a single key"))
    x = Text("头的大小 d", "head size d")
    figure.name(left, x=x, y=Text("权重的熵 / ln(键的个数)", "entropy of the weights ÷ ln(number of keys)"))
    figure.name(right, x=x, y=Text("分数的梯度（中位数）", "gradient of the scores (median)"))


def how_sharp(results: Results) -> str:
    entropy = results.mean("one", "entropy")
    return "flat" if entropy > 0.8 else "middle" if entropy > 0.3 else "sharp"


lab = Lab(
    title=Text("分数为什么要除以 √d？", "Why are scores divided by √d?"),
    about_zh="""
        分数除以 sqrt(d)，保住了什么？权重的分散，还有穿过 softmax 的梯度。

        query 和 key 是随机的，均值 0、方差 1，和训练开始时一样。点积把 d 个乘积加起来，方差就是 d：头越大，分数越大，
        softmax 就越接近只挑一个 key。各组把分数除以 1、除以 sqrt(d)（Vaswani 等，2017）或除以 d。什么都不训练。

        这里的梯度是分数的梯度：传到权重上的是随机的梯度，所以量到的只有 softmax 的作用，没有别的。
        关于它的判定看的是所有 query 的中位数；旁边也列出平均数，但它由少数前两名正好打平的 query 撑着。
        """,
    settings=Settings(),
    arms={"one": {"divide": "one"}, "sqrt": {"divide": "sqrt"}, "d": {"divide": "d"}},
    labels={
        "one": Text("不除", "not divided"),
        "sqrt": Text("除以 √d", "divided by √d"),
        "d": Text("除以 d", "divided by d"),
    },
    seeds=5,
    run=run,
    metrics={
        "spread": Metric(Text("分数的标准差", "standard deviation of the scores"), format=".2f"),
        "entropy": Metric(Text("熵 ÷ 最大的熵", "entropy ÷ largest possible")),
        "gradient": Metric(Text("梯度（中位数）", "gradient (median)"), format=".1e"),
        "gradient_mean": Metric(Text("梯度（平均数）", "gradient (mean)"), format=".1e"),
        "drift": Metric(Text("熵的变化", "change in entropy")),
        "entropy_by_size": Metric(Text("各个 d 的熵", "entropy for each d")),
        "gradient_by_size": Metric(Text("各个 d 的梯度", "gradient for each d")),
    },
    claims=[
        Claim(
            "spread_out",
            Text(
                "d=1024 时，除以 √d 的权重的熵比不除高出最大熵的一半以上",
                "At d = 1024, the entropy of weights divided by √d is higher than undivided, by more than half "
                "of the largest possible",
            ),
            lambda arm: arm["sqrt"]["entropy"] > arm["one"]["entropy"] + 0.5,
        ),
        Claim(
            "gradient",
            Text(
                "d=1024 时，不除的分数梯度（中位数）不到除以 √d 的十分之一",
                "At d = 1024, the median gradient of undivided scores is less than a tenth of the one with √d",
            ),
            lambda arm: arm["one"]["gradient"] < 0.1 * arm["sqrt"]["gradient"],
        ),
        Claim(
            "steady",
            Text(
                "d 从 16 到 1024，除以 √d 时熵的改变不到不除时的十分之一",
                "From d = 16 to d = 1024, the entropy with √d changes by less than a tenth as much as without",
            ),
            lambda arm: arm["sqrt"]["drift"] < 0.1 * arm["one"]["drift"],
        ),
        Claim(
            "too_flat",
            Text(
                "d=1024 时，除以 d 的权重几乎是取平均：熵在最大熵的 0.99 以上，而除以 √d 的在 0.95 以下",
                "At d = 1024, dividing by d makes the weights nearly an average: entropy above 0.99 of the "
                "largest possible, while with √d it is below 0.95",
            ),
            lambda arm: arm["d"]["entropy"] > 0.99 and arm["sqrt"]["entropy"] < 0.95,
        ),
    ],
    sabotages=[
        Sabotage(
            {"vectors": "unit"},
            ("spread_out", "gradient", "too_flat"),
            Text("向量都缩到长度 1：分数不再随 d 变大", "all vectors have length 1, so scores no longer grow with d"),
        ),
        Sabotage(
            {"divide": "one"}, ("spread_out", "gradient", "steady", "too_flat"), Text("谁都不除", "no arm divides")
        ),
    ],
    prediction=Prediction(
        Text(
            "d=1024、64 个键、随机的 Q 和 K。不除以 √d，权重会是什么样？",
            "d = 1024, 64 keys, random Q and K. Without dividing by √d, what do the weights look like?",
        ),
        {
            "flat": Text("差不多平均分给 64 个键", "spread about evenly over the 64 keys"),
            "middle": Text("分给十来个键", "spread over a dozen or so keys"),
            "sharp": Text("几乎全给一两个键", "almost entirely on one or two keys"),
        },
        how_sharp,
    ),
    why=Text(
        "d 个互不相关的乘积加起来，方差是 d，标准差是 √d；除以 √d，分数的大小就和 d 无关。不除，分数随 d 变"
        "大，softmax 几乎只选一个键，它的导数 w(1−w) 也就接近 0。",
        "A sum of d uncorrelated products has variance d and standard deviation √d; dividing by √d makes the "
        "size of the scores independent of d. Undivided, scores grow with d, the softmax all but picks a single "
        "key, and its derivative w(1−w) goes to 0.",
    ),
    figure=draw,
    quick={"queries": 128},
)

if __name__ == "__main__":
    lab.main()
