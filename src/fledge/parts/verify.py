"""Parity: a learner's part beside the reference on the inputs of cases.py — values, dtypes, shapes, gradients.

The grader of an exercise asks whether a function is right; this asks whether this model, in this precision, can train on it
and give the losses that it would have given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.parts import Parts
from fledge.parts.cases import PartCase, cases
from fledge.parts.learner import MyPart, PartError, in_words, line_in, yours
from fledge.parts.table import PARTS

SLACK = 16  # roundings that a result may be away from the reference's, times the square root of the case's length
SLACK_HALF = 4  # in bf16 and fp16 products add up in fp32, so that a result is rounded a few times whatever its length
SEED = 20260101
Kind = Literal["result", "argument", "gradient"]


@dataclass(frozen=True)
class Comparison:
    """One comparison. `difference` and `allowed` are shares of the largest number that is right; `wrong` says what is not
    as it should be, "" when all is well."""

    part: str
    case: str
    dtype: str
    what: str
    difference: float
    allowed: float
    wrong: str = ""
    line: int = 0


def verify(
    parts: Parts, shape: ModelConfig, dtype: torch.dtype, device: torch.device, schedule: str | None = None
) -> None:
    """Try the learner's parts in fp32 and in the run's own dtype. The first difference is handed to the part's
    `on_failure`: a PartError, or the reference in its place."""
    for part in yours(parts):
        if part.name == "lr_at" and schedule == "minimind":
            part.replaced = _("the schedule minimind is not in the exercise")
            continue
        checks = check_part(part, shape, (torch.float32, dtype), device, schedule)
        if failed := next((check for check in checks if check.wrong), None):
            part.on_failure(part, PartError(part.name, in_a_sentence(failed), part.file, failed.line))


def in_a_sentence(check: Comparison) -> str:
    """What differs and where."""
    where = f"{check.case}, {check.dtype}"
    advice = f"`fledge parts verify {check.part}`"
    return _("it differs from the reference ({where}): {wrong}; {advice} shows everything").format(
        where=where, wrong=check.wrong, advice=advice
    )


def check_part(
    part: MyPart,
    shape: ModelConfig,
    dtypes: Iterable[torch.dtype],
    device: torch.device,
    schedule: str | None = None,
) -> Iterator[Comparison]:
    """Every comparison of one part, in each of the dtypes that it meets."""
    for dtype in (torch.float32,) if PARTS[part.name].fp32 else dict.fromkeys(dtypes):
        for case in cases(part.name, shape, dtype, schedule):
            yield from _check(part, case, dtype, device)


def _check(part: MyPart, case: PartCase, dtype: torch.dtype, device: torch.device) -> Iterator[Comparison]:
    name = str(dtype).removeprefix("torch.")
    want = _run(part.reference, case, device)
    try:
        got = _run(part.function, case, device)
    except Exception as error:
        yield Comparison(part.name, case.name, name, "", 0.0, 0.0, in_words(error), line_in(error, part.file))
        return
    arguments = list(inspect.signature(part.reference).parameters)
    for (kind, i), right in want.items():
        if right is None:  # an update in place: nobody reads what it returns
            continue
        what = _label(kind, i, arguments, ("result", 1) in want)
        if (kind, i) not in got:
            yield Comparison(part.name, case.name, name, what, 0.0, 0.0, _("there is no {what}").format(what=what))
            continue
        # the gradient of an fp32 weight has gone through the dtype of the activations
        coarsest = dtype if kind == "gradient" else torch.float32
        difference, allowed, wrong = _compare(got[kind, i], right, case, coarsest)
        yield Comparison(part.name, case.name, name, what, difference, allowed, wrong and what + _(": ") + wrong)


def _label(kind: Kind, i: int, arguments: list[str], several: bool) -> str:
    if kind == "result":
        return _("result {number}").format(number=i + 1) if several else _("result")
    name = arguments[i]
    return _("gradient of {name}").format(name=name) if kind == "gradient" else _("new {name}").format(name=name)


def _run(function: Callable[..., Any], case: PartCase, device: torch.device) -> dict[tuple[Kind, int], Any]:
    """Everything that a call gives: its results, what it changed, and gradients (of a random combination of the result)."""
    rng = torch.Generator().manual_seed(SEED)
    args = _to(case.make(rng), device)
    for i in case.grads:
        args[i].requires_grad_()
    before = _to(case.make(torch.Generator().manual_seed(SEED)), device)
    result = function(*args, **case.kwargs)
    results = result if isinstance(result, (tuple, list)) else (result,)
    outcome: dict[tuple[Kind, int], Any] = {("result", i): value for i, value in enumerate(results)}
    for i, (now, was) in enumerate(zip(args, before)):
        if i in case.mutates:
            outcome["argument", i] = now
        elif not _same(now, was):
            raise ValueError(_("it changed argument {number}").format(number=i + 1))
    if case.grads:
        first = results[0]
        if not isinstance(first, Tensor) or not first.requires_grad:
            raise ValueError(_("no gradient comes through the result"))
        weight = torch.randn(first.shape, generator=rng).to(device, first.dtype)
        found = torch.autograd.grad((first * weight).sum(), [args[i] for i in case.grads], allow_unused=True)
        for i, gradient in zip(case.grads, found):
            outcome["gradient", i] = gradient
    if case.stable and isinstance(result, Tensor):
        sure = case.stable(*args, **case.kwargs)
        outcome["result", 0] = result * sure if result.shape == sure.shape else result
    return outcome


def _compare(got: Any, want: Any, case: PartCase, coarsest: torch.dtype) -> tuple[float, float, str]:
    """(difference, allowed, what is wrong), the first two as shares of the largest number. `coarsest`: a dtype that the
    numbers have gone through."""
    if isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(got) != len(want):
            return 0.0, 0.0, _("{length} tensors were expected").format(length=len(want))
        compared = [_compare(g, w, case, coarsest) for g, w in zip(got, want)]
        return max(compared, key=lambda one: (bool(one[2]), one[0]))
    if not isinstance(want, Tensor):
        return _compare_number(got, want)
    if not isinstance(got, Tensor):
        kind = type(got).__name__
        return 0.0, 0.0, _("a {kind}, not a tensor").format(kind=kind)
    if got.dtype != want.dtype or got.shape != want.shape:
        is_, should = _form(got), _form(want)
        return 0.0, 0.0, _("{is_} instead of {should}").format(is_=is_, should=should)
    if not want.dtype.is_floating_point:
        return _compare_whole(got, want)
    if want.numel() == 0:
        return 0.0, 0.0, ""
    eps = max(torch.finfo(want.dtype).eps, torch.finfo(coarsest).eps)
    slack = SLACK * max(1, case.length) ** 0.5 if eps == torch.finfo(torch.float32).eps else SLACK_HALF
    allowed = slack * eps
    got64, want64 = got.detach().double().cpu(), want.detach().double().cpu()
    if not torch.equal(got64.isfinite(), want64.isfinite()):
        count = int((~got64.isfinite() & want64.isfinite()).sum())
        return 0.0, allowed, _("{count} numbers are nan or infinite").format(count=count)
    largest = max(want64.abs().max().item(), 1e-30)
    difference = ((got64 - want64).abs().max() / largest).item()
    if difference <= allowed:
        return difference, allowed, ""
    off, most = f"{100 * difference:.2g} %", f"{100 * allowed:.2g} %"
    wrong = _("off by up to {off} of the largest number (allowed: {most})").format(off=off, most=most)
    return difference, allowed, wrong


def _compare_number(got: Any, want: Any) -> tuple[float, float, str]:
    allowed = 1e-9
    if isinstance(got, bool) or not isinstance(got, (int, float)):
        kind = type(got).__name__
        return 0.0, allowed, _("a {kind}, not a number").format(kind=kind)
    difference = abs(got - want)
    if difference <= allowed:
        return difference, allowed, ""
    return difference, allowed, _("{got:.6g} instead of {want:.6g}").format(got=got, want=want)


def _compare_whole(got: Tensor, want: Tensor) -> tuple[float, float, str]:
    wrong = int((got != want).sum())
    share = wrong / max(1, want.numel())
    return share, 0.0, _("{wrong} of {size} numbers differ").format(wrong=wrong, size=want.numel()) if wrong else ""


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _to(value: Any, device: torch.device) -> Any:
    """The same on another device; a list of arguments can be written to."""
    if isinstance(value, Tensor):
        return value.to(device)
    return [_to(item, device) for item in value] if isinstance(value, (list, tuple)) else value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a.detach(), b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)
