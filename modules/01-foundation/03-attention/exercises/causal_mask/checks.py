"""What causal_mask must do. Oracle: the definition, one entry at a time in plain Python."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text


def oracle(num_queries: int, num_keys: int) -> Tensor:
    first = num_keys - num_queries
    return torch.tensor([[key <= first + query for key in range(num_keys)] for query in range(num_queries)])


def cases(rng: torch.Generator) -> list[Case]:
    few, more = (int(n) for n in torch.randint(2, 9, (2,), generator=rng))
    return [
        Case("square", (4, 4), about=Text("训练时：T = S = 4", "as in training: T = S = 4")),
        Case("cached", (2, 4), about=Text("有缓存：T = 2，S = 4", "with a cache: T = 2, S = 4")),
        Case("one_new", (1, 6), about=Text("一个新词，六个键：全都能看", "one new word, six keys: all are seen")),
        Case("single", (1, 1), about=Text("只有一个位置，它能看自己", "a single position, which sees itself")),
        Case("random", (few, few + more), about=Text("随机的 T 和 S", "random T and S")),
        Case("nearly_square", (6, 7), about=Text("T = 6，S = 7", "T = 6, S = 7")),
        Case("odd", (11, 11), about=Text("T = S = 11", "T = S = 11")),
    ]
