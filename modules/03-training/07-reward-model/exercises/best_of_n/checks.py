"""What best_of_n must do. Oracle: exact fractions, by the chance that all n are at most the i-th score."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(scores_K: Tensor, n: int) -> float:
    ordered, K = sorted(scores_K.tolist()), len(scores_K)
    below = [Fraction(comb(i, n), comb(K, n)) for i in range(K + 1)]  # all n are among the i smallest
    return float(sum(Fraction(score) * (below[i + 1] - below[i]) for i, score in enumerate(ordered)))


def cases(rng: torch.Generator) -> list[Case]:
    def case(name: str, scores: Tensor, n: int, zh: str, en: str) -> Case:
        return Case(name, (scores, n), slack=1e7, about=Text(zh, en))

    return [
        case("example", torch.tensor([1.0, 5.0, 3.0]), 2, "题目里的例子", "the example of the task"),
        case("one", normal(rng, 8), 1, "n = 1：就是平均", "n = 1: the mean"),
        case("all", normal(rng, 8), 8, "n = K：就是最大", "n = K: the greatest"),
        case("several", normal(rng, 9), 4, "九取四", "4 of 9"),
        case("equal", torch.tensor([2.0, 2.0, 0.0, 1.0, 1.0, 2.0]), 3, "有相同的分数", "equal scores"),
        case("negative", normal(rng, 7) - 10, 3, "都是负分", "negative scores"),
        case("many", normal(rng, 60), 30, "六十取三十", "30 of 60"),
        case("single", torch.tensor([1.5]), 1, "只有一条", "a single answer"),
    ]
