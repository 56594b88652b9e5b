"""The learner's process: `python -m fledge.course.grader.child`. It loads one file and answers calls; it judges nothing.

Requests come on standard input, answers leave on standard output, as bodies of `wire`. The learner's code sees neither:
its standard input is empty, and what it prints goes to standard error, which the parent has tied to a file.
"""

from __future__ import annotations

import inspect
import os
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

ANSWER_BYTES = 64 * 2**20  # results may be that large, or four times as large as the request


def main() -> int:
    requests, answers = _take_the_pipes()
    import ctypes  # noqa: F401  (imported before the guard: it opens libraries)

    import numpy  # noqa: F401
    import torch

    from fledge.course.grader.wire import decode, encode, receive, send

    torch.set_num_threads(1)
    _warm_up()
    send(answers, encode({"pid": os.getpid()}))
    learner: Learner | None = None
    while (body := receive(requests)) is not None:
        message = decode(body)
        if message["do"] == "load":
            learner = Learner(message["path"], message["bank"], message["forbidden"])
            _confine(message["memory_mb"], message["seconds"])
            answer = encode({"error": learner.load(message["source"])})
        else:
            assert learner is not None
            answer = learner.call(message["request"], max(ANSWER_BYTES, 4 * len(body)))
        send(answers, answer)
    return 0


class Learner:
    """The file of the learner as a module, and its functions."""

    def __init__(self, path: str, bank: str | None = None, forbidden: Iterable[str] = ()) -> None:
        from fledge.course.grader.watching import Watch

        self.path = path
        self.watch = Watch(forbidden, path)
        self.module = types.ModuleType(Path(path).stem)
        self.module.__file__ = path
        self.bank = {} if bank is None else _implementations(bank)  # what the learner's `check` is given
        sys.modules[self.module.__name__] = self.module  # dataclasses look their module up
        sys.path.append(str(Path(path).parent))  # earlier exercises can be imported; nothing of Python is hidden

    def load(self, source: bytes) -> dict[str, Any] | None:
        """Run the file; the error that it raised, as data."""
        from fledge.course.grader.measuring import describe

        try:
            exec(compile(source, self.path, "exec", dont_inherit=True), vars(self.module))
        except BaseException as error:
            return describe(error, self.path)
        return None

    def call(self, request: dict[str, Any], limit: int) -> bytes:
        """The answer to one request, ready to send."""
        from fledge.course.grader.measuring import CallResult, Request, answer_bytes, describe, measure

        names = request.pop("check", None)
        asked = Request(**request)
        function: Any = getattr(self.module, asked.function, None)
        args = asked.args if names is None else tuple(self.bank[name] for name in names)
        answer = _unfit(self.module, function, args, asked.kwargs)
        try:
            if answer is None and names is None:
                answer = measure(function, asked, file=self.path, watch=self.watch)
            elif answer is None:  # a reverse exercise: check([the implementation under test])
                answer = self._check(function, args, asked.seed)
            return answer_bytes(answer, limit)
        except MemoryError as error:  # there was enough for the call, but not for sending its result
            return answer_bytes(CallResult(error=describe(error, self.path)), limit)

    def _check(self, function: Any, implementations: tuple[Any, ...], seed: int) -> Any:
        import torch

        from fledge.course.grader.measuring import CallResult, describe

        torch.default_generator.manual_seed(seed)
        try:
            function(*implementations)
        except BaseException as error:
            return CallResult(error=describe(error, self.path))
        return CallResult(value=True)


def _take_the_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Move the protocol to descriptors of its own; leave the learner an empty input, and a file to print into."""
    sys.dont_write_bytecode = True
    requests, answers = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (requests, answers):
            msvcrt.setmode(descriptor, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _confine(memory_mb: int, seconds: float) -> None:
    """From here on the learner's code runs, within its limits."""
    from fledge.course.grader.guard import guard
    from fledge.course.grader.limits import limit_self

    limit_self(memory_mb, seconds)
    guard(Path.cwd())


def _warm_up() -> None:
    """Let torch import what it imports late, before the guard forbids some of it and the clock runs."""
    import torch

    from fledge.course.grader.measuring import Request, measure

    one = torch.ones(2, 2)
    measure(lambda x: (x @ x).softmax(-1), Request("", (one,), cotangents=[one], cost=True, saved=True))


def _unfit(module: types.ModuleType, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An answer that says why the call cannot be made, or None."""
    from fledge.course.grader.measuring import CallResult

    if not callable(function):
        there = [
            name
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        return CallResult(error={"type": "Missing", "message": " ".join(there), "line": None, "text": ""})
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin tells no signature
        return None
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        words = f"({', '.join(signature.parameters)})"
        return CallResult(error={"type": "Signature", "message": words, "line": None, "text": ""})
    return None


def _implementations(folder: str) -> dict[str, Callable[..., Any]]:
    """Every implementation of an exercise under a name that does not tell right from wrong."""
    from fledge.course.exercise import read

    exercise = read(Path(folder))
    found: dict[str, Callable[..., Any]] = {}
    for number, (_, functions) in enumerate(exercise.implementations()):
        for name, call in functions.items():
            found[f"{number}/{name}"] = _anonymous(call, name)
    return found


def _anonymous(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def implementation(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    implementation.__name__ = implementation.__qualname__ = name
    implementation.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    return implementation


if __name__ == "__main__":
    sys.exit(main())
