"""What lora_targets must do. Oracle: names and patterns split at their dots, compared from the end (PEFT's rule for a list)."""

from __future__ import annotations

import torch

from fledge.course.grader.checking import Case, Text


def oracle(names: list[str], patterns: list[str]) -> list[str]:
    def chosen(name: str) -> bool:
        parts = name.split(".")
        return any(parts[-len(words) :] == words for words in (pattern.split(".") for pattern in patterns))

    return [name for name in names if chosen(name)]


def cases(rng: torch.Generator) -> list[Case]:
    names = [
        f"model.layers.{layer}.{name}"
        for layer in range(2)
        for name in ("self_attn.q_proj", "self_attn.k_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    ]
    at = int(torch.randint(0, len(names), (1,), generator=rng))

    def case(name: str, names: list[str], patterns: list[str], zh: str, en: str) -> Case:
        return Case(name, (names, patterns), about=Text(zh, en))

    return [
        case("plain", names, ["q_proj", "down_proj"], "两个词，两层", "two words, two blocks"),
        case("order", names, ["up_proj", "q_proj"], "词的顺序与层的顺序不同", "words in another order than the layers"),
        case("with_dots", names, ["mlp.up_proj", "layers.1.self_attn.k_proj"], "词里有点", "words with dots"),
        case("part_of_a_word", names, ["proj", "_proj", "k"], "只是名字的一部分", "only a part of a name"),
        case(
            "lookalike",
            ["a.xq_proj", "a.q_proj", "a.q_proj2", "q_proj.a"],
            ["q_proj"],
            "长得像的名字",
            "names that look alike",
        ),
        case(
            "whole_name",
            ["lm_head", "model.lm_head", "my_lm_head"],
            ["lm_head"],
            "全名就是这个词",
            "the whole name is the word",
        ),
        case(
            "twice",
            names,
            ["q_proj", "self_attn.q_proj", "q_proj"],
            "几个词选中同一层",
            "several words choose the same layer",
        ),
        case("capitals", ["a.Q_proj", "a.q_proj"], ["q_proj"], "大小写不同", "capital letters"),
        case(
            "dot_is_a_dot",
            ["a.mlp.up", "a.mlpxup", "b.mlp.up"],
            ["mlp.up"],
            "点只是点，不是通配符",
            "a dot is a dot and no wildcard",
        ),
        case("nothing", names, ["c_attn"], "什么也没选中", "nothing is chosen"),
        case("no_words", names, [], "没有词", "no words"),
        case("drawn", names, [names[at].rpartition(".")[2]], "随机的一个词", "a random word"),
    ]
