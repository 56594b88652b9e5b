"""What attention must do. Oracle: one query head at a time in float64, with the masks of fledge.parts.reference.attention."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
    q, k, v = q_BHTD, k_BHSD, v_BHSD
    B, H, T, D = q.shape
    G, S = k.shape[1:3]
    bias = torch.zeros(T, S, dtype=torch.float64)
    if mask is None:
        if T > 1:
            past = torch.arange(S)[None] <= torch.arange(T)[:, None]
            bias = bias.masked_fill(~past, float("-inf"))
    elif mask.dtype == torch.bool:
        bias = torch.where(mask, 0.0, float("-inf")).double()
    else:
        bias = mask.double()
    bias = bias.expand(B, H, T, S)
    heads = []
    for h in range(H):
        g = h * G // H
        scores = torch.einsum("btd,bsd->bts", q[:, h].double(), k[:, g].double()) / D**0.5 + bias[:, h]
        heads.append(torch.einsum("bts,bsd->btd", scores.softmax(-1), v[:, g].double()))
    return torch.stack(heads, 1).to(q.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def qkv(
        B: int, heads: tuple[int, int], T: int, S: int, D: int, dtype: torch.dtype = torch.float32, scale: float = 1
    ):
        H, G = heads
        q, k = (normal(rng, B, n, m, D, dtype=dtype, scale=scale) for n, m in ((H, T), (G, S)))
        return q, k, normal(rng, B, G, S, D, dtype=dtype)

    def additive(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Finite preferences, and -inf here and there, but never on the diagonal."""
        T, S = shape[-2:]
        hidden = (torch.rand(shape, generator=rng) < 0.2) & ~torch.eye(T, S, dtype=torch.bool)
        return normal(rng, *shape, dtype=dtype).masked_fill(hidden, float("-inf"))

    def seen(*shape: int) -> Tensor:
        """Random bool mask in which every query sees the first key."""
        mask = torch.rand(shape, generator=rng) < 0.5
        mask[..., 0] = True
        return mask

    padding = torch.tensor([[True] * 5, [True, True, True, False, False]])[:, None, None]
    longer = torch.ones(3, 7, dtype=torch.bool).tril(4)  # three new words over four cached ones
    strided = tuple(normal(rng, 2, 6, n, 8).transpose(1, 2) for n in (4, 2, 2))
    half = torch.bfloat16
    return [
        Case(
            "causal",
            (*qkv(2, (2, 2), 5, 5, 8), None),
            grad=True,
            length=8,
            about=Text("T = S，没有 mask：因果", "T = S, no mask: causal"),
        ),
        Case(
            "one_new",
            (*qkv(2, (2, 2), 1, 7, 8), None),
            grad=True,
            length=8,
            about=Text("一个新词，七个键：全都能看", "one new word, seven keys: all are seen"),
        ),
        Case("first", (*qkv(1, (2, 1), 1, 1, 4), None), length=4, about=Text("只有一个位置", "a single position")),
        Case(
            "grouped",
            (*qkv(2, (6, 2), 5, 5, 4), None),
            grad=True,
            length=5,
            about=Text("六个查询头共用两个键值头", "six query heads share two key/value heads"),
        ),
        Case(
            "one_pair",
            (*qkv(1, (4, 1), 1, 6, 4), None),
            length=6,
            about=Text("所有查询头共用一个键值头", "all query heads share one key/value head"),
        ),
        Case(
            "square",
            (*qkv(4, (4, 2), 4, 4, 4), None),
            grad=True,
            length=4,
            about=Text(
                "B = H = T = S = D = 4，形状查不出写错的维度",
                "B = H = T = S = D = 4, so that no shape gives a wrong dimension away",
            ),
        ),
        Case(
            "padding",
            (*qkv(2, (4, 2), 5, 5, 8), padding),
            grad=True,
            length=8,
            about=Text("bool mask [B, 1, 1, S]，前后都能看", "bool mask [B, 1, 1, S], seeing both ways"),
        ),
        Case(
            "cached",
            (*qkv(1, (2, 1), 3, 7, 8), longer),
            grad=True,
            length=8,
            about=Text("bool mask [T, S]，T < S", "bool mask [T, S], T < S"),
        ),
        Case(
            "by_head",
            (*qkv(2, (4, 2), 3, 6, 4), seen(2, 4, 3, 6)),
            length=6,
            about=Text("每个头的 bool mask 都不同", "another bool mask for every head"),
        ),
        Case(
            "one_masked",
            (*qkv(2, (4, 2), 1, 5, 4), padding),
            length=5,
            about=Text("一个新词，带 bool mask", "one new word, with a bool mask"),
        ),
        Case(
            "additive",
            (*qkv(2, (4, 2), 5, 5, 8), additive(2, 1, 5, 5)),
            length=8,
            about=Text(
                "浮点 mask [B, 1, T, S]，有 -inf 也有有限的数",
                "floating-point mask [B, 1, T, S] with -inf and with finite numbers",
            ),
        ),
        Case(
            "preferences",
            (*qkv(1, (4, 4), 4, 4, 16), normal(rng, 1, 4, 4, 4)),
            length=16,
            about=Text("浮点 mask，每个头的偏好不同", "floating-point mask, other preferences for every head"),
        ),
        Case("strided", (*strided, None), grad=True, length=8, about=Text("转置过的 q、k、v", "transposed q, k, v")),
        Case(
            "large",
            (*qkv(1, (2, 2), 6, 6, 16, scale=20), None),
            extreme=True,
            length=16,
            slack=4096,
            about=Text("分数有几百那么大", "scores in the hundreds"),
        ),
        Case(
            "far_below",
            (10 + normal(rng, 1, 2, 4, 8), normal(rng, 1, 2, 4, 8) - 10, normal(rng, 1, 2, 4, 8), None),
            extreme=True,
            length=8,
            slack=4096,
            about=Text("看得到的键分数都在 -280 左右", "all visible scores are near -280"),
        ),
        Case(
            "bfloat16",
            (*qkv(2, (4, 2), 6, 6, 8, dtype=half), None),
            grad=True,
            about=Text("bf16，因果", "bf16, causal"),
        ),
        Case(
            "bfloat16_additive",
            (*qkv(2, (4, 2), 6, 6, 8, dtype=half), additive(2, 1, 6, 6, dtype=half)),
            about=Text("bf16，浮点 mask", "bf16, floating-point mask"),
        ),
        Case("cost", (*qkv(2, (8, 4), 32, 32, 16), None), length=32, about=Text("大一些的输入", "a larger input")),
    ]
