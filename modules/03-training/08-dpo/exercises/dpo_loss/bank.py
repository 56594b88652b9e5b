"""Wrong and right ways to write the loss of DPO."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "β 写在了 sigmoid 外面：它要和对数概率之比相乘，在里面。",
        "β stands outside of the sigmoid: it multiplies the log-ratio, inside.",
    )
)
def beta_outside(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -beta * F.logsigmoid((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B))


@mistake(
    Text(
        "没有减去参考模型：那样第 0 步就不是 ln 2。",
        "The reference is not subtracted: step 0 would not be ln 2.",
    )
)
def no_reference(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * (chosen_B - rejected_B))


@mistake(
    Text(
        "选中的和没选中的反了：你在教模型写更差的那条。",
        "Chosen and rejected are exchanged: you teach the model to write the worse answer.",
    )
)
def swapped(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * ((rejected_B - ref_rejected_B) - (chosen_B - ref_chosen_B)))


@mistake(
    Text(
        "参考模型的符号反了：两边都应当是“模型减参考”。",
        "The reference has the wrong sign: on both sides it is the model minus the reference.",
    )
)
def reference_added(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * ((chosen_B + ref_chosen_B) - (rejected_B + ref_rejected_B)))


@mistake(Text("少了负号：损失变成了负的。", "The minus sign is missing: the loss is negative."))
def no_minus(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return F.logsigmoid(beta * ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)))


@mistake(
    Text(
        "两条各算了一个 sigmoid：DPO 只看两条的差。",
        "Each answer has a sigmoid of its own: DPO looks at the difference of the two only.",
    )
)
def each_for_itself(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * (chosen_B - ref_chosen_B)) - F.logsigmoid(beta * (ref_rejected_B - rejected_B))


@mistake(
    Text(
        "先算 sigmoid 再取 log：差得很远时是 log 0。",
        "Sigmoid first and then log: far apart this is log 0.",
    )
)
def log_of_sigmoid(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    x = beta * ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B))
    return -(1 / (1 + (-x).exp())).log()


@mistake(Text("你取了平均：要每一对各自的损失。", "You take the mean: every pair has a loss of its own."))
def averaged(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B))).mean()


@mistake(
    Text(
        "没选中的那条被当成了常数（detach）：它的概率也要降下去。",
        "The rejected answer is taken for a constant (detach): its probability has to fall.",
    )
)
def rejected_detached(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * ((chosen_B - ref_chosen_B) - (rejected_B.detach() - ref_rejected_B)))


@mistake(Text("你除以了 β：应当乘。", "You divide by β: it is to be multiplied."))
def divided_by_beta(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)) / beta)


@mistake(
    Text(
        "只有选中的那条减了参考。",
        "Only the chosen answer has its reference subtracted.",
    )
)
def half_a_reference(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * ((chosen_B - ref_chosen_B) - rejected_B))


@mistake(
    Text(
        "这是 IPO 的平方损失，不是 DPO 的。",
        "This is the square of IPO, not the loss of DPO.",
    )
)
def squared(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B) - 1 / (2 * beta)) ** 2


@variant
def by_two_ratios(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return -F.logsigmoid(beta * (chosen_B - rejected_B) - beta * (ref_chosen_B - ref_rejected_B))


@variant
def by_softplus(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    return F.softplus(-beta * ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)))


@variant
def by_bce(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    x = beta * ((chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B))
    return F.binary_cross_entropy_with_logits(x, torch.ones_like(x), reduction="none")


@variant
def by_rewards(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, beta):
    rewards = beta * torch.stack((chosen_B - ref_chosen_B, rejected_B - ref_rejected_B), 1)
    return F.cross_entropy(rewards, torch.zeros(len(rewards), dtype=torch.long), reduction="none")
