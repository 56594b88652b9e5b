"""Wrong and right routers, to grade the grader with."""

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def right(logits, k, normalise):
    weights, experts = logits.float().softmax(-1).topk(k, dim=-1)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "权重总是加起来等于 1：你只在选中的 k 个里做 softmax，或者没有看 `normalise`。`normalise=False` 时要保留对全部"
        "专家的概率。",
        "Your weights always add up to 1: you take softmax over the k chosen ones, or do not look at `normalise`. With "
        "`normalise=False` keep the probabilities over all experts.",
    )
)
def softmax_over_the_chosen(logits, k, normalise):
    values, experts = logits.float().topk(k, dim=-1)
    return values.softmax(-1), experts


@mistake(
    Text(
        "`normalise=True` 时没有除以 k 个权重的和。",
        "With `normalise=True` you do not divide by the sum of the k weights.",
    )
)
def never_normalised(logits, k, normalise):
    return right(logits, k, False)


@mistake(
    Text(
        "`normalise` 用反了。",
        "`normalise` is used the wrong way round.",
    )
)
def normalise_inverted(logits, k, normalise):
    return right(logits, k, not normalise)


@mistake(
    Text(
        "归一化时除以了 k，应该除以这 k 个权重的和。",
        "To normalise you divide by k; divide by the sum of the k weights.",
    )
)
def divided_by_k(logits, k, normalise):
    weights, experts = right(logits, k, False)
    return (weights / k if normalise else weights), experts


@mistake(
    Text(
        "你在半精度里算 softmax，权重只剩两三位有效数字。先 `logits.float()`。",
        "You take softmax in half precision, and the weights keep two or three digits only. Use `logits.float()` first.",
    )
)
def softmax_in_half(logits, k, normalise):
    weights, experts = logits.softmax(-1).topk(k, dim=-1)
    weights = weights.float()
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "你把权重转回了 `logits` 的 dtype。这里要返回 fp32。",
        "You cast the weights to the dtype of `logits`. Return fp32.",
    )
)
def weights_cast_back(logits, k, normalise):
    weights, experts = right(logits, k, normalise)
    return weights.to(logits.dtype), experts


@mistake(
    Text(
        "你用了 sigmoid 给每个专家单独打分。这里要对全部专家做 softmax。",
        "You score every expert by itself with a sigmoid. Take softmax over all experts.",
    )
)
def sigmoid(logits, k, normalise):
    weights, experts = torch.sigmoid(logits.float()).topk(k, dim=-1)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "你选的是概率最小的 k 个专家。",
        "You choose the k experts of the smallest probability.",
    )
)
def worst_experts(logits, k, normalise):
    weights, experts = logits.float().softmax(-1).topk(k, dim=-1, largest=False)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "专家从小到大排列了。约定是概率最大的在前。",
        "The experts stand smallest first. The largest probability comes first.",
    )
)
def smallest_first(logits, k, normalise):
    weights, experts = right(logits, k, normalise)
    return weights.flip(-1), experts.flip(-1)


@mistake(
    Text(
        "梯度断了：权重里用了 `.detach()`、`.data` 或 `no_grad`，路由器学不到东西。",
        "The gradient is cut by `.detach()`, `.data` or `no_grad` on the weights: the router learns nothing.",
    )
)
def gradient_cut(logits, k, normalise):
    return right(logits.detach(), k, normalise)


@mistake(
    Text(
        "k = 1 时你把权重写成了 1：这样梯度是 0，路由器学不到东西。权重是那个专家的概率。",
        "For k = 1 you set the weight to 1: its gradient is then 0 and the router learns nothing. The weight is the "
        "expert's probability.",
    )
)
def one_expert_weighs_one(logits, k, normalise):
    weights, experts = right(logits, k, normalise)
    return (torch.ones_like(weights) if k == 1 else weights), experts


@mistake(
    Text(
        "softmax 沿着词那一维算了。每个词的概率各自加起来等于 1，所以沿最后一维（专家）。",
        "Softmax runs along the words. Every word's probabilities add up to 1 by themselves: use the last dimension, the "
        "experts.",
    )
)
def softmax_over_words(logits, k, normalise):
    probabilities = logits.float().softmax(0)
    weights, experts = probabilities.topk(k, dim=-1)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "你返回的是原来的分数（logits），没有做 softmax。",
        "You return the raw scores (logits); softmax is missing.",
    )
)
def raw_scores(logits, k, normalise):
    weights, experts = logits.float().topk(k, dim=-1)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "返回的顺序反了：先权重，后专家编号。",
        "The results come in the wrong order: weights first, then the experts' numbers.",
    )
)
def results_swapped(logits, k, normalise):
    weights, experts = right(logits, k, normalise)
    return experts, weights


@mistake(
    Text(
        "专家编号要是 int64（`topk` 给出的就是），你转成了 int32。",
        "The experts' numbers should be int64, as `topk` gives them; you return int32.",
    )
)
def experts_in_int32(logits, k, normalise):
    weights, experts = right(logits, k, normalise)
    return weights, experts.int()


@mistake(
    Text(
        "你直接取 `exp` 而没有先减去最大值，很大的分数溢出成 `inf`。用 `softmax`。",
        "You take `exp` without subtracting the maximum first, and large scores overflow to `inf`. Use `softmax`.",
    )
)
def exp_overflows(logits, k, normalise):
    e = logits.float().exp()
    weights, experts = (e / e.sum(-1, keepdim=True)).topk(k, dim=-1)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@mistake(
    Text(
        "专家按编号排了序。要按概率从大到小：第一个是概率最大的专家。",
        "The experts stand in the order of their numbers. They stand by probability, the largest first.",
    )
)
def in_number_order(logits, k, normalise):
    weights, experts = right(logits, k, normalise)
    experts, order = experts.sort(-1)
    return weights.gather(-1, order), experts


@mistake(
    Text(
        "归一化时除数被 detach 了：数值对，梯度不对，因为 k 个权重的和也随 `logits` 变化。",
        "The sum that you normalise by is detached: values are right, gradients are not, because the sum depends on `logits` too.",
    )
)
def sum_detached(logits, k, normalise):
    weights, experts = right(logits, k, False)
    return (weights / weights.sum(-1, keepdim=True).detach() if normalise else weights), experts


@mistake(
    Text(
        "归一化时除以了最大的权重。要除以 k 个权重的和，归一化之后加起来才是 1。",
        "To normalise you divide by the largest weight. Divide by the sum of the k weights, so that they add up to 1.",
    )
)
def divided_by_the_largest(logits, k, normalise):
    weights, experts = right(logits, k, False)
    return (weights / weights[:, :1] if normalise else weights), experts


@variant
def by_sorting(logits, k, normalise):
    weights, experts = torch.sort(torch.softmax(logits, -1, dtype=torch.float32), dim=-1, descending=True)
    weights, experts = weights[:, :k], experts[:, :k]
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights.clone()), experts.clone()


@variant
def choose_then_gather(logits, k, normalise):
    experts = logits.topk(k, dim=-1).indices
    weights = logits.float().softmax(-1).gather(-1, experts)
    return (weights / weights.sum(-1, keepdim=True) if normalise else weights), experts


@variant
def by_logsumexp(logits, k, normalise):
    values, experts = logits.float().topk(k, dim=-1)
    whole = (values if normalise else logits.float()).logsumexp(-1, keepdim=True)
    return torch.exp(values - whole), experts


@variant
def word_by_word(logits, k, normalise):
    rows = [right(row[None], k, normalise) for row in logits.unbind()]
    return torch.cat([weights for weights, _ in rows]), torch.cat([experts for _, experts in rows])
