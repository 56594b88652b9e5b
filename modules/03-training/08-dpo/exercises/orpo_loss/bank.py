"""Wrong and right ways to write the loss of ORPO."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def odds(logp):
    return logp - torch.log(-torch.expm1(logp))


@mistake(
    Text(
        "这是概率之比，不是几率之比：少了 1 − p。",
        "This is the ratio of probabilities and not of odds: 1 − p is missing.",
    )
)
def probabilities(chosen_B, rejected_B, nll_B, lam):
    return nll_B - lam * F.logsigmoid(chosen_B - rejected_B)


@mistake(
    Text(
        "log(1 − p) 加上去了：几率是 p 除以 1 − p，取对数是减。",
        "log(1 − p) is added: odds are p over 1 − p, so its logarithm is subtracted.",
    )
)
def added(chosen_B, rejected_B, nll_B, lam):
    log_odds = (chosen_B + torch.log(-torch.expm1(chosen_B))) - (rejected_B + torch.log(-torch.expm1(rejected_B)))
    return nll_B - lam * F.logsigmoid(log_odds)


@mistake(
    Text(
        "1 − log p 不是 1 − p：先取 exp。",
        "1 − log p is not 1 − p: take exp first.",
    )
)
def one_minus_log(chosen_B, rejected_B, nll_B, lam):
    log_odds = (chosen_B - torch.log(1 - chosen_B)) - (rejected_B - torch.log(1 - rejected_B))
    return nll_B - lam * F.logsigmoid(log_odds)


@mistake(
    Text(
        "p 接近 1 时，1 − exp(log p) 丢掉了有效数字：用 expm1。",
        "Near p = 1 the digits of 1 − exp(log p) are lost: use expm1.",
    )
)
def digits_lost(chosen_B, rejected_B, nll_B, lam):
    log_odds = (chosen_B - torch.log(1 - chosen_B.exp())) - (rejected_B - torch.log(1 - rejected_B.exp()))
    return nll_B - lam * F.logsigmoid(log_odds)


@mistake(
    Text(
        "先算 sigmoid 再取 log：差得远时是 log 0。",
        "A sigmoid and then a log: log 0 where they are far apart.",
    )
)
def in_two_steps(chosen_B, rejected_B, nll_B, lam):
    return nll_B - lam * torch.sigmoid(odds(chosen_B) - odds(rejected_B)).log()


@mistake(Text("λ 乘到了 σ 里面。", "λ is multiplied inside of σ."))
def lambda_inside(chosen_B, rejected_B, nll_B, lam):
    return nll_B - F.logsigmoid(lam * (odds(chosen_B) - odds(rejected_B)))


@mistake(
    Text(
        "第二项的符号反了：它会把选中的往下推。",
        "The sign of the second term is turned: it pushes the chosen answer down.",
    )
)
def sign_turned(chosen_B, rejected_B, nll_B, lam):
    return nll_B + lam * F.logsigmoid(odds(chosen_B) - odds(rejected_B))


@mistake(Text("选中的和没选中的反了。", "Chosen and rejected are exchanged."))
def swapped(chosen_B, rejected_B, nll_B, lam):
    return nll_B - lam * F.logsigmoid(odds(rejected_B) - odds(chosen_B))


@mistake(Text("忘了微调的那一项 nll。", "The term of fine-tuning, nll, is missing."))
def no_fine_tuning(chosen_B, rejected_B, nll_B, lam):
    return -lam * F.logsigmoid(odds(chosen_B) - odds(rejected_B))


@mistake(Text("λ 也乘了微调的那一项。", "The term of fine-tuning is multiplied with λ too."))
def lambda_on_both(chosen_B, rejected_B, nll_B, lam):
    return lam * (nll_B - F.logsigmoid(odds(chosen_B) - odds(rejected_B)))


@mistake(Text("你取了平均：要每一对各自的损失。", "You take the mean: every pair has a loss of its own."))
def averaged(chosen_B, rejected_B, nll_B, lam):
    return (nll_B - lam * F.logsigmoid(odds(chosen_B) - odds(rejected_B))).mean()


@variant
def in_float64(chosen_B, rejected_B, nll_B, lam):
    chosen, rejected = chosen_B.double(), rejected_B.double()
    log_odds = (chosen - rejected) - ((1 - chosen.exp()).log() - (1 - rejected.exp()).log())
    return (nll_B - lam * F.logsigmoid(log_odds)).to(chosen_B.dtype)


@variant
def by_softplus(chosen_B, rejected_B, nll_B, lam):
    return nll_B + lam * F.softplus(odds(rejected_B) - odds(chosen_B))


@variant
def by_two_forms(chosen_B, rejected_B, nll_B, lam):
    def rest(logp):
        near = logp > -0.6931
        safe = torch.where(near, logp, torch.full_like(logp, -1.0))
        deep = torch.where(near, torch.full_like(logp, -1.0), logp)
        return torch.where(near, torch.log(-torch.expm1(safe)), torch.log1p(-torch.exp(deep)))

    log_odds = chosen_B - rest(chosen_B) - rejected_B + rest(rejected_B)
    return nll_B - lam * F.logsigmoid(log_odds)
