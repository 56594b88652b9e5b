"""What alibi_bias must do. Oracle: the definition of Press et al. (2022), number by number in Python's floats."""

import torch

from fledge.course.grader.checking import Case, Text


def oracle(num_heads, length):
    power = 1
    while 2 * power <= num_heads:
        power *= 2
    exponents = [8 * (head + 1) / power for head in range(power)]
    exponents += [8 * (2 * extra + 1) / (2 * power) for extra in range(num_heads - power)]
    table = [
        [[-(0.5**exponent) * (i - j) if j <= i else float("-inf") for j in range(length)] for i in range(length)]
        for exponent in exponents
    ]
    return torch.tensor(table, dtype=torch.float32)


def cases(rng: torch.Generator) -> list[Case]:
    length = int(torch.randint(9, 20, (1,), generator=rng))
    return [
        Case(
            "example",
            (2, 3),
            about=Text("题目里的例子：2 个头，3 个位置", "the example of the task: 2 heads, 3 positions"),
        ),
        Case("eight_heads", (8, 6), about=Text("8 个头", "8 heads")),
        Case("one_head", (1, 5), about=Text("1 个头", "1 head")),
        Case(
            "sixteen_heads", (16, length), about=Text("16 个头：坡度里有无理数", "16 heads: some slopes are irrational")
        ),
        Case("one_position", (4, 1), about=Text("只有一个位置", "a single position")),
        Case("three_heads", (3, 7), about=Text("3 个头，不是 2 的幂", "3 heads, not a power of two")),
        Case("six_heads", (6, 5), about=Text("6 个头，不是 2 的幂", "6 heads, not a power of two")),
        Case("twelve_heads", (12, length), about=Text("12 个头，不是 2 的幂", "12 heads, not a power of two")),
        Case("cost", (12, 24), about=Text("较长的文本", "a longer text")),
    ]
