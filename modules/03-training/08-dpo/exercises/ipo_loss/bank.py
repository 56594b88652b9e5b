"""Wrong and right ways to write the loss of IPO."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B):
    return (chosen_B - ref_chosen_B) - (rejected_B - ref_rejected_B)


@mistake(Text("目标是 1 / (2τ)，你写成了 1 / τ。", "The goal is 1 / (2τ); you wrote 1 / τ."))
def goal_twice_as_far(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return (margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / tau) ** 2


@mistake(
    Text(
        "1 / 2 * tau 在 Python 里是 τ / 2：分母要加括号。",
        "1 / 2 * tau is τ / 2 in Python: put brackets below.",
    )
)
def brackets_missing(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return (margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / 2 * tau) ** 2


@mistake(
    Text("没有平方：差越小损失越小，方向就反了。", "There is no square: a smaller margin would be a smaller loss.")
)
def not_squared(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / (2 * tau)


@mistake(Text("你取了绝对值，要的是平方。", "You take the absolute value; it is the square."))
def absolute(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return (margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / (2 * tau)).abs()


@mistake(
    Text(
        "差乘了 τ：那是 DPO 里 β 的位置。这里 τ 只在目标里。",
        "The margin is multiplied with τ, where DPO has its β: here τ stands in the goal only.",
    )
)
def tau_inside(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return (tau * margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / (2 * tau)) ** 2


@mistake(Text("没有减去参考模型。", "The reference is not subtracted."))
def no_reference(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return (chosen_B - rejected_B - 1 / (2 * tau)) ** 2


@mistake(
    Text(
        "选中的和没选中的反了：目标会把差的那条推高。",
        "Chosen and rejected are exchanged: the goal pushes the worse answer up.",
    )
)
def swapped(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return (-margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / (2 * tau)) ** 2


@mistake(
    Text(
        "超过目标后你就不管了（relu）：IPO 会把它拉回来。",
        "Beyond the goal you let it go (relu): IPO draws it back.",
    )
)
def one_sided(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return F.relu(1 / (2 * tau) - margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B)) ** 2


@mistake(Text("你取了平均：要每一对各自的损失。", "You take the mean: every pair has a loss of its own."))
def averaged(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return ((margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / (2 * tau)) ** 2).mean()


@mistake(
    Text(
        "前面多了一个 1/2：题目的公式里没有。",
        "There is a 1/2 in front that the formula does not have.",
    )
)
def halved(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return 0.5 * (margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B) - 1 / (2 * tau)) ** 2


@variant
def by_two_ratios(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    return torch.square((chosen_B - rejected_B) - (ref_chosen_B - ref_rejected_B) - 0.5 / tau)


@variant
def by_mse(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    h = margin(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B)
    return F.mse_loss(h, torch.full_like(h, 1 / (2 * tau)), reduction="none")


@variant
def by_product(chosen_B, rejected_B, ref_chosen_B, ref_rejected_B, tau):
    left = 1 / (2 * tau) + (rejected_B - ref_rejected_B) - (chosen_B - ref_chosen_B)
    return left * left
