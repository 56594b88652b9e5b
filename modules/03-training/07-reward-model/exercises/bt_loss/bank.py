"""Wrong and right ways to write the loss of a reward model."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


@mistake(
    Text(
        "先算 sigmoid 再取 log：差到 -200 时 sigmoid 成了 0，log 0 是负无穷。",
        "Sigmoid first and then log: at a difference of -200 the sigmoid is 0, and log 0 is minus infinity.",
    )
)
def log_of_sigmoid(chosen_B, rejected_B):
    return -(1 / (1 + (rejected_B - chosen_B).exp())).log().mean()


@mistake(Text("你求了和，题目要平均。", "You take the sum; the task asks for the mean."))
def summed(chosen_B, rejected_B):
    return -F.logsigmoid(chosen_B - rejected_B).sum()


@mistake(Text("方向反了：你让没被选中的那条胜出。", "The wrong way round: you let the rejected answer win."))
def swapped(chosen_B, rejected_B):
    return -F.logsigmoid(rejected_B - chosen_B).mean()


@mistake(
    Text(
        "少了负号：损失越小，选中的回答反而越差。",
        "The minus sign is missing: a smaller loss would mean that the chosen answer does worse.",
    )
)
def no_minus(chosen_B, rejected_B):
    return F.logsigmoid(chosen_B - rejected_B).mean()


@mistake(
    Text(
        "你分别要求选中的为正、没选中的为负。只有差才有意义：给两条都加 7 分，损失不应当变。",
        "You ask the chosen to be positive and the rejected negative, each for itself. Only the difference means something: "
        "7 points more for both must not change the loss.",
    )
)
def each_for_itself(chosen_B, rejected_B):
    return -(F.logsigmoid(chosen_B) + F.logsigmoid(-rejected_B)).mean()


@mistake(
    Text(
        "你先对分数取了平均，再算损失：一对一对地算，最后才平均。",
        "You average the scores and take the loss of that: take it pair by pair, and the mean comes last.",
    )
)
def mean_first(chosen_B, rejected_B):
    return -F.logsigmoid(chosen_B.mean() - rejected_B.mean())


@mistake(Text("没有取 log：这是输的概率，不是它的负对数。", "There is no log: this is the probability of losing."))
def no_log(chosen_B, rejected_B):
    return torch.sigmoid(rejected_B - chosen_B).mean()


@mistake(
    Text(
        "这是铰链损失（hinge）：分差过了 1 就不再学。",
        "This is a hinge: past a difference of 1 it learns nothing more.",
    )
)
def hinge(chosen_B, rejected_B):
    return F.relu(1 - (chosen_B - rejected_B)).mean()


@mistake(
    Text(
        "没选中的分数被当成了常数（detach）：它也要学会变低。",
        "The rejected score is taken for a constant (detach): it has to learn to be lower.",
    )
)
def rejected_detached(chosen_B, rejected_B):
    return -F.logsigmoid(chosen_B - rejected_B.detach()).mean()


@mistake(
    Text(
        "你把每条选中的和所有没选中的都比了：不同问题的回答不能互相比。",
        "You compare every chosen answer with all rejected ones: answers to different questions are not to be compared.",
    )
)
def all_against_all(chosen_B, rejected_B):
    return -F.logsigmoid(chosen_B[:, None] - rejected_B[None]).mean()


@mistake(Text("用了以 2 为底的对数：损失的单位是奈特。", "The logarithm has base 2: the loss is in nats."))
def base_two(chosen_B, rejected_B):
    return -F.logsigmoid(chosen_B - rejected_B).mean() / torch.log(torch.tensor(2.0))


@variant
def softplus(chosen_B, rejected_B):
    return F.softplus(rejected_B - chosen_B).mean()


@variant
def by_cross_entropy(chosen_B, rejected_B):
    """Two classes with the scores as logits, and the first is right."""
    logits = torch.stack((chosen_B, rejected_B), 1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))


@variant
def by_bce(chosen_B, rejected_B):
    d = chosen_B - rejected_B
    return F.binary_cross_entropy_with_logits(d, torch.ones_like(d))


@variant
def by_logsumexp(chosen_B, rejected_B):
    both = torch.stack((chosen_B, rejected_B))
    return (both.logsumexp(0) - chosen_B).mean()
