"""Wrong and right steps with a KV cache, to grade the grader with."""

import torch
import torch.nn.functional as F

from fledge.course.grader.bank import mistake, variant
from fledge.lang import Text


def store(k, v, cache_k, cache_v, position):
    cache_k[:, :, position : position + 1] = k
    cache_v[:, :, position : position + 1] = v


def attend(q, keys, values):
    return (q @ keys.mT * q.shape[-1] ** -0.5).softmax(-1) @ values


def seen(cache_k, cache_v, position):
    return cache_k[:, :, : position + 1], cache_v[:, :, : position + 1]


@mistake(
    Text(
        "你读了整个缓存：`position` 后面的格子里是旧数，要先切片到 `position + 1`。",
        "You read the whole cache: slots after `position` hold old numbers. Slice up to `position + 1` first.",
    )
)
def reads_all_slots(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    return attend(q, cache_k, cache_v)


@mistake(
    Text(
        "新词没有看到自己：`[:position]` 不包括第 `position` 格，要写 `[:position + 1]`。",
        "The new word does not see itself: `[:position]` leaves out slot `position`; write `[:position + 1]`.",
    )
)
def does_not_see_itself(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    return attend(q, cache_k[:, :, :position], cache_v[:, :, :position])


@mistake(
    Text(
        "缓存没有变：`torch.cat` 或 `.clone()` 造出了新张量，下一步就找不到这个词了。要给 `cache_k[…]` 赋值。",
        "The caches did not change: `torch.cat` or `.clone()` makes a new tensor, and the next step will not find this "
        "word. Assign to `cache_k[…]`.",
    )
)
def cache_unchanged(q, k, v, cache_k, cache_v, position):
    keys = torch.cat([cache_k[:, :, :position], k], dim=2)
    return attend(q, keys, torch.cat([cache_v[:, :, :position], v], dim=2))


@mistake(
    Text(
        "你先算注意力，后写缓存：这一步读到的第 `position` 格还是旧数。先写，再算。",
        "You attend first and write afterwards: slot `position` still held an old number. Write first.",
    )
)
def stored_too_late(q, k, v, cache_k, cache_v, position):
    out = attend(q, *seen(cache_k, cache_v, position))
    store(k, v, cache_k, cache_v, position)
    return out


@mistake(
    Text(
        "写到了后一格：位置从 0 数起，新词就写在第 `position` 格。",
        "Written one slot too far: positions count from 0, and the new word goes into slot `position`.",
    )
)
def one_slot_late(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position + 1)
    return attend(q, *seen(cache_k, cache_v, position))


@mistake(
    Text(
        "你把前面所有格子都改成了新词：`cache[:, :, :position + 1] = k` 会广播。只写第 `position` 格。",
        "You overwrote all earlier slots with the new word: `cache[:, :, :position + 1] = k` broadcasts. Write slot "
        "`position` only.",
    )
)
def history_overwritten(q, k, v, cache_k, cache_v, position):
    cache_k[:, :, : position + 1] = k
    cache_v[:, :, : position + 1] = v
    return attend(q, *seen(cache_k, cache_v, position))


@mistake(
    Text(
        "你把整个缓存往前挪了一格，再把新词写在最后。这里缓存不移动，新词写在第 `position` 格。",
        "You shift the whole cache by one and put the new word last. Here nothing moves: the new word goes into slot "
        "`position`.",
    )
)
def cache_shifted(q, k, v, cache_k, cache_v, position):
    for cache, new in ((cache_k, k), (cache_v, v)):
        cache.copy_(torch.cat([cache[:, :, 1:], new], dim=2))
    return attend(q, cache_k[:, :, -position - 1 :], cache_v[:, :, -position - 1 :])


@mistake(
    Text(
        "键和值存反了：`k` 存进 `cache_k`，`v` 存进 `cache_v`。",
        "Keys and values are stored the wrong way round: `k` belongs in `cache_k`, `v` in `cache_v`.",
    )
)
def caches_swapped(q, k, v, cache_k, cache_v, position):
    store(v, k, cache_k, cache_v, position)
    return attend(q, *seen(cache_k, cache_v, position))


@mistake(
    Text(
        "你只存了键，没有存值。",
        "You store the key but not the value.",
    )
)
def value_not_stored(q, k, v, cache_k, cache_v, position):
    cache_k[:, :, position : position + 1] = k
    return attend(q, *seen(cache_k, cache_v, position))


@mistake(Text("分数没有除以 `√D`。", "The scores are not divided by `√D`."))
def no_scale(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    keys, values = seen(cache_k, cache_v, position)
    return (q @ keys.mT).softmax(-1) @ values


@mistake(
    Text(
        "softmax 沿着查询那一维算了，那里只有一个数，权重全是 1。要沿着键，即最后一维。",
        "Softmax runs along the queries, of which there is one, so all weights are 1. Use the last dimension, the keys.",
    )
)
def softmax_over_queries(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    keys, values = seen(cache_k, cache_v, position)
    return (q @ keys.mT * q.shape[-1] ** -0.5).softmax(-2) @ values


@mistake(
    Text(
        "新词只看了自己，缓存里的旧词一个也没有看。",
        "The new word sees only itself and none of the cached words.",
    )
)
def sees_only_itself(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    return attend(q, k, v)


@mistake(
    Text(
        "后面格子的分数你设成了 0，但 `exp(0) = 1`，它们仍分到权重。设成 `-inf`，或者干脆切掉。",
        "You set the scores of later slots to 0, but `exp(0) = 1`, so they still get a weight. Use `-inf`, or slice them "
        "off.",
    )
)
def later_scores_zero(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    scores = q @ cache_k.mT * q.shape[-1] ** -0.5
    scores[..., position + 1 :] = 0
    return scores.softmax(-1) @ cache_v


@mistake(
    Text(
        "返回的形状少了一维：即使只有一个新词，也要保留 `[B, H, 1, D]` 里的 1。",
        "The result lacks a dimension: keep the 1 of `[B, H, 1, D]` even for a single new word.",
    )
)
def dimension_lost(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    return attend(q, *seen(cache_k, cache_v, position))[:, :, 0]


@mistake(
    Text(
        "`position` 后面的格子你给了权重 0，但还是读了它们的值。那里是旧的内存，可能是 `nan`，而 0 × `nan` 还是 `nan`。切片到 "
        "`position + 1`，后面的就不会读到。",
        "Slots after `position` get the weight 0, but their values are read. They are stale memory and may hold `nan`, "
        "and 0 × `nan` is `nan`. Slice up to `position + 1`, and what lies behind is never read.",
    )
)
def stale_values_times_zero(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    hidden = torch.arange(cache_k.shape[2]) > position
    scores = (q @ cache_k.mT * q.shape[-1] ** -0.5).masked_fill(hidden, float("-inf"))
    return scores.softmax(-1) @ cache_v


@mistake(
    Text(
        "你把 `position` 后面的格子清零了。缓存里只写第 `position` 格，别的都不动。",
        "You clear the slots after `position`. Only slot `position` of the caches is written, nothing else changes.",
    )
)
def rest_cleared(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    for cache in (cache_k, cache_v):
        cache[:, :, position + 1 :] = 0
    return attend(q, *seen(cache_k, cache_v, position))


@variant
def fused_kernel(q, k, v, cache_k, cache_v, position):
    store(k, v, cache_k, cache_v, position)
    return F.scaled_dot_product_attention(q, *seen(cache_k, cache_v, position))


@variant
def whole_cache_with_a_mask(q, k, v, cache_k, cache_v, position):
    where = torch.tensor([position])
    cache_k.index_copy_(2, where, k)
    cache_v.index_copy_(2, where, v)
    hidden = torch.arange(cache_k.shape[2]) > position
    scores = (q @ cache_k.mT * q.shape[-1] ** -0.5).masked_fill(hidden, float("-inf"))
    return scores.softmax(-1) @ torch.where(hidden[:, None], 0.0, cache_v)


@variant
def by_einsum(q, k, v, cache_k, cache_v, position):
    cache_k[:, :, position].copy_(k.squeeze(2))
    cache_v[:, :, position].copy_(v.squeeze(2))
    keys, values = seen(cache_k, cache_v, position)
    weights = torch.einsum("bhtd,bhsd->bhts", q / q.shape[-1] ** 0.5, keys).float().softmax(-1).to(q.dtype)
    return torch.einsum("bhts,bhsd->bhtd", weights, values)


@variant
def copies_for_the_product(q, k, v, cache_k, cache_v, position):
    out = attend(q, torch.cat([cache_k[:, :, :position], k], 2), torch.cat([cache_v[:, :, :position], v], 2))
    store(k, v, cache_k, cache_v, position)
    return out
