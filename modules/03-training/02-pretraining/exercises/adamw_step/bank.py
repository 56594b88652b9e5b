"""Wrong and right ways to write adamw_step. Every mistake is the right update with one thing changed."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def averages(grad, exp_avg, exp_avg_sq, beta1, beta2):
    exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)


def move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps):
    m, v = exp_avg / (1 - beta1**step), exp_avg_sq / (1 - beta2**step)
    param.sub_(lr * m / (v.sqrt() + eps))


@mistake(
    Text(
        "eps 放在了根号里面。应当先开方，再加 eps：sqrt(v) + eps。",
        "eps stands inside the root. Take the root first, then add eps: sqrt(v) + eps.",
    )
)
def eps_inside_the_root(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    m, v = exp_avg / (1 - beta1**step), exp_avg_sq / (1 - beta2**step)
    param.sub_(lr * m / (v + eps).sqrt())


@mistake(
    Text(
        "eps 加得太早：你先给 sqrt(exp_avg_sq) 加了 eps，再做偏差修正。eps 在修正之后加。",
        "eps is added too early: to sqrt(exp_avg_sq), before the bias correction. Add it after the correction.",
    )
)
def eps_before_the_correction(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    size = (exp_avg_sq.sqrt() + eps) / (1 - beta2**step) ** 0.5
    param.sub_(lr * exp_avg / (1 - beta1**step) / size)


@mistake(
    Text(
        "eps 写死成了 1e-8：请用参数 eps。",
        "eps is fixed at 1e-8: use the argument eps.",
    )
)
def eps_hard_coded(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, 1e-8)


@mistake(
    Text(
        "权重衰减加进了梯度里：那是带 L2 的 Adam。AdamW 的衰减不经过两个平均，直接乘在参数上。",
        "Weight decay is added to the gradient: that is Adam with L2. In AdamW the decay does not pass through the averages.",
    )
)
def decay_in_the_gradient(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    averages(grad + weight_decay * param, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)


@mistake(
    Text(
        "衰减没有乘学习率：应当是 1 - lr · weight_decay。",
        "The decay is not multiplied by the learning rate: it is 1 - lr · weight_decay.",
    )
)
def decay_without_the_rate(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)


@mistake(
    Text(
        "衰减做在了更新之后，作用到了新的参数上。先衰减，再走这一步。",
        "The decay comes after the update and acts on the new parameter. Decay first, then take the step.",
    )
)
def decay_afterwards(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)
    param.mul_(1 - lr * weight_decay)


@mistake(Text("没有权重衰减。", "There is no weight decay."))
def no_decay(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)


@mistake(
    Text(
        "没有偏差修正：两个平均从 0 开始，最初几步都太小。",
        "There is no bias correction: both averages begin at 0 and are too small in the first steps.",
    )
)
def no_correction(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    param.sub_(lr * exp_avg / (exp_avg_sq.sqrt() + eps))


@mistake(
    Text(
        "只修正了 exp_avg，exp_avg_sq 也要修正。",
        "Only exp_avg is corrected; exp_avg_sq needs it too.",
    )
)
def squares_not_corrected(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    param.sub_(lr * exp_avg / (1 - beta1**step) / (exp_avg_sq.sqrt() + eps))


@mistake(
    Text(
        "步数多数了一：`step` 已经从 1 数起，不用再加 1。",
        "The step is counted one too far: `step` begins at 1 already, do not add 1.",
    )
)
def step_plus_one(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step + 1, lr, beta1, beta2, eps)


@mistake(
    Text(
        "修正写成了 1 - beta · step。应当是 beta 的 step 次方：1 - beta**step。",
        "The correction reads 1 - beta · step. It is beta to the power of step: 1 - beta**step.",
    )
)
def product_for_power(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    param.sub_(lr * exp_avg / (1 - beta1 * step) / ((exp_avg_sq / (1 - beta2 * step)).abs().sqrt() + eps))


@mistake(
    Text(
        "修正后的值被存回了 exp_avg 和 exp_avg_sq：下一步会再修正一次。修正只用来算这一步。",
        "The corrected values are stored in exp_avg and exp_avg_sq: the next step would correct them again. Use them for this "
        "step only.",
    )
)
def correction_stored(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    exp_avg.div_(1 - beta1**step)
    exp_avg_sq.div_(1 - beta2**step)
    param.sub_(lr * exp_avg / (exp_avg_sq.sqrt() + eps))


@mistake(
    Text(
        "先走了一步，才更新两个平均：这一步没有用到新的梯度。",
        "The step is taken before the averages are updated: it does not know the new gradient.",
    )
)
def averages_afterwards(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)


@mistake(
    Text(
        "exp_avg_sq 平均的是梯度本身（或绝对值），应当是梯度的平方。",
        "exp_avg_sq averages the gradient (or its absolute value) instead of its square.",
    )
)
def square_forgotten(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    exp_avg.mul_(beta1).add_(grad, alpha=1 - beta1)
    exp_avg_sq.mul_(beta2).add_(grad.abs(), alpha=1 - beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)


@mistake(
    Text(
        "两个 beta 用反了：beta1 属于 exp_avg，beta2 属于 exp_avg_sq。",
        "The betas have changed places: beta1 is exp_avg's.",
    )
)
def betas_swapped(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta2, beta1)
    move(param, exp_avg, exp_avg_sq, step, lr, beta2, beta1, eps)


@mistake(
    Text(
        "方向反了：要减去 lr · m / …，你加上了它，损失会上升。",
        "The direction is wrong: subtract lr · m / …; you add it, and the loss goes up.",
    )
)
def uphill(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, -lr, beta1, beta2, eps)


@mistake(
    Text(
        "参数没有变：`param = param - …` 造了一个新张量，调用者手里的还是旧的。用 `sub_`、`-=` 或 `copy_` 原地改。",
        "The parameter has not changed: `param = param - …` makes a new tensor, the caller keeps the old one. Change it in place "
        "with "
        "`sub_`, `-=` or `copy_`.",
    )
)
def not_in_place(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param = param * (1 - lr * weight_decay)
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)


@mistake(
    Text(
        "两个平均没有原地更新：下一步会从旧的值开始，等于没有记忆。",
        "The averages are not updated in place: the next step begins from the old ones, as if there were no memory.",
    )
)
def averages_not_in_place(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    exp_avg, exp_avg_sq = exp_avg.clone(), exp_avg_sq.clone()
    averages(grad, exp_avg, exp_avg_sq, beta1, beta2)
    move(param, exp_avg, exp_avg_sq, step, lr, beta1, beta2, eps)


@mistake(
    Text(
        "什么都没变：`param = param * …`、`exp_avg = …` 都造了新张量，调用者手里还是原来的。用 `mul_`、`add_`、`copy_` 原地改。",
        "Nothing has changed: `param = param * …` and `exp_avg = …` make new tensors, the caller keeps the old ones. "
        "Change them in place with `mul_`, `add_`, `copy_`.",
    )
)
def nothing_in_place(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    tensors = param.clone(), grad, exp_avg.clone(), exp_avg_sq.clone()
    as_the_engine(*tensors, step, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


@variant
def as_the_engine(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    param.mul_(1 - lr * weight_decay)
    exp_avg.lerp_(grad, 1 - beta1)
    exp_avg_sq.lerp_(grad.square(), 1 - beta2)
    param.addcdiv_(exp_avg, (exp_avg_sq / (1 - beta2**step)).sqrt_().add_(eps), value=-lr / (1 - beta1**step))


@variant
def computed_then_copied(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    m, v = beta1 * exp_avg + (1 - beta1) * grad, beta2 * exp_avg_sq + (1 - beta2) * grad**2
    update = m / (1 - beta1**step) / ((v / (1 - beta2**step)) ** 0.5 + eps) + weight_decay * param
    for old, new in ((param, param - lr * update), (exp_avg, m), (exp_avg_sq, v)):
        old.copy_(new)


@variant
def by_torch(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    parameter = torch.nn.Parameter(param.clone())
    parameter.grad = grad.clone()
    optimizer = torch.optim.AdamW([parameter], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
    optimizer.state[parameter] = {
        "step": torch.tensor(float(step - 1)),
        "exp_avg": exp_avg.clone(),
        "exp_avg_sq": exp_avg_sq.clone(),
    }
    optimizer.step()
    state = optimizer.state[parameter]
    for old, new in ((param, parameter.detach()), (exp_avg, state["exp_avg"]), (exp_avg_sq, state["exp_avg_sq"])):
        old.copy_(new)


@variant
def in_double(param, grad, exp_avg, exp_avg_sq, step, *, lr, beta1, beta2, eps, weight_decay):
    p, g, m, v = (tensor.double() for tensor in (param, grad, exp_avg, exp_avg_sq))
    m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g * g - v)
    corrected = (v / (1 - beta2**step)).sqrt() + eps
    param.copy_((1 - lr * weight_decay) * p - lr * m / (1 - beta1**step) / corrected)
    exp_avg.copy_(m)
    exp_avg_sq.copy_(v)
