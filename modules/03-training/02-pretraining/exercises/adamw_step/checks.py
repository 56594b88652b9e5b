"""What adamw_step must do. Oracle: the formulas number by number in Python floats (Loshchilov & Hutter, 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(
    param: Tensor,
    grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: int,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    columns = (tensor.flatten().tolist() for tensor in (param, grad, exp_avg, exp_avg_sq))
    new: list[list[float]] = [[], [], []]
    for p, g, m, v in zip(*columns):
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        size = math.sqrt(v / (1 - beta2**step)) + eps
        p = p - lr * weight_decay * p - lr * m / (1 - beta1**step) / size
        for column, number in zip(new, (p, m, v)):
            column.append(number)
    for tensor, column in zip((param, exp_avg, exp_avg_sq), new):
        tensor.copy_(torch.tensor(column, dtype=torch.float64).view(tensor.shape))


def cases(rng: torch.Generator) -> list[Case]:
    def case(
        name, shape, step, about, *, lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1, scale=1.0, tensors=None
    ) -> Case:
        param, grad = normal(rng, *shape), normal(rng, *shape, scale=scale)
        exp_avg, exp_avg_sq = normal(rng, *shape, scale=scale), normal(rng, *shape, scale=scale).square()
        if step == 1:  # the averages begin at 0
            exp_avg, exp_avg_sq = torch.zeros(shape), torch.zeros(shape)
        given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        tensors = tensors or (param, grad, exp_avg, exp_avg_sq)
        return Case(name, (*tensors, step), given, mutates=(0, 2, 3), slack=64, about=about)

    quiet = (normal(rng, 6), torch.zeros(6), normal(rng, 6), normal(rng, 6).square() + 0.1)
    strided = tuple(normal(rng, 5, 4).T for _ in range(3))
    example = (torch.ones(1), torch.full((1,), 0.5), torch.zeros(1), torch.zeros(1))
    return [
        case("example", (1,), 1, Text("题目里的例子", "the example of the task"), eps=0.0, tensors=example),
        case("first_step", (3, 4), 1, Text("第一步：两个平均都是 0", "the first step: both averages are 0")),
        case("second_step", (3, 4), 2, Text("第二步", "the second step")),
        case("tenth_step", (7,), 10, Text("第十步", "the tenth step"), beta2=0.95),
        case("late", (7,), 5000, Text("第 5000 步：修正几乎没有了", "step 5000: hardly any correction left"), beta2=0.999),
        case("no_decay", (3, 4), 3, Text("没有权重衰减", "no weight decay"), weight_decay=0.0),
        case("strong_decay", (3, 4), 3, Text("很强的权重衰减", "strong weight decay"), weight_decay=3.0),
        case("big_eps", (8,), 4, Text("eps 很大（0.3）", "a large eps (0.3)"), eps=0.3),
        case("tiny_gradients", (8,), 2, Text("梯度和 eps 差不多小", "gradients as small as eps"), scale=1e-4, eps=1e-4),
        case("no_momentum", (8,), 3, Text("beta1 = 0", "beta1 = 0"), beta1=0.0),
        case("equal_betas", (8,), 3, Text("两个 beta 都是 0.5", "both betas 0.5"), beta1=0.5, beta2=0.5),
        case("small_rate", (8,), 6, Text("学习率 0.01", "a learning rate of 0.01"), lr=0.01, weight_decay=1.0),
        case("zero_gradient", (6,), 4, Text("这一步的梯度是 0", "a gradient of 0 in this step"), tensors=quiet),
        case("scalar", (), 3, Text("参数只有一个数（0 维）", "a single number (0 dimensions)")),
        case(
            "strided", (4, 5), 3, Text("转置过的张量", "transposed tensors"),
            tensors=(*strided, normal(rng, 5, 4).square().T),
        ),
        case("cost", (16, 16), 3, Text("大一些的参数", "a larger parameter")),
    ]  # fmt: skip
