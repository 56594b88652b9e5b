"""Wrong and right ways to write the loss of SimPO."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(Text("没有除以词元数：长的回答吃亏。", "Nothing is divided by the tokens: long answers are at a loss."))
def sums(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B - rejected_B) - gamma)


@mistake(
    Text(
        "两条都除以了选中的词元数：各除以自己的。",
        "Both are divided by the tokens of the chosen one: each has its own.",
    )
)
def one_length(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B - rejected_B) / chosen_lengths_B - gamma)


@mistake(Text("两个词元数用反了。", "The two lengths are exchanged."))
def lengths_exchanged(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B / rejected_lengths_B - rejected_B / chosen_lengths_B) - gamma)


@mistake(Text("乘了词元数：要除。", "The lengths are multiplied with; divide by them."))
def multiplied(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B * chosen_lengths_B - rejected_B * rejected_lengths_B) - gamma)


@mistake(
    Text(
        "γ 加上去了：它是要求选中的领先多少，应当减。",
        "γ is added: it is by how much the chosen one must be ahead, so subtract it.",
    )
)
def gamma_added(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B) + gamma)


@mistake(Text("γ 也乘了 β：它在 β 外面。", "γ is multiplied with β too: it stands outside."))
def gamma_inside(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B - gamma))


@mistake(Text("忘了 γ。", "γ is missing."))
def no_gamma(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B))


@mistake(Text("β 写在了 log σ 外面。", "β stands outside of log σ."))
def beta_outside(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -beta * F.logsigmoid(chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B - gamma)


@mistake(
    Text(
        "先算 sigmoid 再取 log：差得远时是 log 0。",
        "A sigmoid and then a log: log 0 where they are far apart.",
    )
)
def in_two_steps(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    margin = chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B
    return -torch.sigmoid(beta * margin - gamma).log()


@mistake(Text("选中的和没选中的反了。", "Chosen and rejected are exchanged."))
def swapped(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (rejected_B / rejected_lengths_B - chosen_B / chosen_lengths_B) - gamma)


@mistake(Text("你取了平均：要每一对各自的损失。", "You take the mean: every pair has a loss of its own."))
def averaged(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return -F.logsigmoid(beta * (chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B) - gamma).mean()


@mistake(
    Text(
        "在原处除了（/=）：你改动了 chosen_B 和 rejected_B 本身。",
        "Divided in place (/=): you changed chosen_B and rejected_B themselves.",
    )
)
def in_place(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    with torch.no_grad():
        chosen_B /= chosen_lengths_B
        rejected_B /= rejected_lengths_B
    return -F.logsigmoid(beta * (chosen_B - rejected_B) - gamma)


@variant
def by_softplus(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    return F.softplus(gamma - beta * (chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B))


@variant
def beta_first(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    chosen, rejected = beta / chosen_lengths_B * chosen_B, beta / rejected_lengths_B * rejected_B
    return -F.logsigmoid(chosen - rejected - gamma)


@variant
def by_logaddexp(chosen_B, rejected_B, chosen_lengths_B, rejected_lengths_B, beta, gamma):
    x = beta * (chosen_B / chosen_lengths_B - rejected_B / rejected_lengths_B) - gamma
    return torch.logaddexp(torch.zeros_like(x), -x)
