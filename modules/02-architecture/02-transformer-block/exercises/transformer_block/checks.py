"""What transformer_block must do. Oracle: the very Block that our models are built from, in float64, with Llama's config."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.func import functional_call

from fledge.course.grader.checking import Case, Text, normal
from fledge.model.config import ModelConfig
from fledge.model.layers import Block
from fledge.parts import REFERENCE


def rms_norm_64(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The reference part takes the mean in float32; this one stays in float64."""
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def oracle(
    x: Tensor, weights: dict[str, Tensor], cos: Tensor, sin: Tensor, num_heads: int, num_kv_heads: int, eps: float
) -> Tensor:
    config = ModelConfig(
        model_type="llama",
        hidden_size=x.shape[-1],
        intermediate_size=weights["mlp.gate_proj.weight"].shape[0],
        num_attention_heads=num_heads,
        num_key_value_heads=num_kv_heads,
        head_dim=weights["self_attn.q_proj.weight"].shape[0] // num_heads,
        rms_norm_eps=eps,
    )
    block = Block(config, 0, dataclasses.replace(REFERENCE, rms_norm=rms_norm_64))
    state = {name: weight.double() for name, weight in weights.items()}
    return functional_call(block, state, (x.double(), (cos.double(), sin.double()), None, None, None)).float()


def tables(positions: Tensor, dim: int, factor: float = 1.0) -> tuple[Tensor, Tensor]:
    """cos and sin [T, D], each angle twice; a small base, so that every pair turns visibly."""
    angles = positions.double()[:, None] * 50.0 ** (-torch.arange(0, dim, 2).double() / dim)
    angles = torch.cat((angles, angles), dim=-1)
    return (angles.cos() * factor).float(), (angles.sin() * factor).float()


def random_weights(rng: torch.Generator, C: int, H: int, G: int, D: int, inner: int) -> dict[str, Tensor]:
    """Queries and keys are large enough for attention to be picky; norm weights are not 1."""
    return {
        "input_layernorm.weight": 1 + normal(rng, C, scale=0.4),
        "self_attn.q_proj.weight": normal(rng, H * D, C, scale=1.5 * C**-0.5),
        "self_attn.k_proj.weight": normal(rng, G * D, C, scale=1.5 * C**-0.5),
        "self_attn.v_proj.weight": normal(rng, G * D, C, scale=C**-0.5),
        "self_attn.o_proj.weight": normal(rng, C, H * D, scale=(H * D) ** -0.5),
        "post_attention_layernorm.weight": 1 + normal(rng, C, scale=0.4),
        "mlp.gate_proj.weight": normal(rng, inner, C, scale=C**-0.5),
        "mlp.up_proj.weight": normal(rng, inner, C, scale=C**-0.5),
        "mlp.down_proj.weight": normal(rng, C, inner, scale=inner**-0.5),
    }


def cases(rng: torch.Generator) -> list[Case]:
    def case(name, B, T, C, H, G, D, inner, about, *, eps=1e-6, positions=None, factor=1.0, scale=1.0, **more):
        x = more.pop("x", None)
        x = normal(rng, B, T, C, scale=scale) if x is None else x
        cos, sin = tables(torch.arange(T) if positions is None else torch.tensor(positions), D, factor)
        weights = more.pop("weights", None) or random_weights(rng, C, H, G, D, inner)
        more = {"grad": True, "slack": 64, "length": C + inner} | more  # eight products stand one behind the other
        return Case(name, (x, weights, cos, sin, H, G, eps), about=about, **more)

    begins = random_weights(rng, 8, 2, 1, 4, 12)
    for name in ("self_attn.o_proj.weight", "mlp.down_proj.weight"):
        begins[name] = torch.zeros_like(begins[name])
    return [
        case("plain", 2, 5, 8, 2, 2, 4, 12, Text("每个查询头都有自己的键值头", "every query head has its own key-value head")),
        case("grouped", 2, 6, 16, 4, 2, 4, 20, Text("四个查询头，两个键值头", "four query heads, two key-value heads")),
        case("one_kv_head", 1, 5, 12, 3, 1, 4, 10, Text("三个查询头共用一个键值头", "three query heads, one key-value head")),
        case("wide_heads", 2, 4, 8, 2, 1, 6, 12, Text("H·D 不等于 C", "H·D is not C")),
        case("square", 2, 4, 16, 4, 4, 4, 16, Text("所有矩阵都是方阵，T = H = D", "all matrices square, and T = H = D")),
        case("one_token", 3, 1, 8, 2, 1, 4, 12, Text("只有一个位置", "a single position")),
        case("big_eps", 2, 4, 8, 2, 1, 4, 12, Text("eps 很大（0.5）", "a large eps (0.5)"), eps=0.5),
        case("small_x", 2, 4, 8, 2, 2, 4, 12, Text("x 很小，归一化很要紧", "a small x, so that norms matter"), scale=0.05),
        case(
            "far_apart", 2, 4, 8, 2, 1, 4, 12, Text("位置不连续，表乘过系数", "positions with gaps, tables with a factor"),
            positions=[0, 2, 7, 9], factor=1.2,
        ),
        case(
            "strided", 2, 5, 8, 2, 1, 4, 12, Text("转置过的 x", "a transposed x"), x=normal(rng, 2, 8, 5).transpose(1, 2),
        ),
        case(
            "zero_outputs", 2, 4, 8, 2, 1, 4, 12, Text("o_proj 和 down_proj 全为 0", "o_proj and down_proj all zeros"),
            weights=begins,
        ),
        case("cost", 2, 64, 64, 4, 2, 16, 128, Text("大一些的输入", "larger input")),
    ]  # fmt: skip
