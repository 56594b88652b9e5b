"""Wrong and right padding masks, to grade the grader with."""

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def right(lengths, length, left):
    positions = torch.arange(length)[None, :]
    real = positions >= length - lengths[:, None] if left else positions < lengths[:, None]
    return real[:, None, None, :]


@mistake(
    Text(
        "你没有用到 `left`：空位总被当成在右边。",
        "The argument `left` is not used: the filler is always taken to be on the right.",
    )
)
def ignores_left(lengths, length, left):
    return right(lengths, length, False)


@mistake(
    Text(
        "左右反了：`left=True` 表示空位在左边，词在右边。",
        "Left and right are swapped: `left=True` means filler on the left, words on the right.",
    )
)
def sides_swapped(lengths, length, left):
    return right(lengths, length, not left)


@mistake(
    Text(
        "反了：你的 `True` 标的是空位，这里 `True` 要标真的词。",
        "The wrong way round: your `True` marks the filler; it should mark the real words.",
    )
)
def marks_the_filler(lengths, length, left):
    return ~right(lengths, length, left)


@mistake(
    Text(
        "多算了一个：长度为 2 的句子占位置 0 和 1，所以右填充要用 `<` 而不是 `<=`，左填充从 `S - 长度` 开始。",
        "One too many: a sentence of 2 words holds positions 0 and 1, so use `<` and not `<=` with filler on the right, and "
        "begin at `S - length` with filler on the left.",
    )
)
def one_too_many(lengths, length, left):
    return right((lengths + 1).clamp(max=length), length, left)


@mistake(
    Text(
        "少算了一个：每句话的边上丢了一个词。",
        "One too few: every sentence loses a word at its edge.",
    )
)
def one_too_few(lengths, length, left):
    return right((lengths - 1).clamp(min=0), length, left)


@mistake(
    Text(
        "左填充时你比较了“位置 >= 长度”。词从 `S - 长度` 开始，而不是从“长度”开始。",
        "With filler on the left you compare position >= length. The words begin at `S - length`, not at `length`.",
    )
)
def left_begins_at_length(lengths, length, left):
    return right(length - lengths, length, True) if left else right(lengths, length, False)


@mistake(
    Text(
        "形状是 `[B, S]`：加到 `[B, H, T, S]` 的分数上时会对不齐。中间要有两个大小为 1 的维度。",
        "The shape is `[B, S]`, which does not line up with scores `[B, H, T, S]`. Put two dimensions of size 1 in between.",
    )
)
def two_dimensions(lengths, length, left):
    return right(lengths, length, left)[:, 0, 0]


@mistake(
    Text(
        "形状是 `[B, 1, S, 1]`：遮住的是查询（行），不是键（列）。S 要在最后一维。",
        "The shape is `[B, 1, S, 1]`: that hides queries (rows) and not keys (columns). S belongs last.",
    )
)
def hides_queries(lengths, length, left):
    return right(lengths, length, left).transpose(-1, -2)


@mistake(
    Text(
        "你用最长的句子做宽度，没有用参数 `length`。补齐的长度可以更长。",
        "You take the longest sentence as the width and not the argument `length`, which may be larger.",
    )
)
def width_of_the_longest(lengths, length, left):
    return right(lengths, int(lengths.max()), left)


@mistake(
    Text(
        "你返回的是 0 和 1 的浮点数，这里要 bool。",
        "You return floating-point zeros and ones; return bool.",
    )
)
def zeros_and_ones(lengths, length, left):
    return right(lengths, length, left).float()


@mistake(
    Text(
        "你给所有句子用了同一个长度（最长的那个）。每一行要用自己的长度。",
        "You use one length, the longest, for all sentences. Every row has a length of its own.",
    )
)
def one_length_for_all(lengths, length, left):
    return right(torch.full_like(lengths, int(lengths.max())), length, left)


@variant
def row_by_row(lengths, length, left):
    mask = torch.zeros(len(lengths), 1, 1, length, dtype=torch.bool)
    for b, n in enumerate(lengths.tolist()):
        if left:
            mask[b, 0, 0, length - n :] = True
        else:
            mask[b, 0, 0, :n] = True
    return mask


@variant
def flipped(lengths, length, left):
    mask = torch.arange(length) < lengths.view(-1, 1, 1, 1)
    return mask.flip(-1) if left else mask


@variant
def rows_of_a_triangle(lengths, length, left):
    # Row n of the strictly lower triangle holds n ones: exactly the sentence of length n.
    mask = torch.ones(length + 1, length, dtype=torch.bool).tril(-1)[lengths]
    return (mask.flip(-1) if left else mask)[:, None, None]
