"""Wrong and right ways to write the reverse KL."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def logs(student_NV, teacher_NV):
    return F.log_softmax(student_NV.float(), dim=-1), F.log_softmax(teacher_NV.float(), dim=-1)


def mean(each, learnt_N):
    return (each * learnt_N).sum() / learnt_N.sum().clamp(min=1)


@mistake(
    Text(
        "这是正向 KL：权重应当是学生自己的概率。",
        "This is the forward KL: the weights are the student's own probabilities.",
    )
)
def forward(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return mean((p.exp() * (p - q)).sum(-1), learnt_N)


@mistake(
    Text(
        "权重是老师的，差却是反的：两处都要换方向。",
        "The weights are the teacher's and only the difference is turned around: turn both.",
    )
)
def half_turned(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return mean((p.exp() * (q - p)).sum(-1), learnt_N)


@mistake(Text("符号反了：KL 从不小于 0。", "The sign is wrong: a KL is never below 0."))
def negative(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return mean((q.exp() * (p - q)).sum(-1), learnt_N)


@mistake(
    Text("没有用 learnt_N：不算的位置也算进去了。", "learnt_N is not used: positions that do not count are in it.")
)
def all_positions(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return (q.exp() * (q - p)).sum(-1).mean()


@mistake(Text("除以了 N，应当除以算数的位置数。", "Divided by N: divide by the number of positions that count."))
def divided_by_all(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return ((q.exp() * (q - p)).sum(-1) * learnt_N).sum() / len(learnt_N)


@mistake(
    Text(
        "没有位置算数时是 0/0，得到 nan。分母至少是 1。",
        "With no position it is 0/0, which is nan. Let the count be at least 1.",
    )
)
def nan_without_any(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return ((q.exp() * (q - p)).sum(-1) * learnt_N).sum() / learnt_N.sum()


@mistake(Text("返回的是和：要求平均。", "This is the sum: the mean is asked for."))
def summed(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return ((q.exp() * (q - p)).sum(-1) * learnt_N).sum()


@mistake(
    Text(
        "q 被当成了常数（detach）：数值对，梯度不对。学生的概率本身也随学生而变。",
        "q is taken for a constant (detach): right values, wrong gradients. The student's probabilities move with the student.",
    )
)
def weights_detached(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return mean((q.exp().detach() * (q - p)).sum(-1), learnt_N)


@mistake(
    Text(
        "先 softmax 再取 log：很大的 logits 会得到 nan。用 log_softmax。",
        "A log after a softmax: large logits give nan. Use log_softmax.",
    )
)
def log_of_softmax(student_NV, teacher_NV, learnt_N):
    q, p = student_NV.float().softmax(-1), teacher_NV.float().softmax(-1)
    return mean((q * (q.log() - p.log())).sum(-1), learnt_N)


@mistake(
    Text(
        "softmax 沿着位置做了：应当沿词表，最后一维。",
        "The softmax runs over the positions: it runs over the vocabulary.",
    )
)
def over_positions(student_NV, teacher_NV, learnt_N):
    q, p = (F.log_softmax(x.float(), dim=0) for x in (student_NV, teacher_NV))
    return mean((q.exp() * (q - p)).sum(-1), learnt_N)


@mistake(
    Text(
        "每个位置还除以了词表大小（mean(-1)）：KL 是对词元求和。",
        "Every position is divided by the vocabulary too (mean(-1)): a KL is a sum over tokens.",
    )
)
def mean_over_tokens(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    return mean((q.exp() * (q - p)).mean(-1), learnt_N)


@variant
def by_kl_div(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    each = F.kl_div(p, q, log_target=True, reduction="none").sum(-1)
    return mean(each, learnt_N)


@variant
def by_selection(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV[learnt_N], teacher_NV[learnt_N])
    return (q.exp() * (q - p)).sum() / max(1, int(learnt_N.sum()))


@variant
def by_where(student_NV, teacher_NV, learnt_N):
    q, p = logs(student_NV, teacher_NV)
    each = torch.where(learnt_N, torch.einsum("nv,nv->n", q.exp(), q - p), 0.0)
    return each.sum() / torch.clamp(learnt_N.sum(), min=1)
