"""What count_parameters must do. Oracle: the model itself, built on the meta device (shapes without memory), and counted."""

from __future__ import annotations

from typing import Any

import torch

from fledge.course.grader.checking import Case, Text
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer


def oracle(config: dict[str, Any]) -> int:
    shape = {name: value for name, value in config.items() if name != "qk_norm"}
    with torch.device("meta"):
        model = Transformer(ModelConfig(model_type="qwen3" if config["qk_norm"] else "llama", **shape))
    return sum(parameter.numel() for parameter in model.parameters())  # a shared table is one parameter


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

    def case(name: str, config: dict[str, Any], zh: str, en: str) -> Case:
        return Case(name, (config,), about=Text(zh, en))

    groups = draw(2, 5)
    drawn = config_of(
        draw(50, 900), 2 * draw(5, 60), draw(2, 7), groups * draw(2, 5), groups, 2 * draw(2, 20), draw(10, 300)
    )
    return [
        case("example", config_of(10, 4, 1, 2, 1, 2, 6), "题目里的例子", "the example of the task"),
        case("untied", config_of(10, 4, 1, 2, 1, 2, 6, tied=False), "输出层不共享", "an output layer of its own"),
        case("qk_norm", config_of(10, 4, 1, 2, 1, 2, 6, qk_norm=True), "有 qk_norm", "with qk_norm"),
        case("layers", config_of(100, 32, 5, 4, 2, 8, 80), "五个块", "five blocks"),
        case("all_heads", config_of(100, 32, 3, 4, 4, 8, 80), "H = G：没有分组", "H = G: no grouping"),
        case("wide_heads", config_of(100, 24, 2, 4, 2, 16, 50, qk_norm=True), "H·D 大于 C", "H·D larger than C"),
        case("narrow_heads", config_of(100, 64, 2, 3, 1, 8, 50), "H·D 小于 C", "H·D smaller than C"),
        case("drawn", drawn, "随机的配置", "a random configuration"),
        case(
            "drawn_qwen", drawn | {"qk_norm": True, "tie_word_embeddings": False}, "随机的 Qwen3 配置", "a random Qwen3"
        ),
        case(
            "real_size",
            config_of(32_768, 1024, 20, 16, 8, 64, 3072, qk_norm=True),
            "真实大小的模型",
            "a model of real size",
        ),
    ]
