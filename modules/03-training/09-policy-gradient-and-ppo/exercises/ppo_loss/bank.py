"""What the grader of ppo_loss is graded with."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def parts(logp_N, old_logp_N, advantage_N, clip):
    ratio = (logp_N - old_logp_N).exp()
    return ratio * advantage_N, ratio.clamp(1 - clip, 1 + clip) * advantage_N


@mistake(
    Text(
        "少了负号：损失要被最小化，这样好的词元会变得更不可能。",
        "The minus is missing: the loss is minimised, and good tokens would become less likely.",
    )
)
def not_negated(logp_N, old_logp_N, advantage_N, clip):
    return torch.minimum(*parts(logp_N, old_logp_N, advantage_N, clip))


@mistake(
    Text(
        "取了较大的，应当取较小的：这样走得太远的词元还会被继续推。",
        "It takes the larger one: tokens that went too far are pushed on.",
    )
)
def maximum(logp_N, old_logp_N, advantage_N, clip):
    return -torch.maximum(*parts(logp_N, old_logp_N, advantage_N, clip))


@mistake(
    Text(
        "只用了裁过的比值：走错了方向的词元（好的变得不可能，坏的变得可能）没有梯度，拉不回来。",
        "Only the clamped ratio is used: tokens that went the wrong way have no gradient and are never pulled back.",
    )
)
def only_clamped(logp_N, old_logp_N, advantage_N, clip):
    return -parts(logp_N, old_logp_N, advantage_N, clip)[1]


@mistake(Text("完全没有裁剪。", "Nothing is clipped."))
def never_clamped(logp_N, old_logp_N, advantage_N, clip):
    return -parts(logp_N, old_logp_N, advantage_N, clip)[0]


@mistake(
    Text(
        "先在比值之间取较小的，再乘优势：优势为负时选反了一边。",
        "It takes the smaller ratio and then multiplies: for negative advantages that is the wrong side.",
    )
)
def minimum_of_the_ratios(logp_N, old_logp_N, advantage_N, clip):
    ratio = (logp_N - old_logp_N).exp()
    return -torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)) * advantage_N


@mistake(
    Text("比值没有取 exp：那是对数概率之差。", "The ratio lacks its exp: this is the difference of log-probabilities.")
)
def without_exp(logp_N, old_logp_N, advantage_N, clip):
    ratio = logp_N - old_logp_N
    return -torch.minimum(ratio * advantage_N, ratio.clamp(1 - clip, 1 + clip) * advantage_N)


@mistake(Text("比值倒过来了：应当是新的除以旧的。", "The ratio is upside down: it is new over old."))
def upside_down(logp_N, old_logp_N, advantage_N, clip):
    return -torch.minimum(*parts(old_logp_N, logp_N, advantage_N, clip))


@mistake(Text("裁剪的范围是 ±clip，应当是 1 ± clip。", "It clamps to ±clip; the range is 1 ± clip."))
def clamped_around_zero(logp_N, old_logp_N, advantage_N, clip):
    ratio = (logp_N - old_logp_N).exp()
    return -torch.minimum(ratio * advantage_N, ratio.clamp(-clip, clip) * advantage_N)


@mistake(
    Text(
        "裁剪的是对数概率之差，不是比值：exp(±ε) 和 1 ± ε 不一样。",
        "It clamps the difference of logarithms: exp(±ε) is not 1 ± ε.",
    )
)
def clamped_in_logarithms(logp_N, old_logp_N, advantage_N, clip):
    log = logp_N - old_logp_N
    return -torch.minimum(log.exp() * advantage_N, log.clamp(-clip, clip).exp() * advantage_N)


@mistake(
    Text(
        "返回的是平均值，要的是每个词元的损失 [N]。", "It returns the mean; the loss of every token, [N], is asked for."
    )
)
def the_mean(logp_N, old_logp_N, advantage_N, clip):
    return -torch.minimum(*parts(logp_N, old_logp_N, advantage_N, clip)).mean()


@mistake(Text("比值被 detach 了：没有东西可以学。", "The ratio is detached: nothing can be learned."))
def detached(logp_N, old_logp_N, advantage_N, clip):
    return -torch.minimum(*parts(logp_N.detach(), old_logp_N, advantage_N, clip)) + 0 * logp_N


@mistake(
    Text(
        "只裁了上面，没有裁下面：坏的词元会被一直往下推。",
        "Only the upper side is clipped: bad tokens are pushed down for ever.",
    )
)
def only_above(logp_N, old_logp_N, advantage_N, clip):
    ratio = (logp_N - old_logp_N).exp()
    return -torch.minimum(ratio * advantage_N, ratio.clamp(max=1 + clip) * advantage_N)


@variant
def by_maximum_of_losses(logp_N, old_logp_N, advantage_N, clip):
    free, held = parts(logp_N, old_logp_N, advantage_N, clip)
    return torch.maximum(-free, -held)


@variant
def by_cases(logp_N, old_logp_N, advantage_N, clip):
    ratio = torch.exp(logp_N - old_logp_N)
    far = torch.where(advantage_N > 0, ratio > 1 + clip, ratio < 1 - clip)
    edge = 1 + clip * advantage_N.sign()
    return -torch.where(far, edge, ratio) * advantage_N


@variant
def with_relu(logp_N, old_logp_N, advantage_N, clip):
    """What is beyond the edge is taken away again, with its gradient."""
    free, held = parts(logp_N, old_logp_N, advantage_N, clip)
    return -(free - F.relu(free - held))
