"""What padding_mask must do. Oracle: the definition, one row at a time in plain Python."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text


def oracle(lengths: Tensor, length: int, left: bool) -> Tensor:
    rows = []
    for n in lengths.tolist():
        words, filler = [True] * n, [False] * (length - n)
        rows.append(filler + words if left else words + filler)
    return torch.tensor(rows).reshape(len(rows), 1, 1, length)


def cases(rng: torch.Generator) -> list[Case]:
    def lengths(B: int, S: int) -> Tensor:
        return torch.randint(1, S + 1, (B,), generator=rng)

    return [
        Case("right", (torch.tensor([2, 3, 1]), 5, False), about=Text("空位在右边", "filler on the right")),
        Case("left", (torch.tensor([2, 3, 1]), 5, True), about=Text("空位在左边", "filler on the left")),
        Case(
            "empty_and_full",
            (torch.tensor([0, 6]), 6, False),
            about=Text("一句长度为 0，一句占满，空位在右边", "one sentence empty, one full, filler on the right"),
        ),
        Case(
            "empty_and_full_left",
            (torch.tensor([6, 0]), 6, True),
            about=Text("一句长度为 0，一句占满，空位在左边", "one sentence empty, one full, filler on the left"),
        ),
        Case(
            "longer_than_needed",
            (torch.tensor([2, 4]), 9, False),
            about=Text("补齐的长度超过最长的句子", "filled up beyond the longest sentence"),
        ),
        Case(
            "longer_than_needed_left",
            (torch.tensor([2, 4]), 9, True),
            about=Text("补齐的长度超过最长的句子，空位在左边", "filled up beyond the longest sentence, on the left"),
        ),
        Case("one_row", (torch.tensor([3]), 4, True), about=Text("批次里只有一句", "a batch of one")),
        Case("square", (lengths(5, 5), 5, False), about=Text("B = S = 5", "B = S = 5")),
        Case("random", (lengths(7, 12), 12, True), about=Text("随机长度", "random lengths")),
        Case("strided", (lengths(8, 10)[::2], 10, False), about=Text("不连续的 lengths", "lengths not contiguous")),
    ]
