"""Wrong and right ways to make the targets of fine-tuning."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def shifted(ids, keep, ignored=-100):
    """Next tokens where `keep` [T - 1] says so."""
    return torch.cat((torch.where(keep, ids[1:], ignored), torch.full_like(ids[:1], ignored)))


@mistake(
    Text(
        "你看的是当前词元属不属于回答。要看下一个：回答的第一个词元由问题的最后一个位置来预测。",
        "You ask whether the current token belongs to an answer. Ask about the next one: the first token of an answer is "
        "predicted at "
        "the last position of the question.",
    )
)
def mask_of_the_current_token(ids_T, answer_T):
    return shifted(ids_T, answer_T[:-1])


@mistake(
    Text(
        "没有错开一位：目标是下一个词元，不是当前的。模型只要照抄输入就行了。",
        "There is no shift: the target is the next token, not the current one. Copying the input would be enough.",
    )
)
def not_shifted(ids_T, answer_T):
    return torch.where(answer_T, ids_T, -100)


@mistake(
    Text(
        "错开的方向反了：你让每个位置预测上一个词元。",
        "The shift goes the wrong way: every position predicts the token before it.",
    )
)
def shifted_backwards(ids_T, answer_T):
    return torch.cat((torch.full_like(ids_T[:1], -100), torch.where(answer_T[:-1], ids_T[:-1], -100)))


@mistake(
    Text(
        "最后一个位置绕回了开头（roll）：它没有下一个词元，应当是 -100。",
        "The last position wraps around to the beginning (roll): it has no next token and must be -100.",
    )
)
def wrapped_around(ids_T, answer_T):
    return torch.where(answer_T.roll(-1), ids_T.roll(-1), -100)


@mistake(
    Text(
        "标记没有用到：问题也被当成了目标。",
        "The marks are not used: questions have become targets too.",
    )
)
def everything_learnt(ids_T, answer_T):
    return shifted(ids_T, torch.ones_like(answer_T[1:]))


@mistake(
    Text(
        "标记用反了：你学的是问题，忽略了回答。",
        "The marks are upside down: you learn the questions and ignore the answers.",
    )
)
def mask_inverted(ids_T, answer_T):
    return shifted(ids_T, ~answer_T[1:])


@mistake(
    Text(
        "当前和下一个都属于回答时你才算：每段回答的第一个词元就没人学了。",
        "You count a target only when the current and the next token both belong to an answer: nobody learns how answers begin.",
    )
)
def both_must_be_answers(ids_T, answer_T):
    return shifted(ids_T, answer_T[:-1] & answer_T[1:])


@mistake(
    Text(
        "只学了最后一段回答。每一段回答都要学。",
        "Only the last answer is learnt. Every answer counts.",
    )
)
def last_answer_only(ids_T, answer_T):
    begins = answer_T & ~F.pad(answer_T[:-1], (1, 0))
    return shifted(ids_T, (answer_T & (begins.cumsum(0) == begins.sum()))[1:])


@mistake(
    Text(
        "第一个回答开始以后，后面的一切都算了，连后面的问题也学了。",
        "Everything after the beginning of the first answer counts, later questions included.",
    )
)
def everything_after_the_first(ids_T, answer_T):
    return shifted(ids_T, (answer_T.cumsum(0) > 0)[1:])


@mistake(
    Text(
        "每段回答的最后一个词元没有学：模型就不知道什么时候该停下。",
        "The last token of every answer is left out: the model never learns when to stop.",
    )
)
def end_of_answer_dropped(ids_T, answer_T):
    last = answer_T & ~F.pad(answer_T[1:], (0, 1))
    return shifted(ids_T, (answer_T & ~last)[1:])


@mistake(
    Text(
        "不算的位置填了 0：0 是一个真正的词元。应当填 -100。",
        "Positions that do not count hold 0, which is a real token. They hold -100.",
    )
)
def zero_for_ignored(ids_T, answer_T):
    return shifted(ids_T, answer_T[1:], ignored=0)


@mistake(
    Text(
        "结果短了一个：形状应当是 [T]，最后一个位置是 -100。",
        "The result is one short: its shape is [T], with -100 in the last position.",
    )
)
def one_short(ids_T, answer_T):
    return torch.where(answer_T[1:], ids_T[1:], -100)


@mistake(
    Text(
        "你把 -100 直接写进了 ids_T：模型的输入被改掉了。先复制一份（clone）。",
        "You write the -100 into ids_T itself: that is the model's input. Make a copy first (clone).",
    )
)
def ids_overwritten(ids_T, answer_T):
    ids_T[~answer_T] = -100
    return torch.cat((ids_T[1:], torch.full_like(ids_T[:1], -100)))


@variant
def position_by_position(ids_T, answer_T):
    targets = ids_T.clone().fill_(-100)
    for t in range(len(ids_T) - 1):
        if answer_T[t + 1]:
            targets[t] = ids_T[t + 1]
    return targets


@variant
def masked_first(ids_T, answer_T):
    """Hide what is no answer, then shift."""
    return F.pad(ids_T.masked_fill(~answer_T, -100)[1:], (0, 1), value=-100)


@variant
def rolled(ids_T, answer_T):
    targets = torch.where(answer_T, ids_T, -100).roll(-1)
    targets[-1] = -100
    return targets


@variant
def by_index(ids_T, answer_T):
    targets = torch.full(ids_T.shape, -100)
    here = answer_T.nonzero()[:, 0]
    here = here[here > 0]
    targets[here - 1] = ids_T[here]
    return targets
