"""What group_advantage must do. Oracle: row by row in plain Python, float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(rewards_GN: Tensor, normalise: bool) -> Tensor:
    rows = []
    for row in rewards_GN.double().tolist():
        mean = math.fsum(row) / len(row)
        centred = [reward - mean for reward in row]
        spread = math.sqrt(math.fsum(value * value for value in centred) / (len(row) - 1)) + 1e-4
        rows.append([value / spread for value in centred] if normalise else centred)
    return torch.tensor(rows, dtype=torch.float64).to(rewards_GN.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    example = torch.tensor([[1.0, 0, 0, 1], [1, 1, 1, 1]])
    right = (torch.rand(5, 8, generator=rng) < 0.4).float()
    apart = torch.tensor([[0.0], [3.0], [-2.0]]) + normal(rng, 3, 6)
    return [
        Case("example", (example, False), about=Text("题目里的例子", "the example of the task")),
        Case("example_normalised", (example, True), about=Text("同一个例子，归一化", "the same example, normalised")),
        Case("right_and_wrong", (right, True), about=Text("奖励是 0 和 1", "rewards of 0 and 1")),
        Case("any_rewards", (normal(rng, 4, 6), True), about=Text("任意的奖励", "any rewards")),
        Case("plain", (normal(rng, 4, 6), False), about=Text("不归一化", "not normalised")),
        Case(
            "groups_apart",
            (apart, True),
            slack=128,
            about=Text("各组的奖励相差很大", "groups whose rewards lie far apart"),
        ),
        Case("groups_apart_plain", (apart, False), slack=128, about=Text("同上，不归一化", "the same, not normalised")),
        Case("two_answers", (normal(rng, 3, 2), True), about=Text("每组只有两个回答", "two answers in a group")),
        Case("one_prompt", (normal(rng, 1, 5), True), about=Text("只有一道题", "one prompt only")),
        Case("small", (normal(rng, 3, 6, scale=1e-3), True), about=Text("奖励相差很小", "rewards that hardly differ")),
        Case("double", (normal(rng, 3, 6).double(), True), about=Text("float64", "float64")),
        Case("square", (normal(rng, 5, 5), True), about=Text("题数和回答数一样多", "as many prompts as answers")),
    ]
