"""Wrong and right ways to write REINFORCE."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def summed(logp_NT, mask_NT):
    return (logp_NT * mask_NT).sum(1)


def ahead(return_N, baseline_N):
    return (return_N - baseline_N).detach()


@mistake(Text("忘了负号：好的回答被压低了。", "The minus is missing: good answers are pushed down."))
def no_minus(logp_NT, mask_NT, return_N, baseline_N):
    return (ahead(return_N, baseline_N) * summed(logp_NT, mask_NT)).mean()


@mistake(Text("没有减去基线。", "The baseline is not subtracted."))
def no_baseline(logp_NT, mask_NT, return_N, baseline_N):
    return -(return_N.detach() * summed(logp_NT, mask_NT)).mean()


@mistake(
    Text(
        "填充和问题的词元也算进去了：要乘 mask。",
        "Prompt and padding are counted too: multiply by the mask.",
    )
)
def no_mask(logp_NT, mask_NT, return_N, baseline_N):
    return -(ahead(return_N, baseline_N) * logp_NT.sum(1)).mean()


@mistake(
    Text(
        "每个回答按词元取了平均：log p(回答) 是和，这样长的回答分量变轻。",
        "A mean over tokens: log p of an answer is a sum, and long answers would count less.",
    )
)
def mean_of_tokens(logp_NT, mask_NT, return_N, baseline_N):
    return -(ahead(return_N, baseline_N) * summed(logp_NT, mask_NT) / mask_NT.sum(1)).mean()


@mistake(
    Text(
        "在所有词元上平均：要在回答上平均。",
        "The mean is over all tokens: it is over answers.",
    )
)
def over_all_tokens(logp_NT, mask_NT, return_N, baseline_N):
    return -(ahead(return_N, baseline_N) * summed(logp_NT, mask_NT)).sum() / mask_NT.sum()


@mistake(Text("求了和，没有平均。", "A sum over answers, not a mean."))
def not_averaged(logp_NT, mask_NT, return_N, baseline_N):
    return -(ahead(return_N, baseline_N) * summed(logp_NT, mask_NT)).sum()


@mistake(
    Text(
        "梯度穿过了优势：基线也会被这个损失推着走。",
        "The gradient goes through the advantage: this loss would move the baseline too.",
    )
)
def not_detached(logp_NT, mask_NT, return_N, baseline_N):
    return -((return_N - baseline_N) * summed(logp_NT, mask_NT)).mean()


@mistake(
    Text(
        "detach 用在了 log p 上：什么也学不到。",
        "log p is detached: nothing is learnt.",
    )
)
def policy_detached(logp_NT, mask_NT, return_N, baseline_N):
    return -((return_N - baseline_N) * summed(logp_NT, mask_NT).detach()).mean()


@mistake(
    Text(
        "用了概率，不是对数概率：梯度里多乘了一个 p。",
        "Probabilities instead of their logarithms: the gradient has a factor p too many.",
    )
)
def probabilities(logp_NT, mask_NT, return_N, baseline_N):
    return -(ahead(return_N, baseline_N) * summed(logp_NT, mask_NT).exp()).mean()


@mistake(
    Text(
        "所有回答减了同一个数：每个回答有自己的基线。",
        "One number is taken off all answers: each has a baseline of its own.",
    )
)
def one_baseline(logp_NT, mask_NT, return_N, baseline_N):
    return -(ahead(return_N, baseline_N.mean()) * summed(logp_NT, mask_NT)).mean()


@mistake(Text("你改动了 logp_NT 本身。", "You changed logp_NT itself."))
def in_place(logp_NT, mask_NT, return_N, baseline_N):
    logp_NT.data.masked_fill_(~mask_NT, 0.0)
    return -(ahead(return_N, baseline_N) * logp_NT.sum(1)).mean()


@variant
def by_where(logp_NT, mask_NT, return_N, baseline_N):
    kept = torch.where(mask_NT, logp_NT, torch.zeros_like(logp_NT))
    return ((baseline_N - return_N).detach()[:, None] * kept).sum() / len(return_N)


@variant
def token_by_token(logp_NT, mask_NT, return_N, baseline_N):
    advantage = ahead(return_N, baseline_N)[:, None].expand_as(logp_NT)
    return -(advantage[mask_NT] * logp_NT[mask_NT]).sum() / logp_NT.shape[0]


@variant
def by_product(logp_NT, mask_NT, return_N, baseline_N):
    with torch.no_grad():
        advantage = return_N - baseline_N
    return -advantage @ (logp_NT * mask_NT.to(logp_NT.dtype)).sum(-1) / advantage.numel()
