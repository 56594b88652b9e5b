import torch
import torch.nn.functional as F
from torch import Tensor


def transformer_block(
    x: Tensor, weights: dict[str, Tensor], cos: Tensor, sin: Tensor, num_heads: int, num_kv_heads: int, eps: float
) -> Tensor:
    """One Pre-LN block: x [B, T, C] -> [B, T, C]; weights under Hugging Face's names, cos and sin [T, D]."""
    B, T, _ = x.shape

    def heads(h: Tensor, name: str, count: int) -> Tensor:
        return F.linear(h, weights[f"self_attn.{name}.weight"]).view(B, T, count, -1).transpose(1, 2)

    h = rms_norm(x, weights["input_layernorm.weight"], eps)
    q = apply_rope(heads(h, "q_proj", num_heads), cos, sin)
    k = apply_rope(heads(h, "k_proj", num_kv_heads), cos, sin)
    v = heads(h, "v_proj", num_kv_heads)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    x = x + F.linear(out.transpose(1, 2).reshape(B, T, -1), weights["self_attn.o_proj.weight"])

    h = rms_norm(x, weights["post_attention_layernorm.weight"], eps)
    gate, up = F.linear(h, weights["mlp.gate_proj.weight"]), F.linear(h, weights["mlp.up_proj.weight"])
    return x + F.linear(F.silu(gate) * up, weights["mlp.down_proj.weight"])


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Every vector of `x` [..., C] at root mean square 1, times `weight` [C]."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def apply_rope(x_BHTD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + D/2) of every head vector by its position's angles; cos and sin are [T, D]."""
    first, second = x_BHTD.chunk(2, dim=-1)
    return x_BHTD * cos + torch.cat((-second, first), dim=-1) * sin
