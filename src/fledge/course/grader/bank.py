"""What a grader is graded with: mistakes that it must reject and right answers that it must accept.

`bank.py` of an exercise holds functions with the arguments of the exercise:

    @mistake(Text("…", "…"))                  # the text is what a learner reads who made this very mistake
    def mean_subtracted(x, weight, eps): ...  # the function's name is the misconception's id

    @variant
    def with_einsum(x, weight, eps): ...

Where an exercise has several functions, `function="bpe_decode"` names the one that is replaced; the others come from the solution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from fledge.lang import Text


@dataclass(frozen=True)
class Implementation:
    """One implementation of the bank: a mistake has a text, a variant has none."""

    name: str
    function: str | None  # the function of the exercise that it replaces; None: the only one
    call: Callable[..., Any]
    text: Text | None = None


@dataclass(frozen=True)
class Bank:
    mistakes: tuple[Implementation, ...]
    variants: tuple[Implementation, ...]


def mistake(text: Text, function: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a wrong implementation; `text` tells the learner who wrote it what is wrong."""
    return lambda call: _mark(call, text, function)


def variant(call: Callable[..., Any] | None = None, *, function: str | None = None) -> Any:
    """Mark a right implementation that is written differently."""
    return (lambda call: _mark(call, None, function)) if call is None else _mark(call, None, function)


def collect(module: ModuleType) -> Bank:
    """The entries of a `bank.py`, in the order of the file."""
    entries = [value.fledge_entry for value in vars(module).values() if hasattr(value, "fledge_entry")]
    return Bank(
        tuple(entry for entry in entries if entry.text is not None),
        tuple(entry for entry in entries if entry.text is None),
    )


def _mark(call: Callable[..., Any], text: Text | None, function: str | None) -> Callable[..., Any]:
    call.fledge_entry = Implementation(call.__name__, function, call, text)  # type: ignore[attr-defined]
    return call
