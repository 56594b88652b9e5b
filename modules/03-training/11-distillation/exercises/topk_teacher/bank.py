"""Wrong and right ways to keep a teacher's best k."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def kept(logits_NV, k):
    return min(k, logits_NV.shape[-1])


@mistake(
    Text(
        "没有重新归一：前 k 个的概率加起来小于 1。",
        "Not normalised again: the probabilities of the best k add up to less than 1.",
    )
)
def not_normalised(logits_NV, k):
    values, ids = logits_NV.float().softmax(-1).topk(kept(logits_NV, k))
    return values, ids


@mistake(
    Text(
        "你对概率又做了一次 softmax：应当除以它们的和，或者对 logits 做 softmax。",
        "A softmax of probabilities: divide them by their sum, or take the softmax of the logits.",
    )
)
def softmax_twice(logits_NV, k):
    values, ids = logits_NV.float().softmax(-1).topk(kept(logits_NV, k))
    return values.softmax(-1), ids


@mistake(
    Text(
        "用 logits 本身除以它们的和：logits 不是概率，还可能是负的。",
        "The logits themselves are divided by their sum: they are no probabilities, and may be negative.",
    )
)
def logits_divided(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k))
    return values / values.sum(-1, keepdim=True), ids


@mistake(Text("取的是最小的 k 个。", "These are the smallest k."))
def smallest(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k), largest=False)
    return values.softmax(-1), ids


@mistake(Text("顺序反了：要从大到小。", "The order is reversed: from large to small."))
def small_to_large(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k))
    return values.softmax(-1).flip(-1), ids.flip(-1)


@mistake(
    Text("概率排了序，编号没有跟着：两者要对应。", "The probabilities are in order and the ids are not those of them.")
)
def ids_sorted(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k))
    return values.softmax(-1), ids.sort(-1).values


@mistake(
    Text(
        "softmax 沿着位置做了：每一行要各自等于 1。",
        "The softmax runs over the positions: every row adds up to 1 by itself.",
    )
)
def over_positions(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k))
    return values.softmax(0), ids


@mistake(Text("k 大于 V 时 topk 会报错：取 min(k, V)。", "topk fails when k is above V: take min(k, V)."))
def too_many(logits_NV, k):
    values, ids = logits_NV.float().topk(k)
    return values.softmax(-1), ids


@mistake(Text("结果是 bfloat16：概率要 float32。", "The result is bfloat16: the probabilities are float32."))
def left_in_bfloat16(logits_NV, k):
    values, ids = logits_NV.topk(kept(logits_NV, k))
    return values.softmax(-1), ids


@mistake(
    Text(
        "exp 之前没有减去最大值：很大的 logits 会溢出成 inf，结果是 nan。",
        "No maximum is taken off before the exp: large logits overflow to inf, and the result is nan.",
    )
)
def overflowing(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k))
    return values.exp() / values.exp().sum(-1, keepdim=True), ids


@variant
def by_division(logits_NV, k):
    values, ids = logits_NV.float().topk(kept(logits_NV, k), dim=-1)
    weights = (values - values[:, :1]).exp()
    return weights / weights.sum(-1, keepdim=True), ids


@variant
def by_sorting(logits_NV, k):
    ids = logits_NV.float().argsort(-1, descending=True)[:, :k]
    values = logits_NV.float().gather(-1, ids)
    return (values - values.logsumexp(-1, keepdim=True)).exp(), ids


@variant
def row_by_row(logits_NV, k):
    found = [row.float().topk(kept(logits_NV, k)) for row in logits_NV]
    return torch.stack([one.values.softmax(0) for one in found]), torch.stack([one.indices for one in found])
