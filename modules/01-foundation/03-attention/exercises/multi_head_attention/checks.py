"""What multi_head_attention must do. Oracle: one head after the other on its slice of the features, in float64."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(x: Tensor, wq: Tensor, wk: Tensor, wv: Tensor, wo: Tensor, num_heads: int, mask: Tensor | None) -> Tensor:
    B, T, C = x.shape
    D = C // num_heads
    q, k, v = (torch.einsum("btc,oc->bto", x.double(), w.double()) for w in (wq, wk, wv))
    seen = torch.ones(B, num_heads, T, T, dtype=torch.bool)
    seen = seen if mask is None else mask.expand(B, num_heads, T, T)
    heads = []
    for h in range(num_heads):
        own = slice(h * D, (h + 1) * D)
        scores = torch.einsum("btd,bsd->bts", q[..., own], k[..., own]) * D**-0.5
        weights = torch.where(seen[:, h], scores, float("-inf")).softmax(-1)
        heads.append(torch.einsum("bts,bsd->btd", weights, v[..., own]))
    return torch.einsum("btc,oc->bto", torch.cat(heads, -1), wo.double()).to(x.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def inputs(B: int, T: int, C: int) -> tuple[Tensor, ...]:
        # Weights of about this size keep the scores near 1: neither one-hot weights nor all equal ones.
        return normal(rng, B, T, C), *(normal(rng, C, C, scale=1.5 * C**-0.5) for _ in range(4))

    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    padding = torch.tensor([[True] * 4, [True, True, False, False]])[:, None, None, :]
    by_head = torch.rand((2, 3, 4, 4), generator=rng) < 0.5
    by_head |= torch.eye(4, dtype=torch.bool)  # every position sees itself, so that no row is empty
    high = (
        10 / 16 + normal(rng, 16, 16, scale=0.03),
        normal(rng, 16, 16, scale=0.03) - 10 / 16,
    )  # queries near 10, keys near -10
    far_below = (1 + normal(rng, 2, 5, 16, scale=0.1), *high, *(normal(rng, 16, 16, scale=0.25) for _ in range(2)))
    transposed = normal(rng, 2, 8, 5).transpose(1, 2)
    return [
        Case("two_heads", (*inputs(2, 5, 8), 2, None), grad=True, length=8, about=Text("两个头", "two heads")),
        Case("one_head", (*inputs(1, 4, 6), 1, None), grad=True, length=6, about=Text("只有一个头", "a single head")),
        Case(
            "square",
            (*inputs(2, 4, 16), 4, None),
            grad=True,
            length=16,
            about=Text("T = H = D，形状查不出写错的维度", "T = H = D, so that no shape gives a wrong dimension away"),
        ),
        Case(
            "narrow",
            (*inputs(2, 3, 6), 6, None),
            length=6,
            about=Text("每个头只有一个数", "heads of a single number"),
        ),
        Case("causal", (*inputs(2, 5, 12), 3, causal), grad=True, length=12, about=Text("因果 mask", "a causal mask")),
        Case(
            "padding",
            (*inputs(2, 4, 8), 2, padding),
            grad=True,
            length=8,
            about=Text("填充 mask，形状 [B, 1, 1, T]", "a padding mask of shape [B, 1, 1, T]"),
        ),
        Case(
            "by_head",
            (*inputs(2, 4, 12), 3, by_head),
            length=12,
            about=Text("每个头的 mask 都不同", "another mask for every head"),
        ),
        Case(
            "strided",
            (transposed, *inputs(1, 1, 8)[1:], 2, causal),
            length=8,
            about=Text("转置过的 x", "a transposed x"),
        ),
        Case(
            "far_below",
            (*far_below, 2, causal),
            extreme=True,
            length=16,
            slack=4096,
            about=Text("看得到的键分数都在 -280 左右", "all visible scores are near -280"),
        ),
        Case("one_token", (*inputs(3, 1, 8), 4, None), length=8, about=Text("只有一个词", "a single word")),
        Case("cost", (*inputs(2, 24, 32), 4, None), length=32, about=Text("大一些的输入", "a larger input")),
    ]
