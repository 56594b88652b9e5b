"""What a learner's function called while it ran: the reference itself, or a library call that the task rules out.

Such an answer passes, because whoever learns alone may try anything; but the record says how it passed. Python tells a
profile hook of every call (also those into C), so this is what happened, and not what the source looks like. It is no
prison: a thread of the learner's own, or another hook, is not seen.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fledge.course.book import book_root

PACKAGE = Path(__file__).resolve().parents[2]
GRADER = PACKAGE / "course"
BOOK_FILES = ("solution.py", "bank.py", "checks.py")


class Watch:
    """`calls` are the names of what was called, each once, in that order."""

    def __init__(self, forbidden: Iterable[str], own: str) -> None:
        """`forbidden`: dotted names (torch.softmax, torch.Tensor.softmax); `own` is the learner's file."""
        self.calls: list[str] = []
        self._own = own
        things = {name: resolved(name) for name in forbidden}
        self._codes: dict[CodeType, str | None] = {
            thing.__code__: name for name, thing in things.items() if hasattr(thing, "__code__")
        }
        self._in_c = {name: thing for name, thing in things.items() if not hasattr(thing, "__code__")}
        self._names_in_c = {thing.__name__ for thing in self._in_c.values()}

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, watched while it runs."""

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            before = sys.getprofile()
            sys.setprofile(self._hook)
            try:
                return function(*args, **kwargs)
            finally:
                sys.setprofile(before)

        return watched

    def _hook(self, frame: FrameType, event: str, arg: Any) -> None:
        name = None
        if event == "call":
            code = frame.f_code
            if code not in self._codes:
                self._codes[code] = self._ours(code, frame.f_globals.get("__name__", ""))
            name = self._codes[code]
        elif event == "c_call" and arg.__name__ in self._names_in_c:
            name = next((name for name, thing in self._in_c.items() if _is(arg, thing)), None)
        caller = frame.f_back if event == "call" else frame
        if name is not None and name not in self.calls and not self._inside(caller):
            self.calls.append(name)

    def _inside(self, frame: FrameType | None) -> bool:
        """Whether a call is made by something that is named already: what that calls in turn is not the learner's doing."""
        while frame is not None:
            if self._codes.get(frame.f_code) is not None:
                return True
            frame = frame.f_back
        return False

    def _ours(self, code: CodeType, module: str) -> str | None:
        """The name of a function of this package, or of the book's own files; None for everything else."""
        if code.co_filename == self._own or code.co_filename.startswith("<"):
            return None
        file = Path(code.co_filename)
        if file.is_relative_to(PACKAGE) and not file.is_relative_to(GRADER):
            return f"{module}.{code.co_name}"
        if file.name in BOOK_FILES and file.is_relative_to(book_root()):
            return f"{file.parent.name}/{file.name}: {code.co_name}"
        return None


def resolved(name: str) -> Any:
    """What a dotted name stands for; AttributeError or ImportError when there is no such thing."""
    module, _, rest = name.partition(".")
    thing: Any = importlib.import_module(module)
    for part in rest.split("."):
        thing = getattr(thing, part)
    return thing


def _is(called: Any, thing: Any) -> bool:
    """Whether a C function that is called is that one. A method is called bound to its tensor."""
    if called == thing:
        return True
    owner = getattr(thing, "__objclass__", None)  # of a method that is bound to nothing yet
    return owner is not None and called.__name__ == thing.__name__ and isinstance(called.__self__, owner)
