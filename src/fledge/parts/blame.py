"""Whose fault was it? The same rows once more, with one of the learner's parts after the other replaced by the reference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from fledge.lang import N_, Text, _, commas
from fledge.parts.learner import MyPart, PartError, stop

FLAKY = N_("it did not happen again on the same rows, so one of them does not always give the same")
SEVERAL = N_("no single one is to blame, but with the reference in all places all is well")


def blame(mine: Sequence[MyPart], works: Callable[[], bool], what: str) -> PartError | None:
    """The part whose replacement makes `works()` true; None when it is none of them. `what` says what went wrong.

    `works` does again what went wrong. It is asked with everything in place first: a part that fails only now and then
    cannot be found in this way, and that is said of all of them together.
    """
    if not mine:
        return None
    policies = [part.on_failure for part in mine]
    for part in mine:
        part.on_failure = stop
    try:
        if works():
            return _together(mine, what, FLAKY)
        guilty = []
        for part in mine:
            with part.aside():
                if works():
                    guilty.append(part)
        if guilty:
            return _named(guilty, what)
        with contextlib.ExitStack() as stack:
            for part in mine:
                stack.enter_context(part.aside())
            return _together(mine, what, SEVERAL) if works() else None
    finally:
        for part, policy in zip(mine, policies):
            part.on_failure = policy


def _named(guilty: list[MyPart], what: str) -> PartError:
    first = guilty[0]
    others = [part.name for part in guilty[1:]]
    also = _(" (or {others})").format(others=commas(others)) if others else ""
    said = _("{what}; on the same rows, with the reference in its place{also}, all is well").format(
        what=what, also=also
    )
    return PartError(first.name, said, first.file)


def _together(mine: Sequence[MyPart], what: str, why: Text) -> PartError:
    names = commas(part.name for part in mine)
    return PartError(names, _("{what}; {why}").format(what=what, why=why), Path(mine[0].file).parent)
