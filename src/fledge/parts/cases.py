"""What a part is tried on before it may train: inputs as a model of this shape makes them, in the layout they have there.

Letters as in reference.py. The numbers are random, but their sizes are those of a model: normalised activations, scores of
a few units, weights of about 0.02.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies, rope_tables

B, T = 2, 24
SCHEDULES = ("linear", "cosine", "wsd", "constant")


@dataclass(frozen=True)
class PartCase:
    """One call. `make` draws its arguments, the same ones for the same generator.

    Attributes:
        grads: arguments whose gradients are compared; mutates: those that the part changes in place.
        length: number of terms that are added up in one result, by whose square root rounding grows.
        stable: for a choice that rounding can tip over: True for the rows in which it cannot.
    """

    name: str
    make: Callable[[torch.Generator], tuple[Any, ...]]
    kwargs: dict[str, Any] = field(default_factory=dict)
    grads: tuple[int, ...] = ()
    mutates: tuple[int, ...] = ()
    length: int = 1
    stable: Callable[..., Tensor] | None = None


def cases(part: str, shape: ModelConfig, dtype: torch.dtype, schedule: str | None = None) -> list[PartCase]:
    """The cases of a part for a model of this shape that computes in `dtype`; `schedule` is that of the run, if it is known."""
    if part == "lr_at":
        return list(_lr_at(schedule))
    return list(MAKERS[part](shape, dtype))


def normal(rng: torch.Generator, *size: int, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Tensor:
    return (torch.randn(size, generator=rng) * scale).to(dtype)


def _rms_norm(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    D, eps = shape.hidden_size, shape.rms_norm_eps

    def make(*size: int, scale: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        return lambda rng: (normal(rng, *size, dtype=dtype, scale=scale), 1 + normal(rng, size[-1], scale=0.1), eps)

    yield PartCase(f"[{B}, {T}, {D}]", make(B, T, D, scale=1.0), grads=(0, 1), length=D)
    yield PartCase(f"[{B}, {T}, {D}]" + _(", small numbers"), make(B, T, D, scale=0.003), grads=(0, 1), length=D)
    yield PartCase(f"[{B}, {T}, {D}]" + _(", large numbers"), make(B, T, D, scale=300.0), grads=(0, 1), length=D)
    heads = (B, T, shape.num_attention_heads, shape.head_dim or 2)
    yield PartCase(f"{list(heads)}", make(*heads, scale=3.0), grads=(0, 1), length=heads[-1])


def _apply_rope(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    H, D = shape.num_attention_heads, shape.head_dim or 2
    frequencies, factor = rope_frequencies(shape)

    def make(positions: Tensor) -> Callable[[torch.Generator], tuple[Any, ...]]:
        tables = rope_tables(frequencies, positions, factor, dtype)
        rows = positions.shape[-1]
        return lambda rng: (normal(rng, B, rows, H, D, dtype=dtype).transpose(1, 2), *tables)

    yield PartCase(f"[{B}, {H}, {T}, {D}]", make(torch.arange(T)), grads=(0,))
    packed = torch.stack([torch.arange(T), torch.arange(T) % 7])
    yield PartCase(_("positions of packed rows"), make(packed), grads=(0,))
    yield PartCase(_("one new token each, far on"), make(torch.tensor([[300], [77]])))


def _attention(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    H, G, D = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim or 2
    segment = torch.stack([torch.arange(T) // 9, (torch.arange(T) > 4).long()])
    same = (segment[:, :, None] == segment[:, None, :]) & (torch.arange(T)[:, None] >= torch.arange(T))
    packed = torch.zeros((), dtype=dtype).masked_fill(~same, float("-inf"))[:, None]
    seen = torch.arange(T) <= torch.tensor([[T - 1], [T - 8]])  # a cache whose rows have different lengths

    def make(queries: int, mask: Tensor | None, scale: float = 1.0) -> Callable[[torch.Generator], tuple[Any, ...]]:
        def draw(rng: torch.Generator) -> tuple[Any, ...]:
            q = normal(rng, B, queries, H, D, dtype=dtype, scale=scale).transpose(1, 2)
            k = normal(rng, B, T, G, D, dtype=dtype).transpose(1, 2)
            v = normal(rng, B, T, G, D, dtype=dtype).transpose(1, 2)
            return q, k, v, mask

        return draw

    size = _("{H} heads over {G}").format(H=H, G=G)
    yield PartCase(size + _(", causal"), make(T, None), grads=(0, 1, 2), length=D + T)
    yield PartCase(size + _(", packed rows"), make(T, packed), grads=(0, 1, 2), length=D + T)
    yield PartCase(size + _(", large scores"), make(T, None, 6.0), grads=(0, 1, 2), length=D + T)
    yield PartCase(_("one new token over a cache"), make(1, None), length=D + T)
    yield PartCase(
        _("one new token, rows of different length"),
        make(1, seen[:, None, None]),
        length=D + T,
    )


def _swiglu(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    size = (B, T, shape.intermediate_size)
    yield PartCase(
        f"{list(size)}",
        lambda rng: (normal(rng, *size, dtype=dtype, scale=2.0), normal(rng, *size, dtype=dtype)),
        grads=(0, 1),
    )


def _route_tokens(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    E, k = (shape.num_experts, shape.num_experts_per_tok) if shape.num_experts else (8, 2)

    def make(normalise: bool) -> Callable[[torch.Generator], tuple[Any, ...]]:
        # all logits of a token differ: which of two equal ones is taken is nobody's mistake
        return lambda rng: (
            (torch.rand(B * T, E, generator=rng).argsort(-1) / 4 + normal(rng, B * T, 1)).to(dtype),
            k,
            normalise,
        )

    for normalise in (True, False):
        how = _(", normalised") if normalise else _(", not normalised")
        yield PartCase(_("{k} of {E} experts").format(k=k, E=E) + how, make(normalise), grads=(0,), length=E)


def _cross_entropy(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    N, V = B * T, shape.vocab_size

    def make(ignored: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        def draw(rng: torch.Generator) -> tuple[Any, ...]:
            targets = torch.randint(V, (N,), generator=rng)
            targets[torch.rand(N, generator=rng) < ignored] = -100
            return normal(rng, N, V, dtype=dtype, scale=3.0), targets

        return draw

    yield PartCase(_("{N} tokens of {V}").format(N=N, V=V), make(0.0), grads=(0,), length=V + N)
    yield PartCase(_("{N} tokens, some of them -100").format(N=N), make(0.4), grads=(0,), length=V + N)


def _kd_loss(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    N, V = B * T, shape.vocab_size

    def make(temperature: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        return lambda rng: (
            normal(rng, N, V, dtype=dtype, scale=3.0),
            normal(rng, N, V, dtype=dtype, scale=3.0),
            temperature,
        )

    yield PartCase(_("{N} tokens of {V}").format(N=N, V=V), make(1.0), grads=(0,), length=V + N)
    yield PartCase(_("{N} tokens, softened").format(N=N), make(2.5), grads=(0,), length=V + N)


def _clip_gradients(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    sizes = [(shape.hidden_size, 64), (shape.vocab_size, 4), (shape.hidden_size,)]
    count = sum(math.prod(size) for size in sizes)

    def make(scale: float, limit: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        return lambda rng: ([normal(rng, *size, scale=scale) for size in sizes], limit)

    for words, scale, limit in (
        (_("a norm above the limit"), 1.0, 1.0),
        (_("a norm below the limit"), 0.1 / count**0.5, 1.0),
        (_("no limit"), 1.0, float("inf")),
        (_("gradients of 0"), 0.0, 1.0),
    ):
        yield PartCase(words, make(scale, limit), mutates=(0,), length=64)


def _adamw_step(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    for words, size, step, decay in (
        (_("the first step"), (shape.hidden_size, 16), 1, 0.0),
        (_("step 40, with decay"), (shape.hidden_size, 16), 40, 0.1),
        (_("a vector"), (shape.hidden_size,), 7, 0.0),
    ):

        def draw(rng: torch.Generator, size: tuple[int, ...] = size, step: int = step) -> tuple[Any, ...]:
            moments = [normal(rng, *size, scale=0.01), normal(rng, *size, scale=0.01).square()]
            if step == 1:
                moments = [torch.zeros(size), torch.zeros(size)]
            return normal(rng, *size, scale=0.02), normal(rng, *size, scale=0.01), *moments, step

        rates = {"lr": 0.01, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": decay}
        yield PartCase(words, draw, rates, mutates=(0, 2, 3))


def _lr_at(schedule: str | None) -> Iterator[PartCase]:
    def make(progress: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        return lambda _: (progress,)

    for name in (schedule,) if schedule else SCHEDULES:
        for warmup in (0.02, 0.0):
            for progress in (0.0, 0.011, 0.02, 0.3, 0.69, 0.85, 1.0):
                words = _("{name}, warm-up {warmup}, progress {progress}").format(
                    name=name, warmup=warmup, progress=progress
                )
                yield PartCase(words, make(progress), {"warmup": warmup, "schedule": name})


def _sft_targets(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    def make(length: int, share: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        return lambda rng: (
            torch.randint(shape.vocab_size, (length,), generator=rng),
            torch.rand(length, generator=rng) < share,
        )

    yield PartCase(_("half of the tokens are answers"), make(40, 0.5))
    yield PartCase(_("all are answers"), make(9, 1.1))
    yield PartCase(_("none is an answer"), make(9, -1.0))
    yield PartCase(_("one token"), make(1, 1.1))


def _sample(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    from fledge.parts import REFERENCE

    V = shape.vocab_size
    rows = max(4, min(64, 500_000 // V))

    def draw(rng: torch.Generator) -> tuple[Any, ...]:
        return normal(rng, rows, V, scale=3.0), torch.rand(rows, generator=rng)

    def stable(logits: Tensor, uniform: Tensor, **settings: Any) -> Tensor:
        """Rows whose token stays the same when everything moves by a hundred-thousandth."""
        want = REFERENCE.sample(logits, uniform, **settings)
        sure = torch.ones(rows, dtype=torch.bool, device=want.device)
        for nudge in (1 - 1e-5, 1 + 1e-5):
            moved = (uniform * nudge).clamp(max=1 - 1e-7)
            sure &= REFERENCE.sample(logits * nudge, moved, **settings) == want
            sure &= REFERENCE.sample(logits, moved, **settings) == want
        return sure

    for settings in (
        {"temperature": 1.0},
        {"temperature": 0.7, "top_k": 20},
        {"temperature": 0.8, "top_p": 0.9},
        {"temperature": 1.3, "min_p": 0.05},
        {"temperature": 0.9, "top_k": 50, "top_p": 0.95, "min_p": 0.01},
    ):
        words = ", ".join(f"{name} {value}" for name, value in settings.items())
        yield PartCase(words, draw, settings, stable=stable)


def _dpo_loss(shape: ModelConfig, dtype: torch.dtype) -> Iterator[PartCase]:
    def make(size: int, scale: float, beta: float) -> Callable[[torch.Generator], tuple[Any, ...]]:
        return lambda rng: (*(normal(rng, size, scale=scale) - 4 * scale for _ in range(4)), beta)

    yield PartCase(_("pairs of answers"), make(9, 8.0, 0.1), grads=(0, 1))
    yield PartCase(_("one pair"), make(1, 1.0, 0.5), grads=(0, 1))
    yield PartCase(_("answers that are far apart"), make(5, 200.0, 1.0), grads=(0, 1))


MAKERS: dict[str, Callable[[ModelConfig, torch.dtype], Iterator[PartCase]]] = {
    "rms_norm": _rms_norm,
    "apply_rope": _apply_rope,
    "attention": _attention,
    "swiglu": _swiglu,
    "route_tokens": _route_tokens,
    "cross_entropy": _cross_entropy,
    "kd_loss": _kd_loss,
    "clip_gradients": _clip_gradients,
    "adamw_step": _adamw_step,
    "sft_targets": _sft_targets,
    "sample": _sample,
    "dpo_loss": _dpo_loss,
}
