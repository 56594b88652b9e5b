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

from fledge.lang import Text

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
        return Text(f"形状 {shape} 的 {dtype} 张量", f"a {dtype} tensor of shape {shape}")
    if value is None:
        return Text("None", "None")
    return Text(f"{type(value).__name__}", f"a {type(value).__name__}")


def _first(differences: Any) -> Unlike | None:
    return next((difference for difference in differences if difference is not None), None)


def _tensors(got: Any, want: Any, tolerance: Tolerance, place: str) -> Unlike | None:
    if not isinstance(got, Tensor) or not isinstance(want, Tensor):
        return _kind(got, want, place)
    if got.shape != want.shape:
        zh = f"{_of(place).zh}形状是 {list(got.shape)}，应当是 {list(want.shape)}。"
        return Unlike("contract", Text(zh, f"{_of(place).en}shape is {list(got.shape)}, wanted {list(want.shape)}."))
    if got.dtype != want.dtype:
        a, b = (str(tensor.dtype).removeprefix("torch.") for tensor in (got, want))
        return Unlike(
            "contract", Text(f"{_of(place).zh}dtype 是 {a}，应当是 {b}。", f"{_of(place).en}dtype is {a}, wanted {b}.")
        )
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
    zh = f"{difference.message.zh}（{of} 个数里有 {count} 个不对）"
    return Unlike(kind, Text(zh, f"{difference.message.en} ({count} of {of} numbers are wrong)"))


def _floats(got: float, want: float, tolerance: Tolerance, place: str) -> Unlike | None:
    if not math.isfinite(want) or not math.isfinite(got):
        same = got == want or (math.isnan(got) and math.isnan(want))
        return None if same else _value(place, *_pair(got, want), "finite")
    if abs(got - want) <= tolerance.limit(max(abs(want), 1.0), torch.float64):
        return None
    return _value(place, *_pair(got, want))


def _value(place: str, got: str, want: str, kind: str = "value") -> Unlike:
    where = Text(f"位置 {place}：" if place else "", f"at {place}: " if place else "")
    return Unlike(kind, Text(f"{where.zh}得到 {got}，应当是 {want}。", f"{where.en}got {got}, wanted {want}."))


def _kind(got: Any, want: Any, place: str) -> Unlike:
    a, b, of = named(got), named(want), _of(place)
    return Unlike("contract", Text(f"{of.zh}类型是 {a.zh}，应当是{b.zh}。", f"{of.en}kind is {a.en}, wanted {b.en}."))


def _length(got: Any, want: Any, place: str) -> Unlike:
    of, (a, b) = _of(place), (_shown(got), _shown(want))
    zh = f"{of.zh}长度是 {len(got)}，应当是 {len(want)}：得到 {a}，应当是 {b}。"
    return Unlike("value", Text(zh, f"{of.en}length is {len(got)}, wanted {len(want)}: got {a}, wanted {b}."))


def _keys(got: Any, want: Any, place: str) -> Unlike:
    missing = [key for key in want if key not in got]
    extra = [key for key in got if key not in want]
    parts_zh = [f"缺少键 {missing[0]!r}"] * bool(missing) + [f"多了键 {extra[0]!r}"] * bool(extra)
    parts_en = [f"the key {missing[0]!r} is missing"] * bool(missing) + [f"the key {extra[0]!r} is too many"] * bool(
        extra
    )
    of = _of(place)
    zh = f"{of.zh}键不对：{'，'.join(parts_zh)}。"
    return Unlike("value", Text(zh, f"{of.en}keys are wrong: {', '.join(parts_en)}."))


def _of(place: str) -> Text:
    return Text(f"{place} 的" if place else "结果的", f"at {place}: the " if place else "the result's ")


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
