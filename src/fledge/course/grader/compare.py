"""Is a result the one that is wanted? Kind, shape and dtype exactly; floating numbers within their rounding errors.

|got - want| <= eps(dtype) * sqrt(length) * max(slack * max|want|, ROUNDINGS * floor), `length` being the number of terms
that are added up: the tolerance grows and shrinks with the quantity, so that a small quantity cannot hide a large mistake.

A true 0 that comes of terms which cancel needs the floor, the size of those terms: their rounding errors remain, and they
differ from processor to processor. A Python float has a scale of at least 1 (cos(pi / 2) is not exactly 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fledge.lang import Text, both

ROUNDINGS = 8  # errors of up to 2.1 were seen in 60 attempts of right answers, with AVX-512, AVX2 and plain kernels


@dataclass(frozen=True)
class Unlike:
    """How a value differs. kind: "contract", "value" or "finite" (inf or nan stand in other places)."""

    kind: str
    message: Text


@dataclass(frozen=True)
class Tolerance:
    slack: float
    length: int
    precision: torch.dtype | None = None  # of the computation, when it is coarser than the dtype of the result
    floor: float = 0.0  # the size of the terms that the result is made of, where they may cancel

    def limit(self, scale: float, dtype: torch.dtype) -> float:
        eps = max(torch.finfo(dtype).eps, torch.finfo(self.precision).eps if self.precision else 0.0)
        return eps * math.sqrt(self.length) * max(self.slack * scale, ROUNDINGS * self.floor)


def unlike(got: Any, want: Any, tolerance: Tolerance, place: str = "") -> Unlike | None:
    """The first difference, or None."""
    if isinstance(want, Tensor) or isinstance(got, Tensor):
        return _tensors(got, want, tolerance, place)
    if isinstance(want, float):
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            return _kind(got, want, place)
        return _floats(got, want, tolerance, place)
    if type(got) is not type(want):
        return _kind(got, want, place)
    if isinstance(want, dict):
        if got.keys() != want.keys():
            return _keys(got, want, place)
        return _first(unlike(got[key], want[key], tolerance, f"{place}[{key!r}]") for key in want)
    if isinstance(want, (list, tuple)):
        if len(got) != len(want):
            return _length(got, want, place)
        return _first(unlike(a, b, tolerance, f"{place}[{i}]") for i, (a, b) in enumerate(zip(got, want)))
    if got != want:
        return _value(place, _shown(got), _shown(want))
    return None


def named(value: Any) -> Text:
    """What kind of thing a value is, for a sentence."""
    if isinstance(value, Tensor):
        dtype, shape = str(value.dtype).removeprefix("torch."), list(value.shape)
        return both("a {dtype} tensor of shape {shape}", dtype=dtype, shape=shape)
    if value is None:
        return Text("None", "None")
    return Text(f"{type(value).__name__}", f"a {type(value).__name__}")


def _first(differences: Any) -> Unlike | None:
    return next((difference for difference in differences if difference is not None), None)


def _tensors(got: Any, want: Any, tolerance: Tolerance, place: str) -> Unlike | None:
    if not isinstance(got, Tensor) or not isinstance(want, Tensor):
        return _kind(got, want, place)
    if got.shape != want.shape:
        return Unlike(
            "contract",
            both(
                "{of}shape is {shape}, wanted {want_shape}.",
                of=_of(place),
                shape=list(got.shape),
                want_shape=list(want.shape),
            ),
        )
    if got.dtype != want.dtype:
        a, b = (str(tensor.dtype).removeprefix("torch.") for tensor in (got, want))
        return Unlike("contract", both("{of}dtype is {a}, wanted {b}.", of=_of(place), a=a, b=b))
    if want.dtype.is_complex:
        got, want = torch.view_as_real(got.resolve_conj()), torch.view_as_real(want.resolve_conj())
    if not want.dtype.is_floating_point:
        return _at(got, want, got != want, "value", place)
    a, b = got.double(), want.double()
    finite = b.isfinite()
    # inf must stand where inf is wanted, with its sign; nan where nan is
    other = torch.where(finite, ~a.isfinite(), ~((a == b) | (a.isnan() & b.isnan())))
    if other.any():
        return _at(got, want, other, "finite", place)
    scale = b[finite].abs().max().item() if finite.any() else 0.0
    error = torch.where(finite, (a - b).abs(), torch.zeros_like(b))
    return _at(got, want, error > tolerance.limit(scale, want.dtype), "value", place)


def _at(got: Tensor, want: Tensor, wrong: Tensor, kind: str, place: str) -> Unlike | None:
    """The first wrong element of two tensors, and how many there are."""
    if not wrong.any():
        return None
    index = tuple(wrong.nonzero()[0].tolist())
    place = f"{place}[{', '.join(map(str, index))}]" if index else place
    difference = _value(place, *_pair(got[index].item(), want[index].item()), kind)
    count, of = int(wrong.sum()), wrong.numel()
    if of == 1:
        return difference
    return Unlike(
        kind, both("{message} ({count} of {of} numbers are wrong)", message=difference.message, count=count, of=of)
    )


def _floats(got: float, want: float, tolerance: Tolerance, place: str) -> Unlike | None:
    if not math.isfinite(want) or not math.isfinite(got):
        same = got == want or (math.isnan(got) and math.isnan(want))
        return None if same else _value(place, *_pair(got, want), "finite")
    if abs(got - want) <= tolerance.limit(max(abs(want), 1.0), torch.float64):
        return None
    return _value(place, *_pair(got, want))


def _value(place: str, got: str, want: str, kind: str = "value") -> Unlike:
    if not place:
        return Unlike(kind, both("got {got}, wanted {want}.", got=got, want=want))
    return Unlike(kind, both("at {place}: got {got}, wanted {want}.", place=place, got=got, want=want))


def _kind(got: Any, want: Any, place: str) -> Unlike:
    a, b, of = named(got), named(want), _of(place)
    return Unlike("contract", both("{of}kind is {a}, wanted {b}.", of=of, a=a, b=b))


def _length(got: Any, want: Any, place: str) -> Unlike:
    of, (a, b) = _of(place), (_shown(got), _shown(want))
    return Unlike(
        "value",
        both(
            "{of}length is {length}, wanted {want_length}: got {a}, wanted {b}.",
            of=of,
            length=len(got),
            want_length=len(want),
            a=a,
            b=b,
        ),
    )


def _keys(got: Any, want: Any, place: str) -> Unlike:
    missing = [key for key in want if key not in got]
    extra = [key for key in got if key not in want]
    of = _of(place)
    if missing and extra:
        return Unlike(
            "value",
            both(
                "{of}keys are wrong: the key {missing!r} is missing, the key {extra!r} is too many.",
                of=of,
                missing=missing[0],
                extra=extra[0],
            ),
        )
    if missing:
        return Unlike("value", both("{of}keys are wrong: the key {missing!r} is missing.", of=of, missing=missing[0]))
    return Unlike("value", both("{of}keys are wrong: the key {extra!r} is too many.", of=of, extra=extra[0]))


def _of(place: str) -> Text:
    return both("at {place}: the ", place=place) if place else both("the result's ")


def _pair(got: Any, want: Any) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart."""
    for digits in (6, 9, 17):
        a, b = (f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in (got, want))
        if a != b:
            break
    return a, b


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
