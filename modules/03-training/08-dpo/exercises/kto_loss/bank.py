"""Wrong and right ways to write the loss of KTO."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def value(ratio_B, good_B, kl, beta):
    return torch.sigmoid(beta * torch.where(good_B, ratio_B - kl, kl - ratio_B))


@mistake(
    Text(
        "好和差反了，或者少了“1 −”：好回答越可能，损失反而越大。",
        "Good and bad are exchanged, or the “1 −” is missing: the more probable a good answer, the greater the loss.",
    )
)
def labels_swapped(logps_B, ref_B, good_B, kl, beta):
    return 1 - value(logps_B - ref_B, ~good_B, max(kl, 0.0), beta)


@mistake(Text("没有用参照点 kl。", "The reference point kl is not used."))
def no_reference_point(logps_B, ref_B, good_B, kl, beta):
    return 1 - value(logps_B - ref_B, good_B, 0.0, beta)


@mistake(
    Text(
        "差回答的参照点符号错了：是 kl − 比，不是 −比 − kl。",
        "The reference point has the wrong sign for bad answers: kl − ratio, not −ratio − kl.",
    )
)
def same_sign_for_both(logps_B, ref_B, good_B, kl, beta):
    ratio_B = logps_B - ref_B
    return 1 - torch.sigmoid(beta * (torch.where(good_B, ratio_B, -ratio_B) - max(kl, 0.0)))


@mistake(
    Text(
        "kl 小于 0 时没有当作 0：距离不会是负的。",
        "A kl below 0 is not taken for 0: a distance cannot be negative.",
    )
)
def kl_below_zero(logps_B, ref_B, good_B, kl, beta):
    return 1 - value(logps_B - ref_B, good_B, kl, beta)


@mistake(
    Text(
        "你取了 −log：那是 DPO 的损失。KTO 的是 1 − sigmoid，离参照点很远的回答不再用力推。",
        "You take −log, as DPO does. KTO has 1 − sigmoid, which lets go of answers far from the reference point.",
    )
)
def minus_log(logps_B, ref_B, good_B, kl, beta):
    ahead_B = (logps_B - ref_B) - max(kl, 0.0)
    return -F.logsigmoid(beta * torch.where(good_B, ahead_B, -ahead_B))


@mistake(Text("β 写在了 sigmoid 外面。", "β stands outside of the sigmoid."))
def beta_outside(logps_B, ref_B, good_B, kl, beta):
    return beta * (1 - value(logps_B - ref_B, good_B, max(kl, 0.0), 1.0))


@mistake(
    Text(
        "β 只乘了比，没有乘 kl：两个要一起乘。",
        "β multiplies the ratio only and not kl: it goes with both.",
    )
)
def beta_on_the_ratio_only(logps_B, ref_B, good_B, kl, beta):
    ahead_B = beta * (logps_B - ref_B) - max(kl, 0.0)
    return 1 - torch.sigmoid(torch.where(good_B, ahead_B, -ahead_B))


@mistake(Text("没有减去参考模型。", "The reference is not subtracted."))
def no_reference(logps_B, ref_B, good_B, kl, beta):
    return 1 - value(logps_B, good_B, max(kl, 0.0), beta)


@mistake(
    Text(
        "差回答没有算：它的损失是 0，模型只看好的。",
        "Bad answers do not count: with a loss of 0 the model looks at the good ones only.",
    )
)
def good_ones_only(logps_B, ref_B, good_B, kl, beta):
    return (1 - value(logps_B - ref_B, good_B, max(kl, 0.0), beta)) * good_B


@mistake(Text("你取了平均：每条回答有自己的损失。", "You take the mean: every answer has a loss of its own."))
def averaged(logps_B, ref_B, good_B, kl, beta):
    return (1 - value(logps_B - ref_B, good_B, max(kl, 0.0), beta)).mean()


@variant
def other_side_of_the_sigmoid(logps_B, ref_B, good_B, kl, beta):
    sign_B = torch.where(good_B, -1.0, 1.0)
    return torch.sigmoid(beta * sign_B * (logps_B - ref_B - max(kl, 0.0)))


@variant
def by_cases(logps_B, ref_B, good_B, kl, beta):
    x = beta * (logps_B - ref_B - max(kl, 0.0))
    return torch.where(good_B, 1 - torch.sigmoid(x), 1 - torch.sigmoid(-x))


@variant
def by_tanh(logps_B, ref_B, good_B, kl, beta):
    x = beta * (logps_B - ref_B - max(kl, 0.0)) * (2 * good_B.to(logps_B.dtype) - 1)
    return 0.5 - 0.5 * torch.tanh(x / 2)
