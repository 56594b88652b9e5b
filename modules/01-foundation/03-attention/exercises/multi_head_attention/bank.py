"""Wrong and right multi-head attentions, to grade the grader with."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def split(y, H):
    B, T, C = y.shape
    return y.view(B, T, H, C // H).transpose(1, 2)


def join(y):
    B, H, T, D = y.shape
    return y.transpose(1, 2).reshape(B, T, H * D)


def attend(q, k, v, mask, scale=None):
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1) @ v


@mistake(
    Text(
        "权重没有转置：它们存成 `[输出, 输入]`，所以是 `x @ w.T`。",
        "The weights are not transposed: they are stored `[out, in]`, so it is `x @ w.T`.",
    )
)
def weights_not_transposed(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w, num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, mask)) @ wo


@mistake(
    Text(
        "你直接把 `[B, T, C]` view 成 `[B, H, T, D]`，不同的词混进了同一个头。先 view 成 `[B, T, H, D]`，再交换两维。",
        "You view `[B, T, C]` directly as `[B, H, T, D]`, which mixes words and heads. View as `[B, T, H, D]`, then swap two "
        "dimensions.",
    )
)
def heads_by_view(x, wq, wk, wv, wo, num_heads, mask):
    B, T, C = x.shape
    q, k, v = ((x @ w.T).view(B, num_heads, T, C // num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, mask)) @ wo.T


@mistake(
    Text(
        "切头和接回都是直接 view，形状对了，但每个头里混着不同的词。切的时候先 view 成 `[B, T, H, D]` 再交换两维，接的时候反过来。",
        "You cut and join by `view` alone: the shapes are right, but a head holds pieces of different words. To cut, view as "
        "`[B, T, H, D]` and swap two dimensions; to join, do it backwards.",
    )
)
def views_both_ways(x, wq, wk, wv, wo, num_heads, mask):
    B, T, C = x.shape
    q, k, v = ((x @ w.T).view(B, num_heads, T, C // num_heads) for w in (wq, wk, wv))
    return attend(q, k, v, mask).reshape(B, T, C) @ wo.T


@mistake(
    Text(
        "接回去之前忘了交换两维：`[B, H, T, D]` 直接 reshape 成 `[B, T, C]`，顺序就乱了。",
        "The swap back is missing: `[B, H, T, D]` reshaped directly to `[B, T, C]` is out of order.",
    )
)
def joined_without_transpose(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    return attend(q, k, v, mask).reshape(x.shape) @ wo.T


@mistake(
    Text(
        "每个头取的数不对：你切成了 `[D, H]`，头 0 取到第 0、H、2H… 个数。应切成 `[H, D]`，每个头取连续的 D 个数。",
        "The heads take the wrong numbers: cut as `[D, H]`, head 0 gets numbers 0, H, 2H, … Cut as `[H, D]`: a head takes D "
        "neighbouring numbers.",
    )
)
def heads_interleaved(x, wq, wk, wv, wo, num_heads, mask):
    B, T, C = x.shape
    q, k, v = ((x @ w.T).view(B, T, C // num_heads, num_heads).permute(0, 3, 1, 2) for w in (wq, wk, wv))
    return attend(q, k, v, mask).permute(0, 2, 3, 1).reshape(B, T, C) @ wo.T


@mistake(
    Text(
        "你除以了 `√C`。每个头只有 `D = C / num_heads` 个数，要除以 `√D`。",
        "You divide by `√C`. A head has only `D = C / num_heads` numbers: divide by `√D`.",
    )
)
def scaled_by_all_features(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, mask, scale=x.shape[-1] ** -0.5)) @ wo.T


@mistake(Text("分数没有除以 `√D`。", "The scores are not divided by `√D`."))
def no_scale(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, mask, scale=1.0)) @ wo.T


@mistake(
    Text(
        "最后没有乘 `woᵀ`：各头的输出只是接在一起，还没有混合。",
        "The product with `woᵀ` at the end is missing: the heads are joined but not mixed.",
    )
)
def no_output_projection(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, mask))


@mistake(
    Text(
        "`num_heads` 没有用到：整个向量只做了一个头的注意力。",
        "`num_heads` is not used: the whole vector attends as a single head.",
    )
)
def always_one_head(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, 1) for w in (wq, wk, wv))
    return join(attend(q, k, v, None if mask is None else mask[..., :1, :, :] if mask.ndim == 4 else mask)) @ wo.T


@mistake(Text("mask 没有用到。", "The mask is not used."))
def mask_ignored(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, None)) @ wo.T


@mistake(
    Text(
        "mask 用反了：`True` 表示可以看，你把 `True` 的位置填成了 `-inf`。",
        "The mask is used the wrong way round: `True` means may attend, but you put `-inf` at the `True` places.",
    )
)
def mask_inverted(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    return join(attend(q, k, v, None if mask is None else ~mask)) @ wo.T


@mistake(
    Text(
        "查询和键弄反了：第 t 行应该用位置 t 的查询，去和所有的键打分。",
        "Queries and keys are swapped: row t should score the query of position t against all keys.",
    )
)
def queries_and_keys_swapped(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wk, wq, wv))
    return join(attend(q, k, v, mask)) @ wo.T


@mistake(
    Text(
        "你把键也当成了值：值应该用 `wv` 算，而不是 `wk`。",
        "The keys serve as values too: values come from `wv`, not from `wk`.",
    )
)
def values_from_wk(x, wq, wk, wv, wo, num_heads, mask):
    q, k = (split(x @ w.T, num_heads) for w in (wq, wk))
    return join(attend(q, k, k, mask)) @ wo.T


@mistake(
    Text(
        "softmax 的维度错了：每个查询对所有键的权重加起来应是 1，用最后一维。",
        "Softmax runs along the wrong dimension: the weights of a query over all keys add up to 1, so use the last one.",
    )
)
def softmax_over_queries(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    return join(scores.softmax(-2) @ v) @ wo.T


@mistake(
    Text(
        "你把看不到的分数换成了 -100 这样的数。看得到的分数要是更低，看不到的反而占了上风：请换成 `-inf`。",
        "You replace hidden scores by a number like -100. Where the visible ones are lower still, the hidden ones win: use `-inf`.",
    )
)
def hidden_scores_not_low_enough(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -100.0)
    return join(scores.softmax(-1) @ v) @ wo.T


@mistake(
    Text(
        "没有给 mask 时你自己加了因果 mask。`None` 表示什么都不遮：每个位置都看得到所有位置。",
        "Where no mask is given you put in a causal one. `None` hides nothing: every position sees all of them.",
    )
)
def causal_without_being_told(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(x @ w.T, num_heads) for w in (wq, wk, wv))
    T = x.shape[1]
    return join(attend(q, k, v, torch.ones(T, T, dtype=torch.bool).tril() if mask is None else mask)) @ wo.T


@variant
def fused_kernel(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(F.linear(x, w), num_heads) for w in (wq, wk, wv))
    return F.linear(join(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)), wo)


@variant
def one_product_for_all_three(x, wq, wk, wv, wo, num_heads, mask):
    q, k, v = (split(y.contiguous(), num_heads) for y in (x @ torch.cat([wq, wk, wv]).T).chunk(3, dim=-1))
    return join(attend(q, k, v, mask)) @ wo.T


@variant
def head_by_head(x, wq, wk, wv, wo, num_heads, mask):
    B, T, C = x.shape
    seen = torch.ones(1, 1, 1, 1, dtype=torch.bool) if mask is None else mask
    seen = seen.expand(B, num_heads, T, T)
    out = torch.zeros_like(x)
    for h, own in enumerate(torch.arange(C).chunk(num_heads)):
        q, k, v = (x @ w[own].T for w in (wq, wk, wv))
        out = out + attend(q, k, v, seen[:, h]) @ wo[:, own].T
    return out


@variant
def by_einsum(x, wq, wk, wv, wo, num_heads, mask):
    C = x.shape[-1]
    wq, wk, wv = (w.view(num_heads, C // num_heads, C) for w in (wq, wk, wv))
    q, k, v = (torch.einsum("btc,hdc->bhtd", x, w) for w in (wq, wk, wv))
    scores = torch.einsum("bhtd,bhsd->bhts", q, k) / (C // num_heads) ** 0.5
    if mask is not None:
        scores = scores + torch.zeros(mask.shape).masked_fill(~mask, -1e30)
    return torch.einsum("bhts,bhsd,ohd->bto", scores.softmax(-1), v, wo.view(C, num_heads, C // num_heads))
