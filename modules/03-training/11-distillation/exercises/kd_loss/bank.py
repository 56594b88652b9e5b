"""Wrong and right ways to write the loss of distillation."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def logs(student_NV, teacher_NV, temperature):
    """(ln q, ln p)."""
    return tuple(F.log_softmax(x.float() / temperature, dim=-1) for x in (student_NV, teacher_NV.detach()))


@mistake(
    Text(
        "忘了乘 T²：温度高的时候，蒸馏这一项几乎没有分量。",
        "The T² is missing: at a high temperature this term weighs next to nothing.",
    )
)
def no_square(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return (p.exp() * (p - q)).sum()


@mistake(
    Text(
        "只乘了 T，不是 T²：梯度缩小到 1/T²，要乘回 T²。",
        "Times T and not T²: gradients are 1/T² as large, so T² brings them back.",
    )
)
def times_t(student_NV, teacher_NV, temperature):
    return no_square(student_NV, teacher_NV, temperature) * temperature


@mistake(Text("除以了 T²，应当乘。", "Divided by T² instead of multiplied."))
def divided(student_NV, teacher_NV, temperature):
    return no_square(student_NV, teacher_NV, temperature) / temperature**2


@mistake(
    Text(
        "方向反了：这是 KL(学生 ‖ 老师)。权重应当是老师的概率。",
        "The wrong way round: this is KL(student ‖ teacher). The weights are the teacher's probabilities.",
    )
)
def reversed_kl(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return temperature**2 * (q.exp() * (q - p)).sum()


@mistake(
    Text(
        "这是交叉熵，不是 KL：少减了老师自己的熵。学生等于老师时应当是 0。",
        "This is the cross-entropy and not the KL: take the teacher's own entropy off. It is 0 when the student is the teacher.",
    )
)
def cross_entropy_only(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return -(temperature**2) * (p.exp() * q).sum()


@mistake(Text("符号反了：KL 从不小于 0。", "The sign is wrong: a KL is never below 0."))
def negative(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return temperature**2 * (p.exp() * (q - p)).sum()


@mistake(Text("你对位置取了平均：要求的是和。", "You took the mean over the positions: the sum is asked for."))
def mean_of_positions(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return temperature**2 * (p.exp() * (p - q)).sum(-1).mean()


@mistake(
    Text(
        '对每个元素取了平均（kl_div 的 reduction="mean"）：那还除以了词表大小。',
        'The mean over every element (kl_div with reduction="mean"): that divides by the vocabulary too.',
    )
)
def mean_of_elements(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return temperature**2 * F.kl_div(q, p, log_target=True, reduction="sum") / q.numel()


@mistake(
    Text(
        "只有学生除以了温度：两边都要除，否则老师的分布没有变平。",
        "Only the student was divided by the temperature: both are, or the teacher's distribution is not softened.",
    )
)
def teacher_not_softened(student_NV, teacher_NV, temperature):
    q, _ = logs(student_NV, teacher_NV, temperature)
    p = F.log_softmax(teacher_NV.detach().float(), dim=-1)
    return temperature**2 * (p.exp() * (p - q)).sum()


@mistake(Text("只有老师除以了温度：两边都要除。", "Only the teacher was divided by the temperature: both are."))
def student_not_softened(student_NV, teacher_NV, temperature):
    _, p = logs(student_NV, teacher_NV, temperature)
    q = F.log_softmax(student_NV.float(), dim=-1)
    return temperature**2 * (p.exp() * (p - q)).sum()


@mistake(Text("你乘了温度，应当除以温度。", "You multiplied the logits by the temperature: divide them."))
def multiplied_logits(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, 1 / temperature)
    return temperature**2 * (p.exp() * (p - q)).sum()


@mistake(
    Text(
        "softmax 沿着位置做了（dim=0）：应当沿词表，最后一维。",
        "The softmax runs over the positions (dim=0): it runs over the vocabulary, the last dimension.",
    )
)
def over_positions(student_NV, teacher_NV, temperature):
    q, p = (F.log_softmax(x.float() / temperature, dim=0) for x in (student_NV, teacher_NV.detach()))
    return temperature**2 * (p.exp() * (p - q)).sum()


@mistake(
    Text(
        "先 softmax 再取 log：很大的 logits 会得到 0 的对数，结果是 nan 或 inf。用 log_softmax。",
        "A log after a softmax: large logits give the log of 0, and the result is nan or inf. Use log_softmax.",
    )
)
def log_of_softmax(student_NV, teacher_NV, temperature):
    q, p = (F.softmax(x.float() / temperature, dim=-1) for x in (student_NV, teacher_NV.detach()))
    return temperature**2 * (p * (p.log() - q.log())).sum()


@mistake(
    Text(
        "在 bfloat16 里算的：要先转成 float32，结果也是 float32。",
        "Computed in bfloat16: turn both into float32 first; the result is float32 too.",
    )
)
def in_bfloat16(student_NV, teacher_NV, temperature):
    q, p = (F.log_softmax(x / temperature, dim=-1) for x in (student_NV, teacher_NV.detach()))
    return temperature**2 * (p.exp() * (p - q)).sum()


@variant
def by_kl_div(student_NV, teacher_NV, temperature):
    q, p = logs(student_NV, teacher_NV, temperature)
    return F.kl_div(q, p, log_target=True, reduction="sum") * temperature**2


@variant
def by_two_entropies(student_NV, teacher_NV, temperature):
    with torch.no_grad():
        t = teacher_NV.float() / temperature
        p = t.softmax(-1)
        own = (p * t.log_softmax(-1)).sum()
    return temperature * temperature * (own - (p * torch.log_softmax(student_NV.float() / temperature, -1)).sum())


@variant
def by_logsumexp(student_NV, teacher_NV, temperature):
    s, t = student_NV.float() / temperature, teacher_NV.detach().float() / temperature
    q, p = (x - torch.logsumexp(x, dim=1, keepdim=True) for x in (s, t))
    return temperature**2 * torch.einsum("nv,nv->", p.exp(), p - q)
