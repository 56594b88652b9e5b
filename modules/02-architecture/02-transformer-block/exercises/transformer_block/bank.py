"""Wrong and right Transformer blocks. Every mistake is the right block with one thing changed."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text

INPUT, POST = "input_layernorm.weight", "post_attention_layernorm.weight"


def norm(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def rope(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def split(y, count):
    return y.view(*y.shape[:2], count, -1).transpose(1, 2)


def join(y):
    return y.transpose(1, 2).flatten(2)


def share(y, times):
    return y.repeat_interleave(times, dim=1)


def as_it_is(x, cos, sin):
    return x


def attend(
    h, w, cos, sin, H, G, *, cut=split, glue=join, copies=share, turn=(rope, rope, as_it_is), causal=True, scale=None
):
    """Attention behind the norm, up to and with o_proj; the keywords change one thing each."""
    names, counts = ("q_proj", "k_proj", "v_proj"), (H, G, G)
    heads = [cut(F.linear(h, w[f"self_attn.{name}.weight"]), count) for name, count in zip(names, counts)]
    q, k, v = (one(y, cos, sin) for one, y in zip(turn, heads))
    k, v = copies(k, H // G), copies(v, H // G)
    scores = q @ k.mT * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf")).triu(1)
    return F.linear(glue(scores.softmax(-1) @ v), w["self_attn.o_proj.weight"])


def mlp(h, w, gate="gate_proj", up="up_proj", activation=F.silu):
    inner = activation(F.linear(h, w[f"mlp.{gate}.weight"])) * F.linear(h, w[f"mlp.{up}.weight"])
    return F.linear(inner, w["mlp.down_proj.weight"])


def block(x, w, cos, sin, H, G, eps, *, attention=attend, feed_forward=mlp):
    x = x + attention(norm(x, w[INPUT], eps), w, cos, sin, H, G)
    return x + feed_forward(norm(x, w[POST], eps), w)


@mistake(
    Text(
        "你写成了 Post-LN：先相加再归一化。这里是 Pre-LN：归一化只放在支路里，主路上的 x 不经过它。",
        "This is Post-LN: you add first and normalise the sum. In Pre-LN the norm stands in the branch; the main path is not "
        "normalised.",
    )
)
def post_norm(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    x = norm(x + attend(x, weights, cos, sin, num_heads, num_kv_heads), weights[INPUT], eps)
    return norm(x + mlp(x, weights), weights[POST], eps)


@mistake(
    Text(
        "主路上的 x 也被归一化了（先 `x = rms_norm(x)`，再相加）。残差要加在归一化之前的 x 上。",
        "The x of the main path is normalised too (`x = rms_norm(x)`, then the sum). Add to the x from before the norm.",
    )
)
def residual_from_the_norm(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    x = norm(x, weights[INPUT], eps)
    x = x + attend(x, weights, cos, sin, num_heads, num_kv_heads)
    x = norm(x, weights[POST], eps)
    return x + mlp(x, weights)


@mistake(Text("注意力之后没有加回 x（第一条残差）。", "x is not added back after attention (the first residual)."))
def first_residual_missing(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    x = attend(norm(x, weights[INPUT], eps), weights, cos, sin, num_heads, num_kv_heads)
    return x + mlp(norm(x, weights[POST], eps), weights)


@mistake(Text("mlp 之后没有加回 x（第二条残差）。", "x is not added back after the mlp (the second residual)."))
def second_residual_missing(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    x = x + attend(norm(x, weights[INPUT], eps), weights, cos, sin, num_heads, num_kv_heads)
    return mlp(norm(x, weights[POST], eps), weights)


@mistake(
    Text(
        "mlp 读的是最初的 x：两步成了并排。第二步要读第一步的结果。",
        "The mlp reads the very first x, so the two steps stand side by side. The second step reads the first one's result.",
    )
)
def side_by_side(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    attention = attend(norm(x, weights[INPUT], eps), weights, cos, sin, num_heads, num_kv_heads)
    return x + attention + mlp(norm(x, weights[POST], eps), weights)


@mistake(
    Text(
        "两次归一化用了同一个权重：第二次要用 `post_attention_layernorm.weight`。",
        "Both norms use the same weight: the second one has `post_attention_layernorm.weight`.",
    )
)
def one_norm_weight(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(x, {**weights, POST: weights[INPUT]}, cos, sin, num_heads, num_kv_heads, eps)


@mistake(Text("mlp 之前没有归一化。", "There is no norm before the mlp."))
def second_norm_missing(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    x = x + attend(norm(x, weights[INPUT], eps), weights, cos, sin, num_heads, num_kv_heads)
    return x + mlp(x, weights)


@mistake(
    Text(
        "没有因果遮挡：位置看到了后面的词元，训练时等于偷看答案。",
        "The causal mask is missing: positions see later tokens, which in training is reading the answer.",
    )
)
def not_causal(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, causal=False))


@mistake(Text("你把值 v 也旋转了。RoPE 只转查询和键。", "You turn the values too. RoPE turns queries and keys only."))
def values_turned(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, turn=(rope,) * 3))


@mistake(
    Text(
        "只旋转了查询，键没有旋转：分数就不再只取决于两个位置的距离。",
        "Only the queries are turned: scores then no longer depend on the distance of two positions alone. Turn the keys too.",
    )
)
def keys_not_turned(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    turn = (rope, as_it_is, as_it_is)
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, turn=turn))


@mistake(Text("没有用 RoPE：cos 和 sin 完全没有用到。", "RoPE is missing: cos and sin are not used at all."))
def no_rope(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    turn = (as_it_is,) * 3
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, turn=turn))


@mistake(
    Text(
        "切头时少了一次转置：先 `view(B, T, 头, D)`，再交换第 1、2 维；直接 view 成 `[B, 头, T, D]` 会把词元和头混在一起。",
        "A transpose is missing where heads are cut: `view(B, T, heads, D)`, then swap dimensions 1 and 2. A view as "
        "`[B, heads, T, D]` mixes tokens and heads.",
    )
)
def heads_by_view(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    def cut(y, count):
        return y.view(y.shape[0], count, y.shape[1], -1)

    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, cut=cut))


@mistake(
    Text(
        "接头时少了一次转置：先把 `[B, H, T, D]` 换成 `[B, T, H, D]`，再 reshape 成 `[B, T, H·D]`。",
        "A transpose is missing where heads are joined: turn `[B, H, T, D]` into `[B, T, H, D]`, then reshape to `[B, T, H·D]`.",
    )
)
def joined_without_transpose(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    def glue(y):
        return y.reshape(y.shape[0], y.shape[2], -1)

    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, glue=glue))


@mistake(
    Text(
        "键值头的排法错了：你用 repeat 得到 0 1 0 1；相邻的查询头共用一个键值头，应是 0 0 1 1（repeat_interleave）。",
        "The key-value heads are in the wrong order: repeat gives 0 1 0 1. Neighbouring query heads share one, 0 0 1 1 "
        "(repeat_interleave).",
    )
)
def key_heads_tiled(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    def tile(y, times):
        return y.repeat(1, times, 1, 1)

    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, copies=tile))


@mistake(Text("注意力分数没有除以 √D。", "The attention scores are not divided by √D."))
def no_scale(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=lambda *a: attend(*a, scale=1.0))


@mistake(Text("gate 和 up 用反了：silu 作用在 gate 上。", "gate and up have changed places: silu goes on the gate."))
def gate_and_up_swapped(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    def swapped(h, w):
        return mlp(h, w, "up_proj", "gate_proj")

    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, feed_forward=swapped)


@mistake(Text("mlp 里用了 GELU，这里的门是 silu。", "The mlp uses GELU; the gate here is silu."))
def gelu_gate(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(
        x, weights, cos, sin, num_heads, num_kv_heads, eps, feed_forward=lambda h, w: mlp(h, w, activation=F.gelu)
    )


@mistake(
    Text(
        "权重没有转置：矩阵存成 `[输出, 输入]`，应是 `x @ W.T` 或 `F.linear(x, W)`。",
        "The weights are not transposed: matrices are stored `[out, in]`; write `x @ W.T` or `F.linear(x, W)`.",
    )
)
def weights_not_transposed(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    turned = {name: weight.T if weight.dim() == 2 else weight for name, weight in weights.items()}
    return block(x, turned, cos, sin, num_heads, num_kv_heads, eps)


@mistake(Text("eps 写死成了 1e-6：请用参数 eps。", "eps is fixed at 1e-6: use the argument eps."))
def eps_hard_coded(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(x, weights, cos, sin, num_heads, num_kv_heads, 1e-6)


@mistake(
    Text(
        "你把每个头的维数当成了 C / H。它由 q_proj 的行数除以 H 得到，H·D 不一定等于 C。",
        "You take C / H for the size of a head. It is the rows of q_proj divided by H, and H·D need not be C.",
    )
)
def head_size_from_the_width(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    def narrow(y, count):
        return y.view(*y.shape[:2], count, x.shape[-1] // num_heads).transpose(1, 2)

    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=partial(attend, cut=narrow))


@mistake(
    Text(
        "分数除以的是 √(C / H)。应当除以 √D，D 是 q_proj 的行数除以 H：H·D 不一定等于 C。",
        "The scores are divided by √(C / H). Divide by √D, where D is the rows of q_proj divided by H: H·D need not be C.",
    )
)
def scaled_by_the_width(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    scale = (x.shape[-1] / num_heads) ** -0.5
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps, attention=partial(attend, scale=scale))


@variant
def written_out(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return block(x, weights, cos, sin, num_heads, num_kv_heads, eps)


@variant
def row_by_row(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    return torch.cat([block(row[None], weights, cos, sin, num_heads, num_kv_heads, eps) for row in x])


@variant
def fused(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    """torch's own norm and attention kernels, and one product for gate and up."""
    h = F.rms_norm(x, (x.shape[-1],), weights[INPUT], eps)
    q, k, v = (h @ weights[f"self_attn.{name}.weight"].T for name in ("q_proj", "k_proj", "v_proj"))
    q, k, v = (y.unflatten(-1, (-1, cos.shape[-1])).transpose(1, 2) for y in (q, k, v))
    out = F.scaled_dot_product_attention(rope(q, cos, sin), rope(k, cos, sin), v, is_causal=True, enable_gqa=True)
    x = x + join(out) @ weights["self_attn.o_proj.weight"].T
    h = F.rms_norm(x, (x.shape[-1],), weights[POST], eps)
    gate, up = (h @ torch.cat([weights["mlp.gate_proj.weight"], weights["mlp.up_proj.weight"]]).T).chunk(2, dim=-1)
    return x + (gate * gate.sigmoid() * up) @ weights["mlp.down_proj.weight"].T


@variant
def in_double(x, weights, cos, sin, num_heads, num_kv_heads, eps):
    wide = {name: weight.double() for name, weight in weights.items()}
    return block(x.double(), wide, cos.double(), sin.double(), num_heads, num_kv_heads, eps).float()
