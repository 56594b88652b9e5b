"""What tiny_gpt must do. Oracle: the Transformer that we train, with Llama's config and the same weights, in float64."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from fledge.course.grader.checking import Case, Text, normal
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE


def rms_norm_64(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The reference part takes the mean in float32; this one stays in float64."""
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def oracle(ids: Tensor, weights: dict[str, Tensor], config: dict[str, Any]) -> Tensor:
    vocab, width = weights["model.embed_tokens.weight"].shape
    inner = weights.get("model.layers.0.mlp.gate_proj.weight", torch.empty(1)).shape[0]
    layers = config["num_hidden_layers"]
    shape = ModelConfig(
        **{**config, "num_hidden_layers": max(layers, 1)},
        model_type="llama",
        vocab_size=vocab,
        hidden_size=width,
        intermediate_size=inner,
        tie_word_embeddings=True,
    )
    model = Transformer(shape, dataclasses.replace(REFERENCE, rms_norm=rms_norm_64))
    model.model.layers = model.model.layers[:layers]  # a config has at least one layer; a case has none
    model.compute_dtype = torch.float64
    state = {name: weight.double() for name, weight in weights.items()}
    return functional_call(model, state, (ids,))


def random_weights(
    rng: torch.Generator, V: int, C: int, L: int, H: int, G: int, D: int, inner: int
) -> dict[str, Tensor]:
    """Queries and keys are large enough for attention to be picky; norm weights are not 1; no two layers are alike."""
    weights = {"model.embed_tokens.weight": normal(rng, V, C), "model.norm.weight": 1 + normal(rng, C, scale=0.4)}
    for i in range(L):
        layer = {
            "input_layernorm": 1 + normal(rng, C, scale=0.4),
            "self_attn.q_proj": normal(rng, H * D, C, scale=1.5 * C**-0.5),
            "self_attn.k_proj": normal(rng, G * D, C, scale=1.5 * C**-0.5),
            "self_attn.v_proj": normal(rng, G * D, C, scale=C**-0.5),
            "self_attn.o_proj": normal(rng, C, H * D, scale=(H * D) ** -0.5),
            "post_attention_layernorm": 1 + normal(rng, C, scale=0.4),
            "mlp.gate_proj": normal(rng, inner, C, scale=C**-0.5),
            "mlp.up_proj": normal(rng, inner, C, scale=C**-0.5),
            "mlp.down_proj": normal(rng, C, inner, scale=inner**-0.5),
        }
        weights |= {f"model.layers.{i}.{name}.weight": weight for name, weight in layer.items()}
    return weights


def cases(rng: torch.Generator) -> list[Case]:
    def case(name, B, T, V, C, L, H, G, D, inner, about, *, eps=1e-6, theta=10_000.0, **more):
        # sorted as safetensors files list them: layer 10 comes before layer 2
        weights = dict(sorted(random_weights(rng, V, C, L, H, G, D, inner).items()))
        config = {
            "num_hidden_layers": L,
            "num_attention_heads": H,
            "num_key_value_heads": G,
            "head_dim": D,
            "rms_norm_eps": eps,
            "rope_theta": theta,
        }
        ids = torch.randint(0, V, (B, T), generator=rng)
        more = {"grad": True, "slack": 128, "length": C + inner} | more  # eight products a layer, one behind the other
        return Case(name, (ids, weights, config), about=about, **more)

    return [
        case("plain", 2, 5, 11, 8, 2, 2, 2, 4, 12, Text("两层的小模型", "a small model of two layers")),
        case("no_layers", 2, 3, 7, 6, 0, 2, 1, 4, 8, Text("没有块：嵌入、归一化、输出", "no blocks at all")),
        case("one_layer", 1, 6, 9, 12, 1, 4, 2, 4, 10, Text("只有一层，分组查询", "one layer, grouped queries"), grad=False),
        case("wide_heads", 2, 4, 10, 8, 2, 2, 1, 6, 12, Text("head_dim 不等于 C / H", "head_dim is not C / H"), grad=False),
        case("square", 2, 4, 16, 16, 2, 4, 4, 4, 16, Text("V = C，所有矩阵都是方阵", "V = C, and all matrices are square")),
        case("one_token", 3, 1, 9, 8, 2, 2, 1, 4, 12, Text("只有一个词元", "a single token")),
        case("big_eps", 2, 4, 9, 8, 2, 2, 1, 4, 12, Text("eps 很大（0.5）", "a large eps (0.5)"), eps=0.5, grad=False),
        case("other_theta", 2, 6, 9, 8, 2, 2, 1, 6, 12, Text("rope_theta = 20", "rope_theta = 20"), theta=20.0, grad=False),
        case("twelve_layers", 1, 4, 9, 8, 12, 2, 1, 4, 12, Text("十二层", "twelve layers"), grad=False, slack=512),
        case("cost", 2, 32, 64, 32, 2, 4, 2, 8, 64, Text("大一些的输入", "larger input"), grad=False),
    ]  # fmt: skip
