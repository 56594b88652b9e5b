"""Wrong and right ways to sum up the log-probability of an answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def picked(values_BSV, labels_BS):
    """The value of every label, 0 where there is none."""
    found_BS = values_BSV.gather(2, labels_BS.clamp(min=0)[..., None]).squeeze(2)
    return found_BS.masked_fill(labels_BS == -100, 0.0)


@mistake(
    Text(
        "没有错开一位：位置 t 的 logits 预测的是词元 t + 1。",
        "There is no shift: the logits of position t predict token t + 1.",
    )
)
def not_shifted(logits_BTV, labels_BT):
    return picked(F.log_softmax(logits_BTV, -1), labels_BT).sum(1)


@mistake(Text("错开的方向反了。", "The shift goes the wrong way."))
def shifted_backwards(logits_BTV, labels_BT):
    return picked(F.log_softmax(logits_BTV[:, 1:], -1), labels_BT[:, :-1]).sum(1)


@mistake(
    Text(
        "你取了平均：DPO 要的是整条回答的对数概率，是和。（按长度平均的是 SimPO。）",
        "You take the mean: DPO wants the log-probability of the whole answer, a sum. (SimPO takes the mean over its length.)",
    )
)
def mean_of_tokens(logits_BTV, labels_BT):
    labels_BS = labels_BT[:, 1:]
    count_B = (labels_BS != -100).sum(1).clamp(min=1)
    return picked(F.log_softmax(logits_BTV[:, :-1], -1), labels_BS).sum(1) / count_B


@mistake(
    Text(
        "标签是 -100 的位置也算了（当成了编号 0）：提示和填充不属于回答。",
        "Positions with the label -100 count too (as id 0): prompt and padding are no part of the answer.",
    )
)
def prompt_counted(logits_BTV, labels_BT):
    labels_BS = labels_BT[:, 1:].clamp(min=0)
    return F.log_softmax(logits_BTV[:, :-1], -1).gather(2, labels_BS[..., None]).squeeze(2).sum(1)


@mistake(
    Text(
        "没有做 log_softmax：logits 不是对数概率。",
        "There is no log_softmax: logits are no log-probabilities.",
    )
)
def raw_logits(logits_BTV, labels_BT):
    return picked(logits_BTV[:, :-1], labels_BT[:, 1:]).sum(1)


@mistake(
    Text(
        "你加的是概率，不是对数概率。",
        "You add up probabilities, not their logarithms.",
    )
)
def probabilities(logits_BTV, labels_BT):
    return picked(logits_BTV[:, :-1].softmax(-1), labels_BT[:, 1:]).sum(1)


@mistake(
    Text(
        "softmax 做在了位置那一维：要在词表那一维。",
        "The softmax goes over positions: it must go over the vocabulary.",
    )
)
def over_positions(logits_BTV, labels_BT):
    return picked(F.log_softmax(logits_BTV[:, :-1], 1), labels_BT[:, 1:]).sum(1)


@mistake(
    Text(
        "符号反了：这是交叉熵（-log p）。",
        "The sign is wrong: this is the cross-entropy, -log p.",
    )
)
def cross_entropy_instead(logits_BTV, labels_BT):
    return -picked(F.log_softmax(logits_BTV[:, :-1], -1), labels_BT[:, 1:]).sum(1)


@mistake(
    Text(
        "你用“大于 0”当作属于回答：编号 0 也是真正的词元，-100 才是不算。",
        "You take “above 0” for part of the answer: id 0 is a real token, and only -100 does not count.",
    )
)
def zero_left_out(logits_BTV, labels_BT):
    labels_BS = labels_BT[:, 1:]
    return picked(F.log_softmax(logits_BTV[:, :-1], -1), torch.where(labels_BS > 0, labels_BS, -100)).sum(1)


@mistake(
    Text(
        "整批加成了一个数：每条回答要有自己的一个。",
        "The whole batch has become one number: every answer has its own.",
    )
)
def one_number(logits_BTV, labels_BT):
    return picked(F.log_softmax(logits_BTV[:, :-1], -1), labels_BT[:, 1:]).sum()


@mistake(
    Text(
        "每条回答的第一个词元没有算：它由提示的最后一个位置预测。",
        "The first token of every answer is left out: the last position of the prompt predicts it.",
    )
)
def first_token_dropped(logits_BTV, labels_BT):
    both_BS = torch.where(labels_BT[:, :-1] != -100, labels_BT[:, 1:], -100)
    return picked(F.log_softmax(logits_BTV[:, :-1], -1), both_BS).sum(1)


@variant
def by_cross_entropy(logits_BTV, labels_BT):
    paid = F.cross_entropy(logits_BTV[:, :-1].transpose(1, 2), labels_BT[:, 1:], ignore_index=-100, reduction="none")
    return -paid.sum(1)


@variant
def by_logsumexp(logits_BTV, labels_BT):
    logits_BSV, labels_BS = logits_BTV[:, :-1], labels_BT[:, 1:]
    own_BS = logits_BSV.gather(2, labels_BS.clamp(min=0)[..., None]).squeeze(2)
    return ((own_BS - logits_BSV.logsumexp(2)) * (labels_BS != -100)).sum(1)


@variant
def by_one_hot(logits_BTV, labels_BT):
    labels_BS = labels_BT[:, 1:]
    wanted_BSV = F.one_hot(labels_BS.clamp(min=0), logits_BTV.shape[-1]) * (labels_BS != -100)[..., None]
    return (F.log_softmax(logits_BTV[:, :-1], -1) * wanted_BSV).sum((1, 2))


@variant
def row_by_row(logits_BTV, labels_BT):
    rows = []
    for logits, labels in zip(logits_BTV[:, :-1], labels_BT[:, 1:]):
        here = labels != -100
        rows.append(F.log_softmax(logits[here], -1)[torch.arange(int(here.sum())), labels[here]].sum())
    return torch.stack(rows)
