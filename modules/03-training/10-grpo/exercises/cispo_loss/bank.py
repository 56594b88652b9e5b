"""What the grader of cispo_loss is graded with."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def weight(logp_N, old_logp_N, high):
    return (logp_N - old_logp_N).exp().clamp(max=high).detach()


@mistake(
    Text(
        "权重没有 detach：梯度多了一项，而且被截断的词元又少了这一项。",
        "The weight is not detached: the gradient has a term too many, which vanishes where the weight is cut.",
    )
)
def not_detached(logp_N, old_logp_N, advantage_N, high):
    return -(logp_N - old_logp_N).exp().clamp(max=high) * advantage_N * logp_N


@mistake(Text("权重没有截断。", "The weight is not cut."))
def not_cut(logp_N, old_logp_N, advantage_N, high):
    return -(logp_N - old_logp_N).exp().detach() * advantage_N * logp_N


@mistake(Text("截断在 1 + high，应当是 high。", "It is cut at 1 + high; `high` is the limit itself."))
def cut_at_one_more(logp_N, old_logp_N, advantage_N, high):
    return -weight(logp_N, old_logp_N, 1 + high) * advantage_N * logp_N


@mistake(
    Text(
        "下面也截断了：比值小于 1 的词元应当保留它的小权重。",
        "It is cut from below too: a token with a ratio under 1 keeps its small weight.",
    )
)
def cut_below(logp_N, old_logp_N, advantage_N, high):
    return -(logp_N - old_logp_N).exp().clamp(1.0, high).detach() * advantage_N * logp_N


@mistake(Text("少了负号。", "The minus is missing."))
def not_negated(logp_N, old_logp_N, advantage_N, high):
    return weight(logp_N, old_logp_N, high) * advantage_N * logp_N


@mistake(
    Text(
        "少了 logp 这个因子：损失里没有东西可以求导。",
        "The factor logp is missing: nothing in the loss can be differentiated.",
    )
)
def without_logp(logp_N, old_logp_N, advantage_N, high):
    return -weight(logp_N, old_logp_N, high) * advantage_N + 0 * logp_N


@mistake(
    Text(
        "这是 PPO 的裁剪：走得太远的词元没有梯度了。", "This is PPO's clip: tokens that went too far have no gradient."
    )
)
def as_ppo(logp_N, old_logp_N, advantage_N, high):
    ratio = (logp_N - old_logp_N).exp()
    return -torch.minimum(ratio * advantage_N, ratio.clamp(max=high) * advantage_N)


@mistake(Text("比值倒过来了：应当是新的除以旧的。", "The ratio is upside down: it is new over old."))
def upside_down(logp_N, old_logp_N, advantage_N, high):
    return -weight(old_logp_N, logp_N, high) * advantage_N * logp_N


@mistake(
    Text(
        "最后乘的是旧的对数概率，它没有梯度。",
        "The last factor is the old log-probability, which has no gradient to learn from.",
    )
)
def old_logp_as_factor(logp_N, old_logp_N, advantage_N, high):
    return -weight(logp_N, old_logp_N, high) * advantage_N * old_logp_N + 0 * logp_N


@mistake(
    Text(
        "返回的是平均值，要的是每个词元的损失 [N]。", "It returns the mean; the loss of every token, [N], is asked for."
    )
)
def the_mean(logp_N, old_logp_N, advantage_N, high):
    return (-weight(logp_N, old_logp_N, high) * advantage_N * logp_N).mean()


@mistake(Text("比值没有取 exp。", "The ratio lacks its exp."))
def without_exp(logp_N, old_logp_N, advantage_N, high):
    return -(logp_N - old_logp_N).clamp(max=high).detach() * advantage_N * logp_N


@variant
def without_gradient(logp_N, old_logp_N, advantage_N, high):
    with torch.no_grad():
        scale = torch.exp(logp_N - old_logp_N).clamp_max(high)
    return -(scale * advantage_N * logp_N)


@variant
def with_minimum(logp_N, old_logp_N, advantage_N, high):
    ratio = torch.exp(logp_N.detach() - old_logp_N.detach())
    return -torch.minimum(ratio, torch.full_like(ratio, high)) * advantage_N * logp_N


@variant
def with_where(logp_N, old_logp_N, advantage_N, high):
    ratio = (logp_N - old_logp_N).detach().exp()
    scale = torch.where(ratio > high, torch.as_tensor(high, dtype=ratio.dtype), ratio)
    return -(advantage_N * scale) * logp_N
