"""How well does a single sampled token tell how far a policy is from its reference?

The KL divergence is a mean over the whole vocabulary. Training sees sampled tokens only, and estimates it from their
log-probabilities. Both arms look at the same tokens of the same two distributions: k1 is the plain difference of the
logarithms, k3 adds exp(d) - 1, which is 0 on average. Both have the right mean; what differs is how far single values scatter,
and that is the noise in a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param


@dataclass(frozen=True)
class Settings:
    kind: str = param("k1", choices=("k1", "k3"), zh="哪一种估计", en="which estimate")
    vocabulary: int = param(200, low=10, high=5000, zh="词表大小", en="tokens of the vocabulary")
    samples: int = param(100_000, low=1000, high=1_000_000, zh="采样多少个词元", en="sampled tokens")
    distance: float = param(0.3, low=0.01, high=3.0, zh="策略离参考多远", en="how far the policy is")
    sampler: str = param("policy", choices=("policy", "reference"), zh="谁来采样", en="who samples", hidden=True)
    correction: float = param(1.0, low=0.0, high=1.0, zh="k3 的修正项", en="share of what k3 adds", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    reference = torch.randn(settings.vocabulary, dtype=torch.float64)
    policy = reference + settings.distance * torch.randn(settings.vocabulary, dtype=torch.float64)
    logp, ref_logp = policy.log_softmax(0), reference.log_softmax(0)
    exact = (logp.exp() * (logp - ref_logp)).sum().item()
    source = logp if settings.sampler == "policy" else ref_logp
    tokens = torch.multinomial(source.exp(), settings.samples, replacement=True)
    difference = (ref_logp - logp)[tokens]
    values = -difference if settings.kind == "k1" else settings.correction * (difference.exp() - 1) - difference
    return {
        "exact": exact,
        "mean": values.mean().item(),
        "off": abs(values.mean().item() - exact) / exact,
        "scatter": values.std().item() / exact,
        "negative": (values < 0).double().mean().item(),
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "scatter") for arm in results.arms])
    figure.name(
        axes, x=Text("估计", "estimate"), y=Text("单个值的波动（KL 的倍数）", "scatter of one value (times the KL)")
    )


lab = Lab(
    title=Text("一个词元能看出多少 KL？", "How much KL does one token show?"),
    about_zh="""
        采样出来的一个词元，能看出策略离参考模型有多远吗？

        KL 散度是对整个词表的平均。训练时只看得到采样的词元，只能用它们的对数概率来估计。两组看的是同样两个分布、同样的词元：k1 直接
        取对数概率之差，k3 再加上平均为 0 的 exp(d) - 1。两种估计的平均都对，差别在单个值波动多大，而这就是梯度里的噪声。
        """,
    settings=Settings(),
    arms={"k1": {"kind": "k1"}, "k3": {"kind": "k3"}},
    labels={"k1": Text("k1：对数之差", "k1: the difference"), "k3": Text("k3", "k3")},
    run=run,
    metrics={
        "exact": Metric(Text("精确的 KL", "the exact KL"), floor=0.0),
        "mean": Metric(Text("估计的平均", "mean of the estimates")),
        "off": Metric(Text("平均的偏差（KL 的倍数）", "error of the mean (times the KL)"), floor=0.0),
        "scatter": Metric(Text("单个值的波动（KL 的倍数）", "scatter of one value (times the KL)"), floor=0.0),
        "negative": Metric(Text("负值的比例", "share of negative values"), floor=0.0),
    },
    claims=[
        Claim(
            "right_mean",
            Text("两种估计的平均都对，差不到 10%", "Both means are right, to less than a tenth"),
            lambda arm: arm["k1"]["off"] < 0.1 and arm["k3"]["off"] < 0.1,
            absolute=True,
        ),
        Claim(
            "less_scatter",
            Text("k3 的波动不到 k1 的一半", "k3 scatters less than half as much as k1"),
            lambda arm: arm["k3"]["scatter"] < arm["k1"]["scatter"] / 2,
        ),
        Claim(
            "never_negative",
            Text("k3 总不为负，k1 有三成以上是负的", "k3 is never negative, and k1 is in three of ten cases or more"),
            lambda arm: arm["k3"]["negative"] == 0 and arm["k1"]["negative"] > 0.3,
        ),
    ],
    sabotages=[
        Sabotage(
            {"correction": 0.0},
            ("less_scatter", "never_negative"),
            Text("不加 exp(d) - 1，k3 就是 k1", "without exp(d) - 1, k3 is k1"),
        ),
        Sabotage(
            {"sampler": "reference"},
            ("right_mean",),
            Text(
                "词元由参考模型来采样：平均的是另一个方向的 KL",
                "the reference samples the tokens: the mean is of something else",
            ),
        ),
    ],
    prediction=Prediction(
        Text("k3 的单个值比 k1 波动小多少？", "How much less do single values of k3 scatter than those of k1?"),
        {
            "same": Text("差不多", "about the same"),
            "half": Text("大约一半", "about half"),
            "tenth": Text("不到三分之一", "less than a third"),
        },
        lambda results: next(
            name
            for name, most in (("tenth", 1 / 3), ("half", 0.75), ("same", float("inf")))
            if results.mean("k3", "scatter") < most * results.mean("k1", "scatter")
        ),
    ),
    why=Text(
        "k1 是对数的差，有正有负，平均以后才对。k3 加上了 exp(d) − 1：它的平均是 0，却总和 d 反着来，把"
        "大部分起伏抵消了，而且每个值都不小于 0。两个分布离得不远时，它就安静得多。",
        "k1 is the difference of the logarithms, positive here and negative there, and right only on average. k3 adds "
        "exp(d) - 1, which is 0 on average but always pulls against d: most of the scatter cancels, and no value is "
        "below 0. As long as the two distributions are not far apart it is much calmer.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
