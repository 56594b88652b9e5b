"""Wrong and right ways to write cross_entropy."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def losses(logits, targets):
    """-ln p of every position, 0 where the target is -100."""
    return F.cross_entropy(logits, targets, ignore_index=-100, reduction="none")


@mistake(
    Text(
        "你求了平均。这里要总和：循环自己会除以总词元数。",
        "You take the mean. The sum is wanted: the loop itself divides by the number of tokens.",
    )
)
def mean_over_counted(logits_NV, targets_N):
    return F.cross_entropy(logits_NV.float(), targets_N)


@mistake(
    Text(
        "你除以了 N：-100 的位置也被算进了平均。这里要的是总和。",
        "You divide by N, so that positions with -100 count in the mean as well. The sum is wanted.",
    )
)
def mean_over_all(logits_NV, targets_N):
    return losses(logits_NV.float(), targets_N).mean()


@mistake(
    Text(
        "-100 没有被当作“不算”：换成 0 之后，词元 0 成了那些位置的目标。把它们的损失去掉。",
        "-100 is not left out: with 0 in its place, token 0 has become the target of those positions. Take their losses away.",
    )
)
def ignored_become_token_0(logits_NV, targets_N):
    return F.cross_entropy(logits_NV.float(), targets_N.clamp(min=0), reduction="sum")


@mistake(
    Text(
        "-100 被当成了下标：Python 的负下标、取余都会指到别的词元上。先找出 -100，再取数。",
        "-100 is used as an index: negative indices and remainders point at some other token. Find the -100 first, then index.",
    )
)
def ignored_as_index(logits_NV, targets_N):
    return F.cross_entropy(logits_NV.float(), targets_N % logits_NV.shape[-1], reduction="sum")


@mistake(
    Text(
        "词元 0 的位置也没有算。只有 -100 表示不算，0 是普通的词元。",
        "Positions with target 0 are left out too. Only -100 means that; 0 is an ordinary token.",
    )
)
def token_0_ignored(logits_NV, targets_N):
    return losses(logits_NV.float(), torch.where(targets_N == 0, -100, targets_N)).sum()


@mistake(
    Text(
        "先算 softmax 再取对数：概率小到一定程度就成了 0，ln 0 是负无穷。用 log_softmax 或 logsumexp。",
        "Softmax first, logarithm after it: small probabilities round to 0, and ln 0 is minus infinity. Use log_softmax or "
        "logsumexp.",
    )
)
def log_of_softmax(logits_NV, targets_N):
    counts = targets_N != -100
    p = logits_NV.float().softmax(-1)[counts].gather(-1, targets_N[counts][:, None])
    return -p.log().sum()


@mistake(
    Text(
        "你在取对数之前给概率加了一个小数：不再是无穷大了，但是值不对，梯度也没了。用 log_softmax 或 logsumexp。",
        "You add a small number before the logarithm: no infinity any more, but a wrong value, and no gradient. Use log_softmax or "
        "logsumexp.",
    )
)
def log_of_softmax_plus_eps(logits_NV, targets_N):
    counts = targets_N != -100
    p = logits_NV.float().softmax(-1)[counts].gather(-1, targets_N[counts][:, None])
    return -(p + 1e-8).log().sum()


@mistake(
    Text(
        "你直接算了 exp：e 的 500 次方在 float32 里就是无穷大。先减去每行的最大值。",
        "You take exp directly: e to the 500 is infinite in float32. Subtract every row's maximum first.",
    )
)
def maximum_not_subtracted(logits_NV, targets_N):
    counts = targets_N != -100
    logits = logits_NV.float()[counts]
    return (logits.exp().sum(-1).log() - logits.gather(-1, targets_N[counts][:, None])[:, 0]).sum()


@mistake(
    Text(
        "-100 的位置你用乘 0 去掉：无穷大乘 0 是 nan。用 masked_fill、torch.where，或者只留下要算的行。",
        "You remove the -100 positions by multiplying with 0: infinity times 0 is nan. Use masked_fill, torch.where, or keep "
        "only the "
        "rows that count.",
    )
)
def removed_by_zero(logits_NV, targets_N):
    p = logits_NV.float().softmax(-1).gather(-1, targets_N.clamp(min=0)[:, None])[:, 0]
    return (-p.log() * (targets_N != -100)).sum()


@mistake(
    Text(
        "logits 没有转成 float32：对数和求和都在半精度里，结果的 dtype 也不对。",
        "The logits are not turned into float32: logarithm and sum run in half precision, and the result has the wrong dtype.",
    )
)
def stays_in_half(logits_NV, targets_N):
    return F.cross_entropy(logits_NV, targets_N, reduction="sum")


@mistake(
    Text(
        "转成 float32 太晚了：log_softmax 已经在半精度里舍入过了。先转，再算。",
        "Too late to turn it into float32: log_softmax has been rounded to half precision. Convert first.",
    )
)
def converted_too_late(logits_NV, targets_N):
    return losses(logits_NV, targets_N).float().sum()


@mistake(
    Text(
        "你用了以 2 为底的对数（单位是比特）。这里用自然对数（奈特）。",
        "You use logarithms to base 2 (bits). Natural logarithms are wanted (nats).",
    )
)
def in_bits(logits_NV, targets_N):
    return losses(logits_NV.float(), targets_N).sum() / math.log(2)


@mistake(
    Text(
        "softmax 的维度错了：要在一个位置的 V 个分数之间做，用最后一维。",
        "Softmax runs along the wrong dimension: it is over the V scores of a position, the last one.",
    )
)
def softmax_over_positions(logits_NV, targets_N):
    counts = targets_N != -100
    rows = logits_NV.float().log_softmax(0)[counts]
    return -rows.gather(-1, targets_N[counts][:, None]).sum()


@mistake(Text("符号反了：损失是 -ln p，应当不小于 0。", "The sign is wrong: the loss is -ln p, never below 0."))
def sign_forgotten(logits_NV, targets_N):
    return -losses(logits_NV.float(), targets_N).sum()


@mistake(
    Text(
        "你又错开了一位：这里的 targets 已经是下一个词元了，第 i 行分数对第 i 个目标。",
        "You shift by one again: the targets given here are the next tokens already; row i of the scores belongs to target i.",
    )
)
def shifted_again(logits_NV, targets_N):
    return losses(logits_NV.float()[:-1], targets_N[1:]).sum() + logits_NV.float().sum() * 0


@mistake(
    Text(
        "数值对，梯度不对：logsumexp 被 detach 了（或在 no_grad 里算）。只有减去的最大值可以 detach。",
        "Values are right, gradients are not: logsumexp is detached (or computed under no_grad). Only the subtracted maximum may "
        "be.",
    )
)
def logsumexp_detached(logits_NV, targets_N):
    logits = logits_NV.float()
    scores = logits.gather(-1, targets_N.clamp(min=0)[:, None])[:, 0]
    return (logits.detach().logsumexp(-1) - scores).masked_fill(targets_N == -100, 0.0).sum()


@mistake(
    Text(
        "所有位置减去的是同一个最大值。离它太远的位置，`exp` 之后全是 0，ln 0 是负无穷。每一行要减自己的最大值。",
        "All positions subtract one and the same maximum. A position far below it has nothing but zeros after exp, and ln "
        "0 is minus infinity. Every row needs its own maximum.",
    )
)
def one_maximum_for_all(logits_NV, targets_N):
    counts = targets_N != -100
    shifted = (logits_NV.float() - logits_NV.float().max())[counts]
    return (shifted.exp().sum(-1).log() - shifted.gather(-1, targets_N[counts][:, None])[:, 0]).sum()


@mistake(
    Text(
        "你减去的是平均值：最大的分数离平均值很远时，`exp` 照样溢出。减去每一行的最大值。",
        "You subtract the mean: where the highest score is far above it, exp still overflows. Subtract every row's maximum.",
    )
)
def mean_subtracted(logits_NV, targets_N):
    counts = targets_N != -100
    shifted = (logits_NV.float() - logits_NV.float().mean(-1, keepdim=True))[counts]
    return (shifted.exp().sum(-1).log() - shifted.gather(-1, targets_N[counts][:, None])[:, 0]).sum()


@mistake(
    Text(
        "你把概率截断在一个很小的数以上再取对数：损失不再是无穷，但数值不对，也没有梯度。用 log_softmax 或 logsumexp。",
        "You clamp probabilities from below before the logarithm: no infinity any more, but a wrong value, and no "
        "gradient. Use log_softmax or logsumexp.",
    )
)
def probabilities_clamped(logits_NV, targets_N):
    counts = targets_N != -100
    p = logits_NV.float().softmax(-1)[counts].gather(-1, targets_N[counts][:, None])
    return -p.clamp(min=1e-12).log().sum()


@variant
def by_torch(logits_NV, targets_N):
    return F.cross_entropy(logits_NV.float(), targets_N, ignore_index=-100, reduction="sum")


@variant
def kept_rows_only(logits_NV, targets_N):
    keep = targets_N != -100
    rows = logits_NV[keep].float().log_softmax(-1)
    return -rows[torch.arange(len(rows)), targets_N[keep]].sum()


@variant
def by_hand(logits_NV, targets_N):
    logits = logits_NV.float()
    shifted = logits - logits.amax(-1, keepdim=True).detach()
    log_p = shifted - shifted.exp().sum(-1, keepdim=True).log()
    chosen = F.one_hot(targets_N.clamp(min=0), logits.shape[-1]).bool() & (targets_N != -100)[:, None]
    return -torch.where(chosen, log_p, 0.0).sum()


@variant
def in_double(logits_NV, targets_N):
    return F.nll_loss(logits_NV.double().log_softmax(-1), targets_N, ignore_index=-100, reduction="sum").float()
