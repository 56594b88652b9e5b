"""What sinusoidal_positions must do. Oracle: the two formulas of Vaswani et al. (2017), number by number in Python's floats."""

import math

import torch

from fledge.course.grader.checking import Case, Text


def oracle(num_positions, dim):
    rows = []
    for position in range(num_positions):
        row = []
        for column in range(dim):
            angle = position / math.pow(10000.0, (column - column % 2) / dim)
            row.append(math.cos(angle) if column % 2 else math.sin(angle))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float32)


def cases(rng: torch.Generator) -> list[Case]:
    size = int(torch.randint(5, 12, (1,), generator=rng))
    return [
        Case(
            "small",
            (2, 4),
            about=Text("题目里的例子：两个位置，四列", "the example of the task: two positions, four columns"),
        ),
        Case("one_pair", (6, 2), about=Text("只有一对列", "a single pair of columns")),
        Case("wide", (size, 32), about=Text("32 列", "32 columns")),
        Case("tall", (40, 6), about=Text("位置比列多", "more positions than columns")),
        Case("odd", (7, 9), about=Text("奇数列：最后一列是正弦", "an odd number of columns: the last one is a sine")),
        Case("one_column", (4, 1), about=Text("只有一列", "a single column")),
        Case("first_only", (1, 8), about=Text("只有位置 0", "position 0 only")),
        Case("far", (4_000, 6), extreme=True, about=Text("很大的位置", "large positions")),
        Case("cost", (100, 32), about=Text("较大的表", "a larger table")),
    ]
