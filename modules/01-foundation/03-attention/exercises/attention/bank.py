"""Wrong and right attentions for the model, to grade the grader with."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def as_bias(mask, T, S, dtype):
    """Every kind of mask as one to add."""
    if mask is None:
        mask = torch.ones(T, S, dtype=torch.bool).tril() if T > 1 else torch.ones(1, S, dtype=torch.bool)
    if mask.dtype == torch.bool:
        return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, float("-inf"))
    return mask


def grouped(q, k, v):
    n = q.shape[1] // k.shape[1]
    return k.repeat_interleave(n, 1), v.repeat_interleave(n, 1)


def right(q, k, v, mask, scale=None):
    k, v = grouped(q, k, v)
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    return (scores + as_bias(mask, *scores.shape[-2:], scores.dtype)).softmax(-1) @ v


@mistake(
    Text(
        "`mask` 是 `None` 而 T = S 时，要用因果 mask。你让每个位置都看到了后面的词。",
        "When `mask` is `None` and T = S, the mask is causal. You let every position see the words after it.",
    )
)
def not_causal(q, k, v, mask):
    return right(q, k, v, torch.ones(1, 1, dtype=torch.bool) if mask is None else mask)


@mistake(
    Text(
        "只有一个新词（T = 1）时它能看所有的键。你用了左上角对齐的三角形，它只看到第 0 个。",
        "A single new word (T = 1) sees all keys. With a triangle aligned at the top left it sees only key 0.",
    )
)
def new_word_sees_only_the_first(q, k, v, mask):
    T, S = q.shape[2], k.shape[2]
    return right(q, k, v, torch.ones(T, S, dtype=torch.bool).tril() if mask is None else mask)


@mistake(
    Text(
        "已经给了 `mask`，你又加了一个因果 mask。给了就只用它。",
        "A `mask` is given, and you add a causal one besides. A given mask is all there is.",
    )
)
def causal_besides(q, k, v, mask):
    T, S = q.shape[2], k.shape[2]
    past = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    bias = torch.zeros(T, S, dtype=q.dtype).masked_fill(~past, float("-inf"))
    return right(q, k, v, as_bias(mask, T, S, q.dtype) + bias)


@mistake(
    Text(
        "键值头重复的顺序错了：`repeat` 给出 a b a b，这里要相邻重复 a a b b（`repeat_interleave`）。",
        "The key/value heads are repeated in the wrong order: `repeat` gives a b a b, but it should be a a b b "
        "(`repeat_interleave`).",
    )
)
def heads_tiled(q, k, v, mask):
    n = q.shape[1] // k.shape[1]
    return right(q, k.repeat(1, n, 1, 1), v.repeat(1, n, 1, 1), mask)


@mistake(
    Text(
        "所有查询头都用了第 0 个键值头。每一组有自己的键值头。",
        "All query heads use key/value head 0. Every group has a head of its own.",
    )
)
def first_head_for_all(q, k, v, mask):
    return right(q, k[:, :1], v[:, :1], mask)


@mistake(
    Text(
        "你对键值头求了平均。共用不是平均：查询头 h 用第 `h // (H / G)` 个键值头。",
        "You average the key/value heads. Sharing is not averaging: query head h uses head `h // (H / G)`.",
    )
)
def heads_averaged(q, k, v, mask):
    return right(q, k.mean(1, keepdim=True), v.mean(1, keepdim=True), mask)


@mistake(Text("分数没有除以 `√D`。", "The scores are not divided by `√D`."))
def no_scale(q, k, v, mask):
    return right(q, k, v, mask, scale=1.0)


@mistake(Text("你除以了 `D`，应该除以 `√D`。", "You divide by `D`; it should be `√D`."))
def divides_by_d(q, k, v, mask):
    return right(q, k, v, mask, scale=1 / q.shape[-1])


@mistake(
    Text(
        "bool mask 用反了：`True` 表示可以看。",
        "The bool mask is used the wrong way round: `True` means may attend.",
    )
)
def bool_inverted(q, k, v, mask):
    return right(q, k, v, ~mask if mask is not None and mask.dtype == torch.bool else mask)


@mistake(
    Text(
        "你把 bool mask 当数字加到了分数上：`True` 只是加了 1，什么也没有遮住。",
        "You add the bool mask to the scores as a number: `True` only adds 1, and nothing is hidden.",
    )
)
def bool_added(q, k, v, mask):
    return right(q, k, v, mask.to(q.dtype) if mask is not None and mask.dtype == torch.bool else mask)


@mistake(
    Text(
        "你把浮点 mask 只当成“看得到 / 看不到”，有限的偏好丢掉了。它要加到分数上。",
        "You treat the floating-point mask as seen or hidden only, and lose its finite preferences. Add it to the scores.",
    )
)
def preferences_lost(q, k, v, mask):
    if mask is not None and mask.dtype != torch.bool:
        mask = mask > float("-inf")
    return right(q, k, v, mask)


@mistake(
    Text(
        "浮点 mask 也被除以了 `√D`：先缩放分数，再加 mask。",
        "The floating-point mask is divided by `√D` too: scale the scores first, then add the mask.",
    )
)
def mask_scaled_too(q, k, v, mask):
    if mask is not None and mask.dtype != torch.bool:
        mask = mask * q.shape[-1] ** -0.5
    return right(q, k, v, mask)


@mistake(
    Text(
        "你在 softmax 之后才遮住：剩下的权重加起来小于 1。",
        "You hide after the softmax: the weights that are left add up to less than 1.",
    )
)
def masks_after_softmax(q, k, v, mask):
    k, v = grouped(q, k, v)
    scores = q @ k.mT * q.shape[-1] ** -0.5
    bias = as_bias(mask, *scores.shape[-2:], scores.dtype)
    return (scores + bias.masked_fill(bias == float("-inf"), 0)).softmax(-1).masked_fill(bias == float("-inf"), 0) @ v


@mistake(
    Text(
        "你没有先减去最大值就取 `exp`，几百的分数溢出成 `inf`。用 `softmax`。",
        "You take `exp` without subtracting the maximum: scores in the hundreds overflow to `inf`. Use `softmax`.",
    )
)
def exp_overflows(q, k, v, mask):
    k, v = grouped(q, k, v)
    scores = q @ k.mT * q.shape[-1] ** -0.5
    parts = (scores + as_bias(mask, *scores.shape[-2:], scores.dtype)).exp()
    return parts / parts.sum(-1, keepdim=True) @ v


@mistake(
    Text(
        "输入是 bf16 时你返回了 fp32。中间可以用 fp32 算，最后要转回 `q.dtype`。",
        "For bf16 input you return fp32. Computing in fp32 is fine, but cast back to `q.dtype` at the end.",
    )
)
def stays_in_float32(q, k, v, mask):
    mask = mask.float() if mask is not None and mask.dtype != torch.bool else mask
    return right(q.float(), k.float(), v.float(), mask)


@mistake(
    Text(
        "所有查询减去的是同一个最大值。离它太远的查询，分数 `exp` 之后全是 0，`0 / 0` 是 `nan`。每个查询要减自己的最大值。",
        "All queries subtract one and the same maximum. A query far below it has nothing but zeros after `exp`, and "
        "`0 / 0` is `nan`. Every query needs its own maximum.",
    )
)
def one_maximum_for_all(q, k, v, mask):
    k, v = grouped(q, k, v)
    scores = q @ k.mT * q.shape[-1] ** -0.5
    scores = scores + as_bias(mask, *scores.shape[-2:], scores.dtype)
    parts = (scores - scores.max()).exp()
    return parts / parts.sum(-1, keepdim=True) @ v


@mistake(
    Text(
        "浮点 mask 你是减去的。它是加到分数上的：-inf 遮住，正数更受重视。",
        "You subtract the floating-point mask. It is added to the scores: -inf hides, a positive number is a preference.",
    )
)
def mask_subtracted(q, k, v, mask):
    additive = mask is not None and mask.dtype != torch.bool
    return right(q, k, v, -mask if additive else mask)


@mistake(
    Text(
        "你把看不到的分数换成了 -100 这样的数。看得到的分数要是更低，看不到的反而占了上风：请换成 `-inf`。",
        "You replace hidden scores by a number like -100. Where the visible ones are lower still, the hidden ones win: use `-inf`.",
    )
)
def hidden_scores_not_low_enough(q, k, v, mask):
    k, v = grouped(q, k, v)
    scores = q @ k.mT * q.shape[-1] ** -0.5
    bias = as_bias(mask, *scores.shape[-2:], scores.dtype)
    return torch.where(bias == float("-inf"), -100.0, scores + bias).to(q.dtype).softmax(-1) @ v


@variant
def fused_kernel(q, k, v, mask):
    causal = mask is None and q.shape[2] > 1
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=True)


@variant
def in_float32(q, k, v, mask):
    bias = as_bias(mask, q.shape[2], k.shape[2], torch.float32).float()
    return right(q.float(), k.float(), v.float(), bias).to(q.dtype)


@variant
def groups_as_a_dimension(q, k, v, mask):
    B, H, T, D = q.shape
    G, S = k.shape[1:3]
    q_BGRTD = q.reshape(B, G, H // G, T, D)
    scores = torch.einsum("bgrtd,bgsd->bgrts", q_BGRTD, k) * D**-0.5
    bias = as_bias(mask, T, S, q.dtype).expand(B, H, T, S).reshape(B, G, H // G, T, S)
    return torch.einsum("bgrts,bgsd->bgrtd", (scores + bias).softmax(-1), v).reshape(B, H, T, D)


@variant
def head_by_head(q, k, v, mask):
    B, H, T, _ = q.shape
    G, S = k.shape[1:3]
    bias = as_bias(mask, T, S, q.dtype).expand(B, H, T, S)
    out = []
    for h in range(H):
        g = h // (H // G)
        out.append(right(q[:, h : h + 1], k[:, g : g + 1], v[:, g : g + 1], bias[:, h : h + 1]))
    return torch.cat(out, 1)


@variant
def hidden_by_the_lowest_number(q, k, v, mask):
    k, v = grouped(q, k, v)
    scores = q @ k.mT * q.shape[-1] ** -0.5
    bias = as_bias(mask, *scores.shape[-2:], scores.dtype)
    hidden = bias == float("-inf")
    scores = (scores + bias.masked_fill(hidden, 0)).masked_fill(hidden, torch.finfo(scores.dtype).min)
    return scores.softmax(-1) @ v
