"""What gradient_norms must do. Oracle: the backward pass of the residual stack written out in float64, without autograd."""

import math

import torch

from fledge.course.grader.checking import Case, Text, normal


@torch.no_grad()
def oracle(layers, x, target):
    inputs, gates = [], []
    h = x.double()
    for layer in layers:
        inputs.append(h)
        before = h @ layer.double().T
        gates.append((before > 0).double())
        h = before.clamp(min=0) + h
    upstream = 2 * (h - target.double()) / h.numel()
    norms = []
    for layer, given, gate in zip(reversed(layers), reversed(inputs), reversed(gates)):
        through = upstream * gate
        norms.append((through.T @ given).square().sum().sqrt())
        upstream = upstream + through @ layer.double()  # the skip path passes it on as it is
    return torch.stack(norms[::-1]).float()


def cases(rng: torch.Generator) -> list[Case]:
    def stack(depth: int, width: int, rows: int, scale: float = 1.0):
        layers = [normal(rng, width, width, scale=scale / math.sqrt(width)) for _ in range(depth)]
        return layers, normal(rng, rows, width), normal(rng, rows, width)

    layers, x, target = stack(3, 5, 4)
    transposed = [layer.T for layer in layers]
    return [
        Case(
            "example",
            ([torch.tensor([[2.0]])], torch.tensor([[3.0]]), torch.tensor([[5.0]])),
            about=Text("题目里的例子", "the example of the task"),
        ),
        Case(
            "plain",
            stack(4, 8, 6),
            grad=True,  # no gradient to compare (the norms carry no graph); the call is repeated with inputs that require gradients
            length=64,
            about=Text("四层", "four layers"),
        ),
        Case("one_layer", stack(1, 6, 3), length=36, about=Text("只有一层", "a single layer")),
        Case("one_row", stack(3, 5, 1), length=25, about=Text("只有一行数据", "a single row of data")),
        Case(
            "deep",
            stack(16, 8, 5, scale=0.5),
            length=256,
            about=Text("十六层", "sixteen layers"),
        ),
        Case(
            "strided",
            (transposed, x.T.contiguous().T, target),
            length=64,
            about=Text("内存不连续的权重和输入", "weights and input that are not contiguous"),
        ),
        Case("cost", stack(12, 64, 32), length=4096, about=Text("较大的网络", "a larger network")),
    ]
