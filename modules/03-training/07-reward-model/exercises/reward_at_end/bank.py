"""Wrong and right ways to read a reward."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def at(hidden_BTD, place_B, weight_D):
    return hidden_BTD[torch.arange(len(place_B)), place_B] @ weight_D


@mistake(
    Text(
        "你总是读最后一个位置：短的回答在那里只有填充。",
        "You always read the last position: short answers have nothing but padding there.",
    )
)
def last_position(hidden_BTD, lengths_B, weight_D):
    return hidden_BTD[:, -1] @ weight_D


@mistake(
    Text(
        "差了一位：长度是 n 的回答，最后一个词元在位置 n - 1。你读的是它后面的填充。",
        "Off by one: the last token of an answer of length n is at position n - 1. You read the padding behind it.",
    )
)
def one_too_far(hidden_BTD, lengths_B, weight_D):
    return at(hidden_BTD, lengths_B.clamp(max=hidden_BTD.shape[1] - 1), weight_D)


@mistake(
    Text(
        "读早了一位：最后一个词元还没有看到。",
        "One too early: the last token has not been read there.",
    )
)
def one_too_early(hidden_BTD, lengths_B, weight_D):
    return at(hidden_BTD, (lengths_B - 2).clamp(min=0), weight_D)


@mistake(
    Text(
        "你读的是第一个词元：它后面的内容它一个也没有看到。",
        "You read the first token, which has seen nothing of what follows.",
    )
)
def first_token(hidden_BTD, lengths_B, weight_D):
    return hidden_BTD[:, 0] @ weight_D


@mistake(
    Text(
        "你把填充当成在左边：题目里填充在右边。",
        "You take the padding to be on the left: here it is on the right.",
    )
)
def padding_on_the_left(hidden_BTD, lengths_B, weight_D):
    return at(hidden_BTD, hidden_BTD.shape[1] - lengths_B, weight_D)


@mistake(
    Text(
        "你对所有位置取了平均，连填充也算进去了。",
        "You average over all positions, padding included.",
    )
)
def mean_of_all(hidden_BTD, lengths_B, weight_D):
    return hidden_BTD.mean(1) @ weight_D


@mistake(
    Text(
        "你对真实的词元取了平均：要的是最后一个，只有它看过整条回答。",
        "You average over the real tokens: the last one is asked for, which alone has seen the whole answer.",
    )
)
def mean_of_the_real(hidden_BTD, lengths_B, weight_D):
    real_BT = torch.arange(hidden_BTD.shape[1]) < lengths_B[:, None]
    return (hidden_BTD * real_BT[..., None]).sum(1) / lengths_B[:, None] @ weight_D


@mistake(
    Text(
        "每一行都读了最长那条的末尾：每条回答有自己的长度。",
        "Every row is read where the longest answer ends: each has a length of its own.",
    )
)
def end_of_the_longest(hidden_BTD, lengths_B, weight_D):
    return hidden_BTD[:, int(lengths_B.max()) - 1] @ weight_D


@mistake(
    Text(
        "你取了各个真实位置里最大的分数：奖励要在末尾读。",
        "You take the greatest score of all real positions: the reward is read at the end.",
    )
)
def greatest(hidden_BTD, lengths_B, weight_D):
    beyond_BT = torch.arange(hidden_BTD.shape[1]) >= lengths_B[:, None]
    return (hidden_BTD @ weight_D).masked_fill(beyond_BT, float("-inf")).max(1).values


@mistake(
    Text(
        "隐藏状态被当成了常数（detach）：只有头在学，模型学不到。",
        "The hidden state is taken for a constant (detach): the head learns, and the model does not.",
    )
)
def hidden_detached(hidden_BTD, lengths_B, weight_D):
    return at(hidden_BTD.detach(), lengths_B - 1, weight_D)


@mistake(
    Text(
        "分数除以了长度：长回答的奖励被压小了。",
        "The score is divided by the length: long answers get smaller rewards.",
    )
)
def divided_by_length(hidden_BTD, lengths_B, weight_D):
    return at(hidden_BTD, lengths_B - 1, weight_D) / lengths_B


@variant
def row_by_row(hidden_BTD, lengths_B, weight_D):
    return torch.stack([row[int(n) - 1] @ weight_D for row, n in zip(hidden_BTD, lengths_B)])


@variant
def gathered(hidden_BTD, lengths_B, weight_D):
    scores_BT = hidden_BTD @ weight_D
    return scores_BT.gather(1, lengths_B[:, None] - 1).squeeze(1)


@variant
def by_mask(hidden_BTD, lengths_B, weight_D):
    last_BT = torch.arange(hidden_BTD.shape[1]) == lengths_B[:, None] - 1
    return torch.einsum("btd,bt,d->b", hidden_BTD, last_BT.to(hidden_BTD.dtype), weight_D)
