"""What the grader of kl_estimate is graded with."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def estimate(d, kind):
    return {"k1": -d, "k2": d.square() / 2, "k3": d.exp() - 1 - d}[kind]


@mistake(
    Text(
        "d 的符号反了：估计的是 KL(参考 ‖ 策略) 的样子，可是词元是策略采样的。应当是 ref_logp - logp。",
        "The sign of d is turned, as if the reference had sampled the tokens: it is ref_logp - logp.",
    )
)
def turned(logp_N, ref_logp_N, kind):
    return estimate(logp_N - ref_logp_N, kind)


@mistake(Text("k1 的符号反了：应当是 logp - ref_logp。", "The sign of k1 is turned: it is logp - ref_logp."))
def k1_turned(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    return d if kind == "k1" else estimate(d, kind)


@mistake(Text("k2 忘了除以 2。", "The half is missing in k2."))
def k2_without_the_half(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    return d.square() if kind == "k2" else estimate(d, kind)


@mistake(Text("k3 忘了减 1：两个模型一样时它应当是 0。", "The 1 is missing in k3: it must be 0 when the models agree."))
def k3_without_the_one(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    return d.exp() - d if kind == "k3" else estimate(d, kind)


@mistake(
    Text(
        "k3 忘了减 d：剩下的 exp(d) - 1 平均是 0，什么也估计不了。",
        "d is missing in k3: exp(d) - 1 is 0 on average and estimates nothing.",
    )
)
def k3_without_d(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    return d.exp() - 1 if kind == "k3" else estimate(d, kind)


@mistake(Text("k3 里 d 的符号反了：应当减去 d。", "d has the wrong sign in k3: it is subtracted."))
def k3_plus_d(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    return d.exp() - 1 + d if kind == "k3" else estimate(d, kind)


@mistake(Text("不管 kind 是什么，都返回了 k3。", "It returns k3 whatever `kind` says."))
def always_k3(logp_N, ref_logp_N, kind):
    return estimate(ref_logp_N - logp_N, "k3")


@mistake(
    Text("返回的是平均值，要的是每个词元的估计 [N]。", "It returns the mean; one estimate a token, [N], is asked for.")
)
def the_mean(logp_N, ref_logp_N, kind):
    return estimate(ref_logp_N - logp_N, kind).mean()


@mistake(
    Text(
        "用了绝对值：k1 本来就可以是负的，这样平均就不对了。",
        "It takes the absolute value: k1 may be negative, and without that its mean is wrong.",
    )
)
def absolute(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    return d.abs() if kind == "k1" else estimate(d, kind)


@mistake(
    Text(
        "对策略的对数概率求导被切断了（detach）：KL 项不再约束模型。",
        "The gradient to the policy is cut off (detach): the KL term holds nothing back any more.",
    )
)
def detached(logp_N, ref_logp_N, kind):
    return estimate(ref_logp_N - logp_N.detach(), kind)


@mistake(
    Text(
        "乘上了概率 exp(logp)：采样本身已经按概率了，不用再乘。",
        "It is weighed by exp(logp): sampling has done that already.",
    )
)
def weighed_by_the_probability(logp_N, ref_logp_N, kind):
    return logp_N.exp() * estimate(ref_logp_N - logp_N, kind)


@variant
def with_expm1(logp_N, ref_logp_N, kind):
    d = ref_logp_N - logp_N
    if kind == "k3":
        return torch.expm1(d) - d
    return logp_N - ref_logp_N if kind == "k1" else 0.5 * d * d


@variant
def by_the_ratio(logp_N, ref_logp_N, kind):
    ratio = torch.exp(ref_logp_N - logp_N)
    match kind:
        case "k1":
            return -ratio.log()
        case "k2":
            return 0.5 * ratio.log() ** 2
        case _:
            return (ratio - 1) - ratio.log()


@variant
def from_a_table(logp_N, ref_logp_N, kind):
    d = torch.sub(ref_logp_N, logp_N)
    return {"k1": d.neg(), "k2": torch.pow(d, 2).div(2), "k3": torch.exp(d).sub(1).sub(d)}[kind]
