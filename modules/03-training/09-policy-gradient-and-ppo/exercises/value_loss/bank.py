"""Wrong and right ways to write the critic's loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def held(value_N, old_value_N, clip):
    return old_value_N + (value_N - old_value_N).clamp(-clip, clip)


@mistake(
    Text(
        "取了较小的：走得远反而显得好，裁剪就不起作用。",
        "The smaller is taken: going far looks good, and clipping does nothing.",
    )
)
def smaller(value_N, old_value_N, return_N, clip):
    return 0.5 * torch.minimum((value_N - return_N) ** 2, (held(value_N, old_value_N, clip) - return_N) ** 2)


@mistake(
    Text(
        "只用了裁过的：走错方向的没有梯度，再也回不来。",
        "Only the held one is used: what went the wrong way has no gradient and never comes back.",
    )
)
def only_held(value_N, old_value_N, return_N, clip):
    return 0.5 * (held(value_N, old_value_N, clip) - return_N) ** 2


@mistake(Text("没有裁剪。", "Nothing is clipped."))
def not_clipped(value_N, old_value_N, return_N, clip):
    return 0.5 * (value_N - return_N) ** 2


@mistake(
    Text(
        "裁的是 value 本身，不是它走了多远。",
        "The value itself is clamped, not how far it went.",
    )
)
def value_clamped(value_N, old_value_N, return_N, clip):
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (value_N.clamp(-clip, clip) - return_N) ** 2)


@mistake(
    Text(
        "裁成了 old 的倍数（1 ± clip）：那是比值的裁法，价值可以是 0 或负的。",
        "Clamped to multiples of old (1 ± clip): that is for ratios, and a value may be 0 or negative.",
    )
)
def as_a_ratio(value_N, old_value_N, return_N, clip):
    low, high = old_value_N * (1 - clip), old_value_N * (1 + clip)
    kept = torch.minimum(torch.maximum(value_N, torch.minimum(low, high)), torch.maximum(low, high))
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (kept - return_N) ** 2)


@mistake(Text("裁完忘了加回旧的估计。", "The old estimate is not added again after clamping."))
def old_forgotten(value_N, old_value_N, return_N, clip):
    kept = (value_N - old_value_N).clamp(-clip, clip)
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (kept - return_N) ** 2)


@mistake(Text("少了 1/2。", "The 1/2 is missing."))
def no_half(value_N, old_value_N, return_N, clip):
    return torch.maximum((value_N - return_N) ** 2, (held(value_N, old_value_N, clip) - return_N) ** 2)


@mistake(
    Text(
        "先比误差再平方，没有取绝对值：负的误差总是“较小”。",
        "Errors are compared before they are squared, with their signs: a negative one is always the smaller.",
    )
)
def signs(value_N, old_value_N, return_N, clip):
    return 0.5 * torch.maximum(value_N - return_N, held(value_N, old_value_N, clip) - return_N) ** 2


@mistake(Text("用了绝对误差，不是平方。", "Absolute errors are used and not squared ones."))
def absolute(value_N, old_value_N, return_N, clip):
    return 0.5 * torch.maximum((value_N - return_N).abs(), (held(value_N, old_value_N, clip) - return_N).abs())


@mistake(Text("你取了平均：要每个词元各自的损失。", "You take the mean: every token has a loss of its own."))
def averaged(value_N, old_value_N, return_N, clip):
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (held(value_N, old_value_N, clip) - return_N) ** 2).mean()


@mistake(
    Text(
        "现在的估计没有梯度（detach）：价值网络学不到东西。",
        "The estimate is detached: the critic learns nothing.",
    )
)
def no_gradient(value_N, old_value_N, return_N, clip):
    value_N = value_N.detach()
    kept = held(value_N, old_value_N, clip)
    return 0.5 * torch.maximum((value_N - return_N) ** 2, (kept - return_N) ** 2)


@variant
def by_clamp_of_tensors(value_N, old_value_N, return_N, clip):
    kept = torch.maximum(torch.minimum(value_N, old_value_N + clip), old_value_N - clip)
    return torch.maximum((value_N - return_N).square(), (kept - return_N).square()) / 2


@variant
def by_mse(value_N, old_value_N, return_N, clip):
    kept = held(value_N, old_value_N, clip)
    both = torch.stack([F.mse_loss(x, return_N, reduction="none") for x in (value_N, kept)])
    return 0.5 * both.max(0).values


@variant
def by_absolute_errors(value_N, old_value_N, return_N, clip):
    kept = held(value_N, old_value_N, clip)
    error = torch.maximum((value_N - return_N).abs(), (kept - return_N).abs())
    return 0.5 * error * error
