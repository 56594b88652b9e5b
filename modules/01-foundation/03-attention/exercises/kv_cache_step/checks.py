"""What kv_cache_step must do. Oracle: one head of one row at a time, in float64, with the caches written slot by slot."""

import torch
from torch import Tensor

from fledge.course.grader.checking import Case, Text, normal


def oracle(q: Tensor, k: Tensor, v: Tensor, cache_k: Tensor, cache_v: Tensor, position: int) -> Tensor:
    B, H, _, D = q.shape
    out = torch.zeros(B, H, 1, D, dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            cache_k[b, h, position] = k[b, h, 0]
            cache_v[b, h, position] = v[b, h, 0]
            scores = torch.stack([(q[b, h, 0].double() * cache_k[b, h, s].double()).sum() for s in range(position + 1)])
            weights = (scores / D**0.5).softmax(0)
            out[b, h, 0] = sum(weights[s] * cache_v[b, h, s].double() for s in range(position + 1))
    return out.to(q.dtype)


def cases(rng: torch.Generator) -> list[Case]:
    def step(
        B: int, H: int, S: int, D: int, position: int, dtype: torch.dtype = torch.float32, scale: float = 1.0
    ) -> tuple[Tensor | int, ...]:
        q, k, v = (normal(rng, B, H, 1, D, dtype=dtype, scale=scale) for _ in range(3))
        cache_k, cache_v = (normal(rng, B, H, S, D, dtype=dtype, scale=scale) for _ in range(2))
        for cache in (cache_k, cache_v):
            cache[:, :, position:] *= 10  # leftovers of an earlier conversation: reading them shows
        return q, k, v, cache_k, cache_v, position

    def stale(position: int, *numbers: float) -> tuple[Tensor | int, ...]:
        """Memory that was never written holds anything: what lies behind the position must not even be read."""
        q, k, v, cache_k, cache_v, position = step(2, 2, 7, 4, position)  # type: ignore[assignment]
        for slot, number in enumerate(numbers, start=position):
            cache_k[:, :, slot] = cache_v[:, :, slot] = number
        return q, k, v, cache_k, cache_v, position

    def case(name: str, args: tuple, about: Text, **more: object) -> Case:
        return Case(name, args, mutates=(3, 4), about=about, **{"length": 8, **more})

    q, k, v, *caches, position = step(2, 2, 10, 8, 3)
    window = [cache[:, :, :7] for cache in caches]  # as of a larger allocation: not contiguous
    return [
        case("middle", step(2, 3, 8, 4, 5), Text("缓存的中间", "in the middle of the cache")),
        case("first", step(2, 2, 6, 8, 0), Text("第一个词：缓存还是空的", "the first word: nothing is cached yet")),
        case("second", step(1, 2, 6, 8, 1), Text("第二个词", "the second word")),
        case("last", step(2, 2, 5, 8, 4), Text("最后一格", "the last slot")),
        case("square", step(4, 4, 4, 4, 2), Text("B = H = S_max = D", "B = H = S_max = D")),
        case("one_slot", step(1, 1, 1, 4, 0), Text("缓存只有一格", "a cache of one slot")),
        case(
            "stale",
            stale(3, float("nan"), float("inf"), float("nan"), float("-inf")),
            Text("后面的格子里是 nan 和 inf", "later slots hold nan and inf"),
            extreme=True,
        ),
        case("strided", (q, k, v, *window, position), Text("不连续的缓存", "caches that are not contiguous")),
        case(
            "large",
            step(2, 2, 9, 16, 6, scale=20),
            Text("分数有几百那么大", "scores in the hundreds"),
            extreme=True,
            length=16,
            slack=4096,
        ),
        case("bfloat16", step(2, 2, 8, 8, 4, dtype=torch.bfloat16), Text("bf16", "bf16"), length=1),
        case("cost", step(2, 4, 128, 32, 99), Text("长一些的缓存", "a longer cache"), length=100),
    ]
