"""What residual_scale must do. Oracle: every number divided by sqrt(2 L) in float64 (Radford et al., GPT-2, 2019)."""

import torch

from fledge.course.grader.checking import Case, Text, normal


@torch.no_grad()
def oracle(weights, num_layers):
    for weight in weights:
        weight.copy_(weight.double() / torch.tensor(2.0 * num_layers, dtype=torch.float64).sqrt())


def cases(rng: torch.Generator) -> list[Case]:
    layers = int(torch.randint(5, 40, (1,), generator=rng))
    square = [normal(rng, 4, 4, scale=0.02) for _ in range(6)]
    shapes = [normal(rng, 3, 5), normal(rng, 8, 2), normal(rng, 7)]
    stacked = normal(rng, 2, 3, 4)  # two weights that are parts of one tensor, as in a fused projection
    half = [normal(rng, 4, 6, dtype=torch.bfloat16), normal(rng, 6, 4, dtype=torch.float16)]
    return [
        Case(
            "plain",
            ([normal(rng, 3, 4), normal(rng, 3, 4), normal(rng, 3, 4), normal(rng, 3, 4)], 2),
            mutates=(0,),
            about=Text("两层，四个矩阵", "two layers, four matrices"),
        ),
        Case("six_layers", (square, 3), mutates=(0,), about=Text("三层", "three layers")),
        Case(
            "other_shapes",
            (shapes, layers),
            mutates=(0,),
            about=Text("形状各不相同，矩阵数和层数无关", "different shapes, and as many matrices as it happens"),
        ),
        Case("one_layer", ([normal(rng, 5, 5)], 1), mutates=(0,), about=Text("只有一层", "a single layer")),
        Case(
            "strided",
            ([normal(rng, 6, 4).T, normal(rng, 4, 9)[:, ::2]], 5),
            mutates=(0,),
            about=Text("内存不连续的矩阵", "matrices that are not contiguous"),
        ),
        Case(
            "views",
            ([stacked[0], stacked[1]], 12),
            mutates=(0,),
            about=Text("两个矩阵是同一个大张量的两部分", "two matrices that are parts of one tensor"),
        ),
        Case("half", (half, 7), mutates=(0,), slack=2, about=Text("半精度的权重", "weights in half precision")),
        Case(
            "tuple",
            ((normal(rng, 3, 3), normal(rng, 3, 6)), 4),
            mutates=(0,),
            about=Text("weights 是元组", "weights is a tuple"),
        ),
        Case(
            "parameters",
            ([normal(rng, 4, 3), normal(rng, 3, 5)], 3),
            mutates=(0,),
            trained=True,
            about=Text("要求梯度的权重，和真正的模型里一样", "weights that require gradients, as in a real model"),
        ),
        Case("none", ([], 4), mutates=(0,), about=Text("空列表", "an empty list")),
        Case(
            "cost",
            ([normal(rng, 256, 256) for _ in range(4)], 2),
            mutates=(0,),
            about=Text("较大的矩阵", "larger matrices"),
        ),
    ]
