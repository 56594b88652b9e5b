"""What happens when the sampler is not quite the model that is trained?

Answers are written by a fast engine, in other arithmetic or at another temperature, and the trainer computes its own
probabilities of them. If it takes these for the ones they were sampled with, every ratio is 1 and nothing looks wrong. Here
a policy chooses one of 32 answers, the sampler is the same policy at a lower temperature, and the gradient that many
samples give is compared with the exact one. Arms: the ratio is taken to be 1; the ratio to the sampler's own probabilities;
that ratio, cut at 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param

ANSWERS, PROBLEMS = 32, 8


@dataclass(frozen=True)
class Settings:
    ratio: str = param("one", choices=("one", "sampler", "cut"), zh="比值", en="ratio")
    temperature: float = param(0.6, low=0.3, high=3.0, zh="采样的温度", en="temperature of the sampler")
    batch: int = param(64, low=8, high=1024, zh="一批几个回答", en="answers in a batch")
    batches: int = param(1000, low=50, high=5000, zh="多少批", en="batches")
    cap: float = param(2.0, low=1.0, high=20.0, zh="截断在几倍", en="where the ratio is cut")


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    found = []
    for _ in range(PROBLEMS):
        logits = 1.5 * torch.randn(ANSWERS, dtype=torch.float64)
        reward = (torch.rand(ANSWERS) < 0.3).double()
        policy, sampler = logits.softmax(0), (logits / settings.temperature).softmax(0)
        better = reward - (policy * reward).sum()
        exact = policy * better
        taken = torch.multinomial(sampler, settings.batch * settings.batches, replacement=True)
        weight = better[taken]
        if settings.ratio != "one":
            ratio = (policy / sampler)[taken]
            weight = weight * (ratio.clamp(max=settings.cap) if settings.ratio == "cut" else ratio)
        weight, taken = weight.view(settings.batches, -1), taken.view(settings.batches, -1)
        gradient = torch.zeros(settings.batches, ANSWERS, dtype=torch.float64).scatter_add_(1, taken, weight)
        gradient = (gradient - weight.sum(1, keepdim=True) * policy) / settings.batch  # of the logits, one batch a row
        size = exact.norm()
        found.append(
            ((gradient.mean(0) - exact).norm() / size, (gradient - exact).square().sum(1).mean().sqrt() / size)
        )
    bias, error = torch.tensor(found).mean(0).tolist()
    return {"bias": bias, "error": error}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "bias") for arm in results.arms])
    figure.name(axes, x=Text("比值", "ratio"), y=Text("平均梯度的偏差", "bias of the mean gradient"))


lab = Lab(
    title=Text("写的人和学的人不一样", "Who writes is not who learns"),
    about_zh="""
        写回答的和被训练的模型差一点，会怎样？

        回答常由一个快的引擎来写，算术不同，或者温度不同；训练的一方再算一遍这些回答的概率。要是把自己算的当成采样时的，比值全
        是 1，什么也看不出来。这里策略从 32 个回答里选一个，采样的是同一个策略，只是温度低一些；把很多样本给出的梯度和精确的梯度
        比。三组：比值当成 1；用采样一方自己的概率算比值；这个比值再截断到 2。
        """,
    settings=Settings(),
    arms={name: {"ratio": name} for name in ("one", "sampler", "cut")},
    labels={
        "one": Text("当成 1", "taken as 1"),
        "sampler": Text("采样一方的概率", "the sampler's"),
        "cut": Text("同上，截断到 2", "the same, cut at 2"),
    },
    run=run,
    metrics={
        "bias": Metric(Text("平均梯度的偏差 ÷ 梯度", "bias of the mean gradient ÷ gradient"), floor=0.0),
        "error": Metric(Text("一批的误差 ÷ 梯度", "error of one batch ÷ gradient"), floor=0.0),
    },
    claims=[
        Claim(
            "bias",
            Text(
                "比值当成 1，偏差是用采样概率的五倍以上，超过梯度的五分之一",
                "With ratios of 1 the bias is more than five times as large, and more than a fifth of the gradient",
            ),
            lambda arm: arm["one"]["bias"] > max(5 * arm["sampler"]["bias"], 0.2),
        ),
        Claim(
            "cut",
            Text(
                "截断以后，一批的误差比不截断小，偏差比当成 1 小四分之一以上",
                "Cut, the error of one batch is smaller than uncut, and the bias is a quarter below that of ratios of 1",
            ),
            lambda arm: (
                arm["cut"]["error"] < 0.95 * arm["sampler"]["error"] and arm["cut"]["bias"] < 0.75 * arm["one"]["bias"]
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"temperature": 1.0},
            ("bias", "cut"),
            Text("采样的就是被训练的", "the sampler is the model that is trained"),
        ),
    ],
    prediction=Prediction(
        Text(
            "用采样一方的概率，偏差几乎没有了。那么只看一批，它的梯度误差是三组里最小的吗？",
            "With the sampler's probabilities the bias nearly goes. Is the error of a single batch then the smallest of the three?",
        ),
        {"yes": Text("是", "yes"), "no": Text("不是", "no")},
        lambda results: (
            "yes"
            if results.mean("sampler", "error") < min(results.mean("one", "error"), results.mean("cut", "error"))
            else "no"
        ),
    ),
    why=Text(
        "样本来自另一个分布，不乘比值，平均的就是另一个量，样本再多也不会变对。乘了比值平均就对，但少见的回答比值很大，一批的梯"
        "度就跳得厉害；截断用一点偏差换来平稳。",
        "Samples of another distribution, left unweighted, have the mean of something else, however many there are. The "
        "ratio mends the mean, but for rare answers it is large and makes one batch's gradient jump; the cut buys calm "
        "with a little bias.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
