"""Wrong and right ways to say what the best of n is worth."""

from __future__ import annotations

import math
from math import comb

import torch

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def weighed(scores_K, weight):
    """Sum of weight(i, K) · the i-th smallest score, i from 0."""
    ordered = sorted(scores_K.tolist())
    return sum(weight(i, len(ordered)) * score for i, score in enumerate(ordered))


@mistake(
    Text(
        "你只看了前 n 条：那是一种取法，要对所有取法平均。",
        "You look at the first n only: that is one way to draw, and the mean is over all.",
    )
)
def first_n(scores_K, n):
    return scores_K[:n].max().item()


@mistake(Text("这是全部 K 条里最大的，不管 n 是几。", "This is the greatest of all K, whatever n is."))
def greatest_of_all(scores_K, n):
    return scores_K.max().item()


@mistake(Text("这是平均分：n 没有用到。", "This is the mean of all scores: n is not used."))
def plain_mean(scores_K, n):
    return scores_K.mean().item()


@mistake(
    Text("这是最高的 n 个的平均，不是 n 个里最高的。", "This is the mean of the n greatest, not the greatest of n.")
)
def mean_of_the_top(scores_K, n):
    return scores_K.topk(n).values.mean().item()


@mistake(
    Text(
        "你是放回地取的：同一条可能被取到两次。题目是不放回。",
        "You draw and put back: the same answer could be drawn twice. Here nothing is put back.",
    )
)
def put_back(scores_K, n):
    return weighed(scores_K, lambda i, K: ((i + 1) / K) ** n - (i / K) ** n)


@mistake(
    Text(
        "权重差了一位：比第 i 个（从 0 数起）小的有 i 个，不是 i + 1 个。",
        "The weights are off by one: below the i-th, counted from 0, there are i and not i + 1.",
    )
)
def one_too_many(scores_K, n):
    return weighed(scores_K, lambda i, K: comb(i + 1, n - 1) / comb(K, n))


@mistake(
    Text(
        "权重用了 C(i, n)：那一个自己已经取到了，其余只要 n - 1 个。",
        "The weights are C(i, n): the score itself is drawn already, and only n - 1 others are needed.",
    )
)
def n_others(scores_K, n):
    return weighed(scores_K, lambda i, K: comb(i, n) / comb(K, n))


@mistake(
    Text(
        "排反了：你算的是 n 个里最小的。",
        "In the wrong order: this is the smallest of n.",
    )
)
def smallest(scores_K, n):
    return weighed(scores_K, lambda i, K: comb(K - 1 - i, n - 1) / comb(K, n))


@mistake(
    Text(
        "没有排序：权重对应的是从小到大的第 i 个。",
        "There is no sorting: the weights belong to the scores in ascending order.",
    )
)
def not_sorted(scores_K, n):
    K = len(scores_K)
    return sum(comb(i, n - 1) / comb(K, n) * score for i, score in enumerate(scores_K.tolist()))


@mistake(
    Text(
        "除错了：所有取法有 C(K, n) 种，不是 C(K, n - 1) 种。",
        "Divided by the wrong number: there are C(K, n) ways to draw, not C(K, n - 1).",
    )
)
def wrong_total(scores_K, n):
    return weighed(scores_K, lambda i, K: comb(i, n - 1) / comb(K, n - 1))


@mistake(
    Text(
        "相同的分数只算了一次：它们是不同的回答。",
        "Equal scores are counted once: they are different answers.",
    )
)
def without_doubles(scores_K, n):
    return solution(torch.unique(scores_K), min(n, len(torch.unique(scores_K))))


def solution(scores_K, n):
    return weighed(scores_K, lambda i, K: comb(i, n - 1) / comb(K, n))


@variant
def by_what_lies_below(scores_K, n):
    """The chance that all n are among the i smallest, and how much it grows with i."""
    return weighed(scores_K, lambda i, K: (comb(i + 1, n) - comb(i, n)) / comb(K, n))


@variant
def by_logarithms(scores_K, n):
    def choose(a, b):
        return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

    return weighed(scores_K, lambda i, K: math.exp(choose(i, n - 1) - choose(K, n)) if i >= n - 1 else 0.0)


@variant
def from_the_top(scores_K, n):
    """The greatest is drawn with chance n / K; if not, the same again with the rest."""
    ordered = sorted(scores_K.tolist(), reverse=True)
    total, left = 0.0, 1.0
    for i, score in enumerate(ordered):
        chance = min(1.0, n / (len(ordered) - i))
        total, left = total + left * chance * score, left * (1 - chance)
    return total
