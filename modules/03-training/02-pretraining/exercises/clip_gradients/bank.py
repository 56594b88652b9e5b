"""Wrong and right ways to write clip_gradients."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def total_norm(grads):
    return torch.stack([grad.square().sum() for grad in grads]).sum().sqrt()


def factor_of(norm, max_norm):
    return (max_norm / (norm + 1e-6)).clamp(max=1.0)


def scale(grads, factor):
    for grad in grads:
        grad.mul_(factor)


@mistake(
    Text(
        "每个张量各自裁剪了：各自的系数不同，整体的方向就变了。先求总范数，所有张量用同一个系数。",
        "Every tensor is clipped by itself: with different factors the whole points elsewhere. Take the total norm and one "
        "factor for all.",
    )
)
def each_by_itself(grads, max_norm):
    norm = total_norm(grads)
    for grad in grads:
        grad.mul_(factor_of(total_norm([grad]), max_norm))
    return norm


@mistake(
    Text(
        "范数小于 max_norm 时你也缩放了：梯度被拉长到了 max_norm。系数最大取 1。",
        "You rescale below max_norm too: gradients are stretched to max_norm. The factor is at most 1.",
    )
)
def always_rescaled(grads, max_norm):
    norm = total_norm(grads)
    scale(grads, max_norm / (norm + 1e-6))
    return norm


@mistake(
    Text(
        "你把每个数截断到了 ±max_norm（按值裁剪）。这里按范数裁剪，方向不变。",
        "You cut every number off at ±max_norm (clipping by value). Clip by the norm: the direction stays.",
    )
)
def by_value(grads, max_norm):
    norm = total_norm(grads)
    for grad in grads:
        grad.clamp_(-max_norm, max_norm)
    return norm


@mistake(
    Text(
        "你把各张量的范数直接相加了。要把平方加起来再开方：3 和 4 合起来是 5，不是 7。",
        "You add the tensors' norms. Add their squares and take the root: 3 and 4 make 5, not 7.",
    )
)
def norms_added(grads, max_norm):
    norm = torch.stack([grad.norm() for grad in grads]).sum()
    scale(grads, factor_of(norm, max_norm))
    return norm


@mistake(
    Text(
        "你取了各张量范数里最大的一个。总范数是所有平方之和的根。",
        "You take the largest of the tensors' norms. The total norm is the root of the sum of all squares.",
    )
)
def largest_norm(grads, max_norm):
    norm = torch.stack([grad.norm() for grad in grads]).max()
    scale(grads, factor_of(norm, max_norm))
    return norm


@mistake(Text("忘了开方：你用的是平方和。", "The root is missing: you use the sum of squares."))
def no_root(grads, max_norm):
    norm = total_norm(grads) ** 2
    scale(grads, factor_of(norm, max_norm))
    return norm


@mistake(
    Text(
        "你用的是绝对值之和（L1）。这里用 L2：平方和的根。",
        "You use the sum of absolute values (L1). Use L2, the root of the sum of squares.",
    )
)
def l1_norm(grads, max_norm):
    norm = torch.stack([grad.abs().sum() for grad in grads]).sum()
    scale(grads, factor_of(norm, max_norm))
    return norm


@mistake(
    Text(
        "你求的是均方根：多除了元素个数。范数不求平均。",
        "You take the root mean square: a norm does not divide by the number of elements.",
    )
)
def root_mean_square(grads, max_norm):
    norm = total_norm(grads) / sum(grad.numel() for grad in grads) ** 0.5
    scale(grads, factor_of(norm, max_norm))
    return norm


@mistake(
    Text(
        "你返回的是裁剪之后的范数。训练日志要看裁剪之前的，才看得出梯度是不是爆了。",
        "You return the norm after clipping. The log wants the one from before, which shows whether gradients exploded.",
    )
)
def norm_afterwards(grads, max_norm):
    scale(grads, factor_of(total_norm(grads), max_norm))
    return total_norm(grads)


@mistake(
    Text(
        "返回的是系数，不是范数。",
        "You return the factor, not the norm.",
    )
)
def factor_returned(grads, max_norm):
    factor = factor_of(total_norm(grads), max_norm)
    scale(grads, factor)
    return factor


@mistake(
    Text(
        "梯度没有变：`grad = grad * 系数` 造了新张量。用 `mul_` 或 `*=` 原地改。",
        "The gradients have not changed: `grad = grad * factor` makes new tensors. Change them in place with `mul_` or `*=`.",
    )
)
def not_in_place(grads, max_norm):
    norm = total_norm(grads)
    for grad in grads:
        grad = grad * factor_of(norm, max_norm)
    return norm


@mistake(
    Text(
        "只缩放了第一个张量（`return` 写在循环里面了？）。每个张量都要乘。",
        "Only the first tensor is scaled (a `return` inside the loop?). All of them get the factor.",
    )
)
def first_tensor_only(grads, max_norm):
    norm = total_norm(grads)
    scale(grads[:1], factor_of(norm, max_norm))
    return norm


@mistake(
    Text(
        "没有加 1e-6：系数是 max_norm / (norm + 1e-6)。没有它，范数是 0 时就会除以 0。",
        "The 1e-6 is missing: the factor is max_norm / (norm + 1e-6). Without it, a norm of 0 divides by 0.",
    )
)
def no_small_number(grads, max_norm):
    norm = total_norm(grads)
    scale(grads, (max_norm / norm).clamp(max=1.0))
    return norm


@mistake(Text("max_norm 没有用到，写死成了 1。", "max_norm is not used, it is fixed at 1."))
def limit_hard_coded(grads, max_norm):
    norm = total_norm(grads)
    scale(grads, factor_of(norm, 1.0))
    return norm


@mistake(
    Text(
        "你返回的是 Python 的数（.item()）。请返回 0 维张量，这样不必等设备算完。",
        "You return a Python number (.item()). Return a 0-dimensional tensor, which does not wait for the device.",
    )
)
def python_number(grads, max_norm):
    norm = total_norm(grads)
    scale(grads, factor_of(norm, max_norm))
    return norm.item()


@mistake(
    Text(
        "你把列表里的项换成了新张量（`grads[i] = grads[i] * 系数`）：参数手里的梯度还是原来那些，一点没有裁剪。改张量里的"
        "数：`mul_`。",
        "You put new tensors into the list (`grads[i] = grads[i] * factor`): the parameters keep the old gradients, and "
        "nothing is clipped. Change the numbers inside the tensors: `mul_`.",
    )
)
def list_entries_replaced(grads, max_norm):
    norm = total_norm(grads)
    for i in range(len(grads)):
        grads[i] = grads[i] * factor_of(norm, max_norm)
    return norm


@variant
def by_torch(grads, max_norm):
    norm = torch.nn.utils.get_total_norm(grads)
    factor = torch.clamp(max_norm / (norm + 1e-6), max=1.0)
    torch._foreach_mul_(grads, factor)
    return norm


@variant
def in_one_row(grads, max_norm):
    row = torch.cat([grad.reshape(-1) for grad in grads])
    norm = row.norm()
    if norm + 1e-6 > max_norm:
        for grad in grads:
            grad *= max_norm / (norm + 1e-6)
    return norm


@variant
def in_double(grads, max_norm):
    norm = sum(float(grad.double().pow(2).sum()) for grad in grads) ** 0.5
    factor = min(1.0, max_norm / (norm + 1e-6))
    for i in range(len(grads)):
        grads[i].copy_(grads[i] * factor)
    return torch.tensor(norm)


@variant
def norms_of_norms(grads, max_norm):
    norms = torch.stack([torch.linalg.vector_norm(grad) for grad in grads])
    norm = torch.linalg.vector_norm(norms)
    factor = torch.minimum(torch.ones(()), max_norm / (norm + 1e-6))
    for grad in grads:
        torch.mul(grad, factor, out=grad)
    return norm
