"""What sample must do. Oracle: the five steps token by token in Python floats, the order of transformers; draws by inversion.

Every decision is a comparison, and float32 may decide a close one otherwise than the oracle: rows where any comparison is close
are drawn again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal

CLOSE = 1e-4
NEARLY_1 = 1 - 2**-24  # the largest float32 below 1


def decide(
    row: list[float], u: float, temperature: float, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0
) -> tuple[int, float]:
    """The token drawn from one row, and how close the closest comparison was (ties of top-k are exact and do not count)."""
    score = [value / temperature for value in row]
    left, margin = list(range(len(row))), math.inf

    def probabilities() -> dict[int, float]:
        top = max(score[i] for i in left)
        weight = {i: math.exp(score[i] - top) for i in left}
        total = math.fsum(weight.values())
        return {i: weight[i] / total for i in left}

    if top_k > 0:
        least = sorted(score, reverse=True)[min(top_k, len(score)) - 1]
        left = [i for i in left if score[i] >= least]
    if top_p < 1:
        p, mass, nucleus = probabilities(), 0.0, []
        for i in sorted(left, key=lambda i: -p[i]):
            if mass < top_p:
                nucleus.append(i)
            mass += p[i]
            margin = min(margin, abs(mass - top_p))
        left = sorted(nucleus)
    if min_p > 0:
        p = probabilities()
        least = min_p * max(p.values())
        margin = min([margin, *(abs(p[i] - least) for i in left)])
        left = [i for i in left if p[i] >= least]
    p, mass = probabilities(), 0.0
    left = [i for i in left if p[i] > 0]
    for i in left[:-1]:
        mass += p[i]
        margin = min(margin, abs(mass - u))
        if mass > u:
            return i, margin
    return left[-1], margin


def oracle(
    logits_BV: Tensor,
    uniform_B: Tensor,
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    rows = zip(logits_BV.tolist(), uniform_B.tolist())
    return torch.tensor([decide(row, u, temperature, top_k, top_p, min_p)[0] for row, u in rows])


def cases(rng: torch.Generator) -> list[Case]:
    def case(name, B, V, zh, en, *, scale=2.0, u=None, change=lambda row: row, temperature=1.0, **filters) -> Case:
        """B rows without close comparisons; `u` fixes the uniform number, `change` alters a row."""
        rows, numbers = [], []
        while len(rows) < B:
            row = change(normal(rng, V, scale=scale))
            number = torch.rand(1, generator=rng) if u is None else torch.tensor([u])
            if decide(row.tolist(), number.item(), temperature, **filters)[1] > CLOSE:
                rows.append(row)
                numbers.append(number)
        given = {"temperature": temperature, **filters}
        return Case(name, (torch.stack(rows), torch.cat(numbers)), given, about=Text(zh, en))

    def first_unlikely(row: Tensor) -> Tensor:
        row[:2] -= 20
        return row

    def last_unlikely(row: Tensor) -> Tensor:
        row[-3:] -= 20
        return row

    def forbidden(row: Tensor) -> Tensor:
        row[::3] = float("-inf")
        return row

    wide = case("wide", 16, 24, "转置过的输入", "a transposed input", top_p=0.8)
    return [
        case("plain", 16, 12, "没有过滤", "no filter"),
        case("one_row", 1, 9, "只有一行", "a single row"),
        case("cold", 16, 12, "temperature = 0.5", "temperature = 0.5", temperature=0.5),
        case("hot", 16, 12, "temperature = 3", "temperature = 3", temperature=3.0),
        case("large_scores", 8, 12, "分数很大：exp 会溢出", "large scores: exp overflows", scale=100.0, temperature=0.5),
        case("top_k", 24, 16, "top_k = 4", "top_k = 4", top_k=4),
        case("top_k_1", 12, 8, "top_k = 1：总是最可能的", "top_k = 1: always the most likely", top_k=1),
        case("top_k_beyond", 12, 6, "top_k 大于 V", "top_k beyond V", top_k=50),
        case("top_k_ties", 24, 12, "有并列的 top_k", "top_k with ties", scale=1.0, change=torch.round, top_k=4),
        case("top_p", 24, 16, "top_p = 0.7", "top_p = 0.7", top_p=0.7),
        case("top_p_flat", 24, 16, "top_p = 0.5，概率差不多", "top_p = 0.5, similar probabilities", scale=0.5, top_p=0.5),
        case("top_p_tiny", 12, 8, "top_p = 0.01：只剩最可能的", "top_p = 0.01: only the most likely is left", top_p=0.01),
        case("min_p", 24, 16, "min_p = 0.2", "min_p = 0.2", min_p=0.2),
        case("min_p_flat", 24, 40, "min_p = 0.3，词元很多", "min_p = 0.3, many tokens", scale=0.8, min_p=0.3),
        case("cold_top_p", 24, 16, "temperature = 0.5，top_p = 0.8", "temperature = 0.5, top_p = 0.8", temperature=0.5, top_p=0.8),
        case("hot_min_p", 24, 16, "temperature = 2，min_p = 0.3", "temperature = 2, min_p = 0.3", temperature=2.0, min_p=0.3),
        case("top_k_top_p", 32, 24, "top_k = 5，top_p = 0.8", "top_k = 5, top_p = 0.8", scale=1.0, top_k=5, top_p=0.8),
        case("top_p_min_p", 32, 24, "top_p = 0.7，min_p = 0.25", "top_p = 0.7, min_p = 0.25", scale=1.0, top_p=0.7, min_p=0.25),
        case(
            "everything", 32, 30, "温度和三种过滤一起", "temperature and all three filters",
            temperature=0.8, top_k=12, top_p=0.9, min_p=0.05,
        ),
        case("zero", 8, 10, "u = 0，前两个词元已去掉", "u = 0, the first two removed", u=0.0, change=first_unlikely, top_k=6),
        case("zero_plain", 8, 10, "u = 0，没有过滤", "u = 0, no filter", u=0.0),
        case(
            "nearly_one", 16, 1500, "u 非常接近 1，词元很多", "u very close to 1, many tokens",
            scale=0.2, u=NEARLY_1, change=last_unlikely, top_k=1400,
        ),
        case("nearly_one_plain", 16, 1500, "u 非常接近 1，没有过滤", "u very close to 1, no filter", scale=0.2, u=NEARLY_1),
        case("forbidden", 16, 13, "有的分数是 -inf", "some scores are -inf", change=forbidden, top_k=7, top_p=0.9),
        Case("strided", (wide.args[0].T.contiguous().T, wide.args[1].repeat_interleave(2)[::2]), wide.kwargs, about=wide.about),
        case("cost", 4, 300, "大一些的词表", "a larger vocabulary", top_k=20, top_p=0.9),
    ]  # fmt: skip
