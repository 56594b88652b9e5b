import torch
import torch.nn.functional as F
from torch import Tensor


def tiny_gpt(ids: Tensor, weights: dict[str, Tensor], config: dict) -> Tensor:
    """A Llama with a tied head: ids [B, T] -> logits [B, T, V] in float32; weights under Hugging Face's names."""
    embedding = weights["model.embed_tokens.weight"]
    x = embedding[ids]
    rope = rope_tables(ids.shape[1], config["head_dim"], config["rope_theta"])
    for i in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{i}."
        own = {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
        x = block(x, own, rope, config)
    return rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"]) @ embedding.T


def block(x: Tensor, weights: dict[str, Tensor], rope: tuple[Tensor, Tensor], config: dict) -> Tensor:
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def heads(h: Tensor, name: str) -> Tensor:
        return F.linear(h, weights[f"self_attn.{name}.weight"]).unflatten(-1, (-1, config["head_dim"])).transpose(1, 2)

    h = rms_norm(x, weights["input_layernorm.weight"], config["rms_norm_eps"])
    q, k, v = apply_rope(heads(h, "q_proj"), *rope), apply_rope(heads(h, "k_proj"), *rope), heads(h, "v_proj")
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    x = x + F.linear(out.transpose(1, 2).flatten(2), weights["self_attn.o_proj.weight"])

    h = rms_norm(x, weights["post_attention_layernorm.weight"], config["rms_norm_eps"])
    gate, up = F.linear(h, weights["mlp.gate_proj.weight"]), F.linear(h, weights["mlp.up_proj.weight"])
    return x + F.linear(F.silu(gate) * up, weights["mlp.down_proj.weight"])


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Every vector of `x` [..., C] at root mean square 1, times `weight` [C]."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def apply_rope(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of every head vector by its position's angles; cos and sin are [T, D]."""
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin


def rope_tables(length: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """cos and sin [T, D] of the angles position * theta^(-2i/D), each angle standing twice."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2).double() / head_dim)
    angles = torch.arange(length).double()[:, None] * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().float(), angles.sin().float()
