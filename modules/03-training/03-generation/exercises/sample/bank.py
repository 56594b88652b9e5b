"""Wrong and right ways to sample. Every mistake is the right sampler with one thing changed."""

from __future__ import annotations

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text
from fledge.parts import sampling

OUT = float("-inf")


def top_k_of(logits, k):
    if k <= 0:
        return logits
    kth = logits.topk(min(k, logits.shape[-1])).values[:, -1:]
    return logits.masked_fill(logits < kth, OUT)


def outside_nucleus(logits, p):
    """True where top-p removes a token."""
    ordered, order = logits.sort(dim=-1)
    drop = ordered.softmax(-1).cumsum(-1) <= 1 - p
    drop[:, -1] = False
    return torch.zeros_like(drop).scatter(-1, order, drop)


def top_p_of(logits, p):
    return logits if p >= 1 else logits.masked_fill(outside_nucleus(logits, p), OUT)


def min_p_of(logits, least):
    p = logits.softmax(-1)
    return logits.masked_fill(p < least * p.amax(-1, keepdim=True), OUT)


def filtered(logits, temperature, top_k, top_p, min_p, *, first=top_k_of, second=top_p_of, third=min_p_of):
    return third(second(first(logits / temperature, top_k), top_p), min_p)


def draw(p, u):
    ids = (p.cumsum(-1) <= u[:, None]).sum(-1)
    last = torch.arange(p.shape[-1]).expand_as(p).masked_fill(p == 0, 0).amax(-1)
    return torch.minimum(ids, last)


def right(logits, u, temperature, top_k, top_p, min_p, **changed):
    return draw(filtered(logits, temperature, top_k, top_p, min_p, **changed).softmax(-1), u)


@mistake(
    Text(
        "你总是取最可能的词元，没有用到 `uniform_B`。",
        "You always take the most likely token and do not use `uniform_B`.",
    )
)
def always_the_best(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return logits_BV.argmax(-1)


@mistake(
    Text(
        "你用了自己的随机数（multinomial）。随机性只来自 `uniform_B`，同样的输入要得到同样的结果。",
        "You use random numbers of your own (multinomial). All chance comes from `uniform_B`: same inputs, same result.",
    )
)
def own_random_numbers(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    p = filtered(logits_BV, temperature, top_k, top_p, min_p).softmax(-1)
    return torch.multinomial(p, 1)[:, 0]


@mistake(
    Text(
        "温度用反了：要除以 temperature，你乘了。温度高应当更随机。",
        "The temperature is upside down: divide by it. A higher temperature means more chance.",
    )
)
def times_temperature(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV, uniform_B, 1 / temperature, top_k, top_p, min_p)


@mistake(Text("温度没有用到。", "The temperature is not used."))
def no_temperature(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV, uniform_B, 1.0, top_k, top_p, min_p)


@mistake(
    Text(
        "温度用得太晚：过滤时还是温度 1 的概率。先除以温度，再过滤。",
        "The temperature comes too late: the filters still see the probabilities of temperature 1. Divide first, then filter.",
    )
)
def temperature_last(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return draw((filtered(logits_BV, 1.0, top_k, top_p, min_p) / temperature).softmax(-1), uniform_B)


@mistake(Text("top-k 没有用到。", "Top-k is not used."))
def no_top_k(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV, uniform_B, temperature, 0, top_p, min_p)


@mistake(Text("top-k 多留了一个词元。", "Top-k keeps one token too many."))
def one_more_than_k(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV, uniform_B, temperature, top_k + 1 if top_k else 0, top_p, min_p)


@mistake(
    Text(
        "与第 k 高并列的词元被去掉了一部分。并列的都留下：比较分数，不要只取 topk 的下标。",
        "Some of the tokens that tie with the k-th are removed. All that tie stay: compare scores, do not take topk's indices.",
    )
)
def ties_dropped(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    def exactly_k(logits, k):
        if k <= 0:
            return logits
        values, ids = logits.topk(min(k, logits.shape[-1]))
        return torch.full_like(logits, OUT).scatter(-1, ids, values)

    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p, first=exactly_k)


@mistake(
    Text(
        "去掉的词元分数被设成了 0，不是 -inf：它们仍有概率，还可能抽到。",
        "Removed tokens get the score 0 instead of -inf: they keep a probability and can still be drawn.",
    )
)
def removed_get_zero(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    logits = filtered(logits_BV, temperature, top_k, top_p, min_p)
    return draw(logits.masked_fill((logits == OUT) & (logits_BV != OUT), 0.0).softmax(-1), uniform_B)


@mistake(
    Text(
        "top-p 把跨过 p 的那个词元也去掉了。它应当留下，否则剩下的概率不到 p。",
        "Top-p removes the token that crosses p as well. It stays, otherwise less than p is left.",
    )
)
def crossing_token_dropped(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    def strict(logits, p):
        if p >= 1:
            return logits
        ordered, order = logits.sort(dim=-1, descending=True)
        drop = ordered.softmax(-1).cumsum(-1) > p
        drop[:, 0] = False
        return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), OUT)

    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p, second=strict)


@mistake(
    Text(
        "top-p 的标记没有放回原来的位置：排序之后的第 i 个不是编号 i（要用 scatter 或 gather 换回去）。",
        "Top-p's marks are not put back in place: the i-th after sorting is not id i (scatter or gather them back).",
    )
)
def marks_left_sorted(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    def unsorted(logits, p):
        if p >= 1:
            return logits
        ordered = logits.sort(dim=-1).values
        drop = ordered.softmax(-1).cumsum(-1) <= 1 - p
        drop[:, -1] = False
        return logits.masked_fill(drop, -1e9)

    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p, second=unsorted)


@mistake(
    Text(
        "top-p 看的是 top-k 之前的概率。每一步都要在上一步剩下的词元里重新归一。",
        "Top-p looks at the probabilities from before top-k. Every step renormalises over what the step before has left.",
    )
)
def top_p_ignores_top_k(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    logits = top_p_of(logits_BV / temperature, top_p)
    left = torch.isinf(top_k_of(logits_BV, top_k))
    return draw(min_p_of(logits.masked_fill(left, OUT), min_p).softmax(-1), uniform_B)


@mistake(
    Text(
        "min-p 做在了 top-p 前面。顺序是温度、top-k、top-p、min-p。",
        "Min-p comes before top-p. The order is temperature, top-k, top-p, min-p.",
    )
)
def min_p_before_top_p(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    logits = min_p_of(top_k_of(logits_BV / temperature, top_k), min_p)
    return draw(top_p_of(logits, top_p).softmax(-1), uniform_B)


@mistake(
    Text(
        "min-p 的门槛应当是 min_p × 最大概率，你直接和 min_p 比了。",
        "Min-p's threshold is min_p × the largest probability; you compare with min_p itself.",
    )
)
def min_p_absolute(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    def absolute(logits, least):
        p = logits.softmax(-1)
        return logits.masked_fill((p < least) & (p < p.amax(-1, keepdim=True)), OUT)

    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p, third=absolute)


@mistake(
    Text(
        "过滤之后没有重新归一：剩下的概率加起来不到 1，u 大的时候就会抽错。",
        "Nothing is renormalised after the filters: what is left adds up to less than 1, and a large u draws wrongly.",
    )
)
def not_renormalised(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    gone = filtered(logits_BV, temperature, top_k, top_p, min_p) == OUT
    return draw((logits_BV / temperature).softmax(-1).masked_fill(gone, 0.0), uniform_B)


@mistake(
    Text(
        "你按概率从大到小累加。概率分布没错，但约定按编号的顺序累加，这样结果才唯一。",
        "You add up from the most likely down. The distribution is right, but the sums run in the order of the ids, so that the "
        "result "
        "is unique.",
    )
)
def sums_in_sorted_order(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    p, order = filtered(logits_BV, temperature, top_k, top_p, min_p).softmax(-1).sort(dim=-1, descending=True)
    return order.gather(-1, draw(p, uniform_B)[:, None])[:, 0]


@mistake(
    Text(
        "累加值要大于 u，你用了大于等于：u = 0 时会抽到已经去掉的词元 0。",
        "The running sum must be greater than u, yours may equal it: with u = 0 that draws token 0 though it was removed.",
    )
)
def sum_may_equal_u(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    p = filtered(logits_BV, temperature, top_k, top_p, min_p).softmax(-1)
    return (p.cumsum(-1) < uniform_B[:, None]).sum(-1).clamp(max=p.shape[-1] - 1)


@mistake(
    Text(
        "u 非常接近 1 时你返回了 V：舍入使所有累加值都不大于 u，数过头了。这时应抽最后一个留下的词元。",
        "With u very close to 1 you return V, which is no token: rounding leaves no sum above u. Draw the last token left.",
    )
)
def past_the_vocabulary(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    p = filtered(logits_BV, temperature, top_k, top_p, min_p).softmax(-1)
    return (p.cumsum(-1) <= uniform_B[:, None]).sum(-1)


@mistake(
    Text(
        "u 非常接近 1 时你抽到了最后一个编号，它可能已经被去掉。应抽最后一个留下的词元。",
        "With u very close to 1 you draw the last id, which may have been removed. Draw the last token left.",
    )
)
def last_id_of_all(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    p = filtered(logits_BV, temperature, top_k, top_p, min_p).softmax(-1)
    return (p.cumsum(-1) <= uniform_B[:, None]).sum(-1).clamp(max=p.shape[-1] - 1)


@mistake(
    Text(
        "所有行用了同一个随机数。每行有自己的 u。",
        "All rows use the same random number. Every row has its own u.",
    )
)
def one_number_for_all(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV, uniform_B[:1].expand_as(uniform_B), temperature, top_k, top_p, min_p)


@mistake(
    Text(
        "你直接算了 exp，没有先减最大值：分数大时溢出成无穷大。用 softmax。",
        "You take exp without subtracting the maximum: large scores overflow to infinity. Use softmax.",
    )
)
def exp_overflows(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    weight = filtered(logits_BV, temperature, top_k, top_p, min_p).exp()
    return draw((weight / weight.sum(-1, keepdim=True)).nan_to_num(0.0), uniform_B)


@mistake(
    Text("结果多了一维：应当是 [B]，不是 [B, 1]。", "The result has one dimension too many: [B] is wanted, not [B, 1].")
)
def column_returned(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p)[:, None]


@mistake(
    Text(
        "min-p 的门槛用了整批里最大的概率。每一行要用自己的最大概率。",
        "Min-p's threshold uses the largest probability of the whole batch. Every row has its own.",
    )
)
def min_p_of_the_batch(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    def whole(logits, least):
        p = logits.softmax(-1)
        return logits.masked_fill((p < least * p.max()) & (p < p.amax(-1, keepdim=True)), OUT)

    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p, third=whole)


@variant
def as_the_engine(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return sampling.sample(logits_BV, uniform_B, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)


@variant
def from_the_top(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    """Top-p from the most likely down: a token stays while the mass before it is less than p."""

    def nucleus(logits, p):
        if p >= 1:
            return logits
        ordered, order = logits.sort(dim=-1, descending=True)
        mass = ordered.softmax(-1)
        keep = mass.cumsum(-1) - mass < p
        keep[:, 0] = True
        return logits.masked_fill(~torch.zeros_like(keep).scatter(-1, order, keep), OUT)

    return right(logits_BV, uniform_B, temperature, top_k, top_p, min_p, second=nucleus)


@variant
def row_by_row(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    drawn = []
    for row, u in zip(logits_BV.double(), uniform_B.double()):
        p = filtered(row[None], temperature, top_k, top_p, min_p).softmax(-1)[0]
        alive = p.nonzero()[:, 0]
        sums = p[alive].cumsum(0)
        drawn.append(alive[min(int(torch.searchsorted(sums, u, right=True)), len(alive) - 1)])
    return torch.stack(drawn)


@variant
def in_double(logits_BV, uniform_B, *, temperature, top_k=0, top_p=1.0, min_p=0.0):
    return right(logits_BV.double(), uniform_B.double(), temperature, top_k, top_p, min_p)
