"""What lora_parameters must do. Oracle: the real adapter on the real model, on the meta device (shapes without memory)."""

from __future__ import annotations

from typing import Any

import torch

from fledge.course.grader.checking import Case, Text
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer


def oracle(config: dict[str, Any], r: int, targets: list[str]) -> int:
    with torch.device("meta"):
        model = Transformer(ModelConfig(model_type="llama", vocab_size=10, **config))
    layers = [layer for name, layer in model.named_modules() if name.rpartition(".")[2] in targets]
    return sum(torch.empty(r, layer.in_features, device="meta").numel() + r * layer.out_features for layer in layers)


ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NAMES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, sizes: tuple[int, ...], r: int, targets: list[str], zh: str, en: str) -> Case:
        return Case(name, (dict(zip(NAMES, sizes)), r, targets), about=Text(zh, en))

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=rng))

    groups = draw(2, 5)
    drawn = (2 * draw(5, 60), draw(2, 7), groups * draw(2, 5), groups, 2 * draw(2, 20), draw(10, 300))
    usual = (64, 3, 8, 2, 16, 160)
    return [
        case("example", (4, 2, 2, 1, 2, 6), 3, ["k_proj", "down_proj"], "题目里的例子", "the example of the task"),
        *(case(name, usual, 4, [name], f"只有 {name}", f"{name} alone") for name in ALL),
        case("all", usual, 8, ALL, "全部七层，秩 8", "all seven, rank 8"),
        case("rank_one", usual, 1, ["q_proj", "v_proj"], "秩 1", "rank 1"),
        case("large_rank", usual, 64, ALL, "秩 64", "rank 64"),
        case("none", usual, 8, [], "一层也没有", "no layer at all"),
        case("one_block", (64, 1, 4, 4, 16, 100), 2, ALL, "一个块，H = G", "one block, H = G"),
        case("drawn", drawn, draw(1, 20), ALL, "随机的配置", "a random configuration"),
        case(
            "drawn_few",
            drawn,
            draw(2, 20),
            ["o_proj", "up_proj"],
            "随机的配置，两层",
            "a random configuration, two layers",
        ),
    ]
