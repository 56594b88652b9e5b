"""What topk_teacher must do. Oracle: sorted in Python, weights in float64. No two logits of a row are equal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text


def oracle(logits_NV: Tensor, k: int) -> tuple[Tensor, Tensor]:
    rows, ids = [], []
    for row in logits_NV.double().tolist():
        best = sorted(range(len(row)), key=lambda i: -row[i])[:k]
        weights = [math.exp(row[i] - row[best[0]]) for i in best]
        rows.append([weight / sum(weights) for weight in weights])
        ids.append(best)
    return torch.tensor(rows, dtype=torch.float32), torch.tensor(ids)


def cases(rng: torch.Generator) -> list[Case]:
    def rows(N: int, V: int, spread: float = 0.5) -> Tensor:
        """Distinct logits in a random order, in steps that bfloat16 can tell apart."""
        steps = torch.stack([torch.randperm(V, generator=rng) for _ in range(N)])
        return (steps - V // 2).float() * spread

    hand = torch.tensor([[5.0, 1.0, 3.0, 0.5]]).log()
    return [
        Case("by_hand", (hand, 2), about=Text("题目里的例子（第四个是 ln 0.5）", "the example of the task (the fourth is ln 0.5)")),
        Case("plain", (rows(4, 10), 3), about=Text("四个位置，取三个", "four positions, three kept")),
        Case("best_one", (rows(3, 8), 1), about=Text("只取一个：概率是 1", "one only: its probability is 1")),
        Case("all", (rows(3, 6), 6), about=Text("k 等于 V", "k is V")),
        Case("more_than_all", (rows(2, 5), 9), about=Text("k 大于 V", "k is above V")),
        Case("large", (rows(2, 6, 200.0), 3), extreme=True, about=Text("很大的 logits", "very large logits")),
        Case("bfloat16", (rows(3, 12).bfloat16(), 4), about=Text("bfloat16 的 logits", "logits in bfloat16")),
    ]  # fmt: skip
