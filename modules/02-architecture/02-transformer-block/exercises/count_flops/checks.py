"""What count_flops must do. Oracle: torch's own counter watches the model that we train, built without memory (meta device)."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fledge.course.grader.checking import Case, Text
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE


def attention_in_full(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Two plain products over the whole T × T, every query head with a key-value head of its own; the counter sees both."""
    k, v = (y.repeat_interleave(q.shape[1] // y.shape[1], dim=1) for y in (k, v))
    return (q @ k.mT).softmax(-1) @ v


def oracle(config: dict[str, Any], length: int) -> int:
    shape = {name: value for name, value in config.items() if name != "qk_norm"}
    with torch.device("meta"), torch.no_grad():
        parts = dataclasses.replace(REFERENCE, attention=attention_in_full)
        model = Transformer(ModelConfig(model_type="qwen3" if config["qk_norm"] else "llama", **shape), parts)
        counter = FlopCounterMode(display=False)
        with counter:
            model(torch.zeros(1, length, dtype=torch.long))
    return counter.get_total_flops()


def config_of(
    V: int, C: int, L: int, H: int, G: int, D: int, inner: int, tied: bool = True, qk_norm: bool = False
) -> dict[str, Any]:
    return {
        "vocab_size": V,
        "hidden_size": C,
        "num_hidden_layers": L,
        "num_attention_heads": H,
        "num_key_value_heads": G,
        "head_dim": D,
        "intermediate_size": inner,
        "tie_word_embeddings": tied,
        "qk_norm": qk_norm,
    }


def cases(rng: torch.Generator) -> list[Case]:
    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=rng))

    def case(name: str, config: dict[str, Any], length: int, zh: str, en: str) -> Case:
        return Case(name, (config, length), about=Text(zh, en))

    groups = draw(2, 5)
    drawn = config_of(
        draw(50, 900), 2 * draw(5, 60), draw(2, 7), groups * draw(2, 5), groups, 2 * draw(2, 20), draw(10, 300)
    )
    small = config_of(10, 4, 1, 2, 1, 2, 6)
    return [
        case("example", small, 3, "题目里的例子", "the example of the task"),
        case("one_token", small, 1, "只有一个位置", "a single position"),
        case("long", small, 200, "序列很长：注意力占了大头", "a long sequence: attention is most of it"),
        case("untied", small | {"tie_word_embeddings": False}, 3, "输出层不共享", "an output layer of its own"),
        case(
            "qk_norm", small | {"qk_norm": True}, 3, "有 qk_norm（不增加矩阵乘法）", "qk_norm (adds no matrix product)"
        ),
        case("layers", config_of(100, 32, 5, 4, 2, 8, 80), 16, "五个块", "five blocks"),
        case("all_heads", config_of(100, 32, 3, 4, 4, 8, 80), 16, "H = G：没有分组", "H = G: no grouping"),
        case("wide_heads", config_of(100, 24, 2, 4, 2, 16, 50), 7, "H·D 大于 C", "H·D larger than C"),
        case("drawn", drawn, draw(5, 100), "随机的配置", "a random configuration"),
        case("real_size", config_of(32_768, 1024, 4, 16, 8, 64, 3072), 1024, "真实大小的模型", "a model of real size"),
    ]
