"""What gae must do. Oracle: the sum of all later surprises, each weighed by its distance, in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(rewards_T: Tensor, values_T: Tensor, gamma: float, lam: float) -> Tensor:
    rewards, values = rewards_T.double().tolist(), [*values_T.double().tolist(), 0.0]
    T = len(rewards)
    deltas = [rewards[t] + gamma * values[t + 1] - values[t] for t in range(T)]
    found = [math.fsum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, T)) for t in range(T)]
    return torch.tensor(found, dtype=torch.float64).to(rewards_T.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    values = torch.tensor([0.5, 0.25, 1.0])
    reward = torch.tensor([0.0, 0.0, 1.0])
    last = torch.zeros(12)
    last[-1] = 1
    return [
        Case("example", (reward, values, 1.0, 1.0), about=Text("题目里的例子，λ = 1", "the example of the task, λ = 1")),
        Case("one_step", (reward, values, 1.0, 0.0), about=Text("同一个例子，λ = 0", "the same example, λ = 0")),
        Case("usual", (last, normal(rng, 12), 1.0, 0.95), length=12, about=Text("平常的设置", "usual settings")),
        Case(
            "discount", (normal(rng, 9), normal(rng, 9), 0.9, 0.8), length=9, about=Text("γ 和 λ 都小于 1", "γ and λ below 1")
        ),
        Case(
            "discount_to_the_end", (normal(rng, 9), normal(rng, 9), 0.7, 1.0), length=9,
            about=Text("有折扣，一直看到结尾", "discounted, to the end"),
        ),
        Case("discounted_step", (normal(rng, 9), normal(rng, 9), 0.7, 0.0), about=Text("有折扣，只看一步", "discounted, one step")),
        Case("no_future", (normal(rng, 6), normal(rng, 6), 0.0, 0.95), about=Text("γ = 0", "γ = 0")),
        Case("one_token", (normal(rng, 1), normal(rng, 1), 0.9, 0.9), about=Text("只有一个词元", "a single token")),
        Case(
            "no_critic", (normal(rng, 7), torch.zeros(7), 0.9, 0.9), length=7, about=Text("价值全是 0", "values that are all 0")
        ),
        Case(
            "double", (normal(rng, 7).double(), normal(rng, 7).double(), 0.9, 0.9), length=7, about=Text("float64", "float64")
        ),
    ]  # fmt: skip
