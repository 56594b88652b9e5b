"""Wrong and right attentions, to grade the grader with."""

import math

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def attend(scores, v, mask, dim=-1):
    """The right second half, for mistakes in the first: softmax over the visible keys, zeros where there are none."""
    if mask is None:
        return scores.softmax(dim) @ v
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim).masked_fill(~mask, 0) @ v


def scaled(q, k):
    return q @ k.mT / math.sqrt(q.shape[-1])


@mistake(
    Text(
        "没有除以 `√D`：D 越大分数越大，softmax 几乎只选一个键。",
        "The division by `√D` is missing: scores grow with D, and softmax picks almost only one key.",
    )
)
def no_scale(q, k, v, mask):
    return attend(q @ k.mT, v, mask)


@mistake(Text("你除以了 `D`，应该除以它的平方根 `√D`。", "You divide by `D`; it should be its square root `√D`."))
def divides_by_d(q, k, v, mask):
    return attend(q @ k.mT / q.shape[-1], v, mask)


@mistake(
    Text(
        "你用键的个数 S 来缩放，应该用每个键的长度 D（`q` 的最后一维）。",
        "You scale by the number of keys S; it should be the size D of a key (the last dimension of `q`).",
    )
)
def scales_by_number_of_keys(q, k, v, mask):
    return attend(q @ k.mT / math.sqrt(k.shape[-2]), v, mask)


@mistake(
    Text(
        "你在 softmax 之后才除以 `√D`：权重加起来不再是 1。要先缩放分数，再做 softmax。",
        "You divide by `√D` after the softmax, so the weights no longer add up to 1. Scale the scores first.",
    )
)
def scales_after_softmax(q, k, v, mask):
    return attend(q @ k.mT, v, mask) / math.sqrt(q.shape[-1])


@mistake(
    Text(
        "softmax 沿着查询那一维算了。每个查询的权重要加起来等于 1，所以沿最后一维（键）。",
        "Softmax runs along the queries. The weights of every query should add up to 1: use the last dimension, the keys.",
    )
)
def softmax_over_queries(q, k, v, mask):
    return attend(scaled(q, k), v, mask, dim=-2)


@mistake(
    Text(
        "mask 用反了：这里 `True` 表示可以看，你却把 `True` 的位置遮住了。",
        "The mask is used the wrong way round: `True` means may attend, but you hide the `True` places.",
    )
)
def mask_inverted(q, k, v, mask):
    return attend(scaled(q, k), v, None if mask is None else ~mask)


@mistake(
    Text(
        "你在 softmax 之后才把看不到的权重清零，剩下的权重加起来小于 1。遮住要在 softmax 之前。",
        "You zero the hidden weights after the softmax only; what is left adds up to less than 1. Hide before the softmax.",
    )
)
def masks_after_softmax(q, k, v, mask):
    weights = scaled(q, k).softmax(-1)
    return (weights if mask is None else weights * mask) @ v


@mistake(
    Text(
        "你把看不到的分数设成 0，但 `exp(0) = 1`，它仍然分到权重。应设成极小的数。",
        "You set hidden scores to 0, but `exp(0) = 1`, so they still get a weight. Set them to a very low number.",
    )
)
def hidden_scores_zero(q, k, v, mask):
    scores = scaled(q, k)
    return (scores if mask is None else scores * mask).softmax(-1) @ v


@mistake(
    Text(
        "你把 bool mask 直接加到分数上：`True` 只是加了 1，什么也没有遮住。",
        "You add the bool mask to the scores: `True` only adds 1, and nothing is hidden.",
    )
)
def adds_the_bool_mask(q, k, v, mask):
    scores = scaled(q, k)
    return (scores if mask is None else scores + mask).softmax(-1) @ v


@mistake(
    Text(
        "你从看不到的分数里减去一个固定的数（例如 100）。它的分数要是更大，就又漏出来了：请把分数整个换掉，而不是减去。",
        "You subtract a fixed number (say 100) from hidden scores. A larger score still leaks through: replace the score "
        "instead of lowering it.",
    )
)
def lowers_hidden_scores(q, k, v, mask):
    scores = scaled(q, k)
    if mask is None:
        return scores.softmax(-1) @ v
    return (scores - 100.0 * (~mask).float()).softmax(-1).masked_fill(~mask.any(-1, keepdim=True), 0) @ v


@mistake(
    Text(
        "mask 完全没有用到。",
        "The mask is not used at all.",
    )
)
def mask_ignored(q, k, v, mask):
    return attend(scaled(q, k), v, None)


@mistake(
    Text(
        "一个键都看不到的查询得到了 `nan`：全是 `-inf` 的一行，softmax 是 `0 / 0`。按约定它的输出是 0。",
        "A query that sees no key gives `nan`: softmax of a row of `-inf` is `0 / 0`. By contract its output is 0.",
    )
)
def nan_when_blind(q, k, v, mask):
    scores = scaled(q, k)
    return (scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1) @ v


@mistake(
    Text(
        "一个键都看不到的查询得到了所有值的平均：一行全是同样的 `-1e9`，softmax 就是平均分配。按约定它的输出是 0。",
        "A query that sees no key gets the mean of all values: a row of equal `-1e9` shares evenly. By contract its output "
        "is 0.",
    )
)
def mean_when_blind(q, k, v, mask):
    scores = scaled(q, k)
    return (scores if mask is None else scores.masked_fill(~mask, -1e9)).softmax(-1) @ v


@mistake(
    Text(
        "你给看不到的分数加上 `-inf`，再用 `nan_to_num` 盖住 `nan`。输出是 0 了，但 `nan` 还在梯度里，训练一步就坏。请用 "
        "`masked_fill` 换掉分数，不要让 `nan` 产生。",
        "You add `-inf` to hidden scores and cover the `nan` with `nan_to_num`. The output is 0 then, but the gradient still "
        "holds `nan`, and one training step breaks the model. Replace scores with `masked_fill` and let no `nan` arise.",
    )
)
def nan_covered_up(q, k, v, mask):
    scores = scaled(q, k)
    if mask is not None:
        scores = scores + torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    return torch.nan_to_num(scores.softmax(-1)) @ v


@mistake(
    Text(
        "你直接取 `exp` 而没有先减去最大值，几百的分数会溢出成 `inf`，结果是 `nan`。用 `softmax`，或先减最大值。",
        "You take `exp` without subtracting the maximum first: scores in the hundreds overflow to `inf`, and the result is "
        "`nan`. Use `softmax`, or subtract the maximum.",
    )
)
def exp_overflows(q, k, v, mask):
    parts = scaled(q, k).exp()
    if mask is not None:
        parts = parts.masked_fill(~mask, 0)
    return parts / parts.sum(-1, keepdim=True).clamp_min(1e-30) @ v


@mistake(
    Text(
        "你减去的最大值里也有看不到的键：它的分数特别大时，看得到的分数 `exp` 之后全成了 0。先遮住，再取最大值。",
        "The maximum that you subtract is taken over hidden keys too: when one of them has a huge score, every visible "
        "score becomes 0 after `exp`. Hide first, then take the maximum.",
    )
)
def maximum_of_hidden_scores(q, k, v, mask):
    scores = scaled(q, k)
    parts = (scores - scores.amax(-1, keepdim=True)).exp()
    if mask is not None:
        parts = parts.masked_fill(~mask, 0)
    return parts / parts.sum(-1, keepdim=True).clamp_min(1e-30) @ v


@mistake(
    Text(
        "所有查询减去的是同一个最大值。离它太远的查询，分数 `exp` 之后全是 0。每个查询要减自己的最大值。",
        "All queries subtract one and the same maximum. A query far below it has nothing but zeros after `exp`. Every "
        "query needs its own maximum.",
    )
)
def one_maximum_for_all(q, k, v, mask):
    scores = scaled(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    parts = (scores - scores.max()).exp()
    if mask is not None:
        parts = parts.masked_fill(~mask, 0)
    return parts / parts.sum(-1, keepdim=True).clamp_min(1e-30) @ v


@mistake(
    Text(
        "你把看不到的分数换成了 -100 这样的数。看得到的分数要是更低，看不到的反而占了上风：请换成 `-inf`，或能表示的最小的数。",
        "You replace hidden scores by a number like -100. Where the visible ones are lower still, the hidden ones win: "
        "replace them by `-inf`, or by the lowest number there is.",
    )
)
def hidden_scores_not_low_enough(q, k, v, mask):
    scores = scaled(q, k)
    if mask is None:
        return scores.softmax(-1) @ v
    return scores.masked_fill(~mask, -100.0).softmax(-1).masked_fill(~mask, 0) @ v


@variant
def torch_kernel(q, k, v, mask):
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=None if mask is None else mask | ~mask.any(-1, keepdim=True)
    )
    return out if mask is None else out * mask.any(-1, keepdim=True)


@variant
def by_einsum(q, k, v, mask):
    scores = torch.einsum("...td,...sd->...ts", q * q.shape[-1] ** -0.5, k)
    return torch.einsum("...ts,...se->...te", attend(scores, torch.eye(k.shape[-2]), mask), v)


@variant
def exponentials_by_hand(q, k, v, mask):
    scores = scaled(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    parts = (scores - scores.amax(-1, keepdim=True)).exp()
    if mask is not None:
        parts = parts * mask
    return (parts @ v) / parts.sum(-1, keepdim=True).clamp_min(1e-30)


@variant
def query_by_query(q, k, v, mask):
    seen = torch.ones(1, 1, dtype=torch.bool) if mask is None else mask
    seen = seen.expand(*q.shape[:-1], k.shape[-2])
    rows = [attend(scaled(q[..., t : t + 1, :], k), v, seen[..., t : t + 1, :]) for t in range(q.shape[-2])]
    return torch.cat(rows, dim=-2)


@variant
def infinite_with_blind_rows_opened(q, k, v, mask):
    scores = scaled(q, k)
    if mask is None:
        return scores.softmax(-1) @ v
    sees = mask.any(-1, keepdim=True)
    return torch.where(sees, scores.masked_fill(~mask & sees, float("-inf")).softmax(-1), 0.0) @ v


@variant
def nan_replaced(q, k, v, mask):
    # Here the nan does no harm: masked_fill gives a gradient of 0 to every score that it replaced.
    scores = scaled(q, k)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.nan_to_num(scores.softmax(-1)) @ v
