"""Wrong and right small GPTs. Every mistake is the right model with one thing changed."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text

EMBEDDING, NORM = "model.embed_tokens.weight", "model.norm.weight"


def norm(x, weight, eps):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def turn(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def tables(positions, config):
    """cos and sin of positions [T] -> [T, D]."""
    D = config["head_dim"]
    angles = positions.double()[:, None] * config["rope_theta"] ** (-torch.arange(0, D, 2).double() / D)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().float(), angles.sin().float()


def layer_of(weights, i):
    prefix = f"model.layers.{i}."
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


def attend(h, w, rope, config, causal=True):
    def heads(name, count):
        return F.linear(h, w[f"self_attn.{name}.weight"]).view(*h.shape[:2], count, -1).transpose(1, 2)

    H, G = config["num_attention_heads"], config["num_key_value_heads"]
    q, k, v = heads("q_proj", H), heads("k_proj", G), heads("v_proj", G)
    q, k = turn(q, *rope), turn(k, *rope)
    k, v = (y.repeat_interleave(H // G, dim=1) for y in (k, v))
    scores = q @ k.mT * config["head_dim"] ** -0.5
    if causal:
        scores = scores + torch.full(scores.shape[-2:], float("-inf")).triu(1)
    return F.linear((scores.softmax(-1) @ v).transpose(1, 2).flatten(2), w["self_attn.o_proj.weight"])


def mlp(h, w):
    gate, up = F.linear(h, w["mlp.gate_proj.weight"]), F.linear(h, w["mlp.up_proj.weight"])
    return F.linear(F.silu(gate) * up, w["mlp.down_proj.weight"])


def block(x, w, rope, config, causal=True):
    eps = config["rms_norm_eps"]
    x = x + attend(norm(x, w["input_layernorm.weight"], eps), w, rope, config, causal)
    return x + mlp(norm(x, w["post_attention_layernorm.weight"], eps), w)


def gpt(ids, weights, config, *, layers=None, rope=None, one_block=block, last=norm, head=torch.t, first=lambda x: x):
    """The right model; every keyword replaces one piece of it."""
    x = first(weights[EMBEDDING][ids])
    rope = rope or tables(torch.arange(ids.shape[1]), config)
    for i in range(config["num_hidden_layers"]) if layers is None else layers:
        x = one_block(x, layer_of(weights, i), rope, config)
    return last(x, weights[NORM], config["rms_norm_eps"]) @ head(weights[EMBEDDING])


@mistake(Text("最后少了一次归一化（`model.norm.weight`）。", "The norm at the end is missing (`model.norm.weight`)."))
def no_final_norm(ids, weights, config):
    return gpt(ids, weights, config, last=lambda x, weight, eps: x)


@mistake(
    Text(
        "最后的归一化没有乘 `model.norm.weight`。",
        "The norm at the end is not multiplied by `model.norm.weight`.",
    )
)
def final_weight_forgotten(ids, weights, config):
    return gpt(ids, weights, config, last=lambda x, weight, eps: norm(x, 1.0, eps))


@mistake(
    Text(
        "最后一步用的是 LayerNorm（减了平均值）。这里用 RMSNorm。",
        "The last step is a LayerNorm (it subtracts the mean). Use RMSNorm here.",
    )
)
def layer_norm_at_the_end(ids, weights, config):
    return gpt(ids, weights, config, last=lambda x, w, eps: F.layer_norm(x, x.shape[-1:], w, None, eps))


@mistake(
    Text(
        "输出层没有转置：词元的向量是嵌入表的行，要乘 `E.T`。",
        "The output layer is not transposed: tokens are the rows of the table, so multiply by `E.T`.",
    )
)
def head_not_transposed(ids, weights, config):
    return gpt(ids, weights, config, head=lambda table: table)


@mistake(
    Text(
        "输出层用的嵌入表被 detach 了：共享的权重要从两处得到梯度。",
        "The table of the output layer is detached: a shared weight gets its gradient from both uses.",
    )
)
def head_detached(ids, weights, config):
    return gpt(ids, weights, config, head=lambda table: table.detach().T)


@mistake(
    Text(
        "所有块都用了第 0 层的权重：名字里的 {i} 要跟着循环变。",
        "Every block uses the weights of layer 0: the {i} in the names has to follow the loop.",
    )
)
def layer_zero_for_all(ids, weights, config):
    return gpt(ids, weights, config, layers=[0] * config["num_hidden_layers"])


@mistake(Text("只经过了第一个块：别的块没有用到。", "Only the first block is used; the others are left out."))
def one_layer_only(ids, weights, config):
    return gpt(ids, weights, config, layers=range(min(1, config["num_hidden_layers"])))


@mistake(Text("块的顺序反了：要从第 0 层到最后一层。", "The blocks are in reverse order: go from layer 0 to the last."))
def layers_reversed(ids, weights, config):
    return gpt(ids, weights, config, layers=reversed(range(config["num_hidden_layers"])))


@mistake(
    Text(
        "层按名字的字母顺序排了：第 10 层跑到了第 2 层前面。请按数字 0、1、2… 来数。",
        "The layers are sorted by name, so layer 10 comes before layer 2. Count 0, 1, 2, … as numbers.",
    )
)
def layers_by_alphabet(ids, weights, config):
    return gpt(ids, weights, config, layers=sorted(range(config["num_hidden_layers"]), key=str))


@mistake(
    Text(
        "没有因果遮挡：前面的位置看到了后面的词元。",
        "The causal mask is missing: earlier positions see later tokens.",
    )
)
def not_causal(ids, weights, config):
    return gpt(ids, weights, config, one_block=lambda *a: block(*a, causal=False))


@mistake(Text("没有位置信息：RoPE 没有用上。", "There is no position in it: RoPE is not used."))
def no_positions(ids, weights, config):
    return gpt(ids, weights, config, rope=tables(torch.zeros(ids.shape[1]), config))


@mistake(
    Text(
        "rope_theta 写死成了 10000：请用 `config['rope_theta']`。",
        "rope_theta is fixed at 10000: use `config['rope_theta']`.",
    )
)
def theta_hard_coded(ids, weights, config):
    return gpt(ids, weights, {**config, "rope_theta": 10_000.0})


@mistake(
    Text(
        "eps 写死成了 1e-6：请用 `config['rms_norm_eps']`。",
        "eps is fixed at 1e-6: use `config['rms_norm_eps']`.",
    )
)
def eps_hard_coded(ids, weights, config):
    return gpt(ids, weights, {**config, "rms_norm_eps": 1e-6})


@mistake(
    Text(
        "嵌入被乘上了 √C。有的模型（Gemma）这样做，Llama 不缩放。",
        "The embeddings are multiplied by √C. Some models (Gemma) do so; Llama does not scale them.",
    )
)
def embedding_scaled(ids, weights, config):
    return gpt(ids, weights, config, first=lambda x: x * x.shape[-1] ** 0.5)


@mistake(
    Text(
        "嵌入在进入第一个块之前就被归一化了。归一化在块的支路里面，主路保持原样。",
        "The embeddings are normalised before the first block. Norms stand in the blocks' branches; the main path stays as it is.",
    )
)
def embedding_normalised(ids, weights, config):
    return gpt(ids, weights, config, first=lambda x: norm(x, 1.0, config["rms_norm_eps"]))


@mistake(
    Text(
        "你只返回了最后一个位置的分数。每个位置都要有：`[B, T, V]`。",
        "You return the scores of the last position only. Every position has its own: `[B, T, V]`.",
    )
)
def last_position_only(ids, weights, config):
    return gpt(ids, weights, config)[:, -1:]


@mistake(
    Text(
        "你返回的是概率（做了 softmax）。这里要的是 logits。",
        "You return probabilities (after softmax). The logits are wanted.",
    )
)
def probabilities(ids, weights, config):
    return gpt(ids, weights, config).softmax(-1)


@mistake(
    Text(
        "块之间没有残差：每个块应当返回 x + …，而不只是支路的结果。",
        "The residuals are missing: a block returns x + …, not just what its branch computed.",
    )
)
def no_residuals(ids, weights, config):
    def bare(x, w, rope, config):
        eps = config["rms_norm_eps"]
        x = attend(norm(x, w["input_layernorm.weight"], eps), w, rope, config)
        return mlp(norm(x, w["post_attention_layernorm.weight"], eps), w)

    return gpt(ids, weights, config, one_block=bare)


@mistake(
    Text(
        "你把每个头的维数当成了 C / H。请用 `config['head_dim']`：它不一定等于 C / H。",
        "You take C / H for the size of a head. Use `config['head_dim']`: the two may differ.",
    )
)
def head_size_from_the_width(ids, weights, config):
    width = weights[EMBEDDING].shape[1]
    return gpt(ids, weights, {**config, "head_dim": width // config["num_attention_heads"]})


@variant
def written_out(ids, weights, config):
    return gpt(ids, weights, config)


@variant
def positions_from_one(ids, weights, config):
    """RoPE makes scores depend on distances only, so where positions begin does not matter."""
    return gpt(ids, weights, config, rope=tables(torch.arange(1, ids.shape[1] + 1), config))


@variant
def in_double(ids, weights, config):
    rope = tuple(table.double() for table in tables(torch.arange(ids.shape[1]), config))
    wide = {name: weight.double() for name, weight in weights.items()}
    return gpt(ids, wide, config, rope=rope).float()


@variant
def row_by_row(ids, weights, config):
    rows = [gpt(row[None], weights, config, first=lambda x: x.clone()) for row in ids]
    return torch.cat(rows)


@variant
def by_one_hot(ids, weights, config):
    """A look-up is a product with one-hot vectors."""
    table = weights[EMBEDDING]
    x = F.one_hot(ids, table.shape[0]).float() @ table
    return gpt(ids, weights, config, first=lambda _: x)
