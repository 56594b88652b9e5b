"""What sequence_logp must do. Oracle: token by token in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    rows = []
    for logits, labels in zip(logits_BTV.double(), labels_BT.tolist()):
        found = [logits[t - 1][id] - logits[t - 1].logsumexp(0) for t, id in enumerate(labels) if t and id != -100]
        rows.append(torch.stack(found).sum() if found else logits.sum() * 0)
    return torch.stack(rows).to(logits_BTV.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, marks: list[str], zh: str, en: str, grad: bool = True) -> Case:
        """Marks: a letter a token, a for the answer's, . for others, 0 for the answer's token of id 0."""
        ids = torch.randint(1, 11, (len(marks), len(marks[0])), generator=rng)
        for row, marked in enumerate(marks):
            for t, mark in enumerate(marked):
                if mark != "a":
                    ids[row, t] = -100 if mark == "." else 0
        logits = normal(rng, len(marks), len(marks[0]), 11, scale=2)
        return Case(name, (logits, ids), grad=grad, length=16, about=Text(zh, en))

    return [
        case("answers", ["..aaaa..", "....aaa."], "两条回答，后面有填充", "two answers with padding behind them"),
        case("to_the_end", ["...aaaaa", ".aaaaaaa"], "一直到最后", "up to the end"),
        case("several_turns", ["..aa..aaa."], "一条里有几段回答", "answers in several places"),
        case("first_token", ["aaa....."], "第一个词元也有标签", "the very first token has a label"),
        case("id_zero", ["..a0a0.."], "编号是 0 的词元", "tokens of id 0"),
        case("one_token", [".....a..", ".a......"], "只有一个词元", "a single token"),
        case("none", ["........", "..aaa..."], "有一行没有回答", "a row without an answer"),
        case("two_positions", [".a", ".."], "只有两个位置", "two positions only"),
    ]
