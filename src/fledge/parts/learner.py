"""The learner's functions in the places of the reference parts: loaded, watched, and named when one of them fails.

This is their code on their machine in their training, so nothing is locked in: it runs as what it is. What is added is
that an error says which part and which line it comes from, and that the reference can take a part's place at any moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import linecache
import math
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import torch
from torch import Tensor

from fledge.device import out_of_memory
from fledge.errors import UserError
from fledge.lang import _, commas
from fledge.parts import REFERENCE, Parts
from fledge.parts.table import PARTS


class PartError(UserError):
    """A part of the learner's that failed. `line` is the line of their file, 0 when unknown."""

    def __init__(self, part: str, what: str, file: Path | str, line: int = 0, advice: str = "") -> None:
        self.part, self.what, self.file, self.line, self.advice = part, what, str(file), line, advice
        name = Path(file).name
        where = _("{name}, line {line}").format(name=name, line=line) if line else name
        said = _("your {part} failed ({where}): {what}.").format(part=part, where=where, what=what)
        super().__init__(_("{said} {advice}").format(said=said, advice=advice) if advice else said)

    def advised(self, advice: str) -> PartError:
        """The same, with what to do now."""
        return PartError(self.part, self.what, self.file, self.line, advice)


Policy = Callable[["MyPart", PartError], None]


def stop(part: MyPart, error: PartError) -> None:
    """What happens when a part fails, if nothing else was asked for."""
    raise error


class MyPart:
    """A learner's function with the reference behind it.

    Attributes:
        replaced: why the reference stands in for it; "" while the function itself is used.
        on_failure: called when it fails; raises, or sees to it that the reference takes its place (`replaced`).
    """

    def __init__(self, name: str, function: Callable[..., Any], file: Path, sha256: str) -> None:
        self.name, self.function, self.file, self.sha256 = name, function, file, sha256
        self.reference: Callable[..., Any] = getattr(REFERENCE, name)
        self.replaced = ""
        self.on_failure: Policy = stop

    def __repr__(self) -> str:
        return f"<{self.name} of {self.file}{' (replaced)' if self.replaced else ''}>"

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """With the reference in its place for a while."""
        before, self.replaced = self.replaced, self.replaced or "aside"
        try:
            yield
        finally:
            self.replaced = before

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.replaced:
            return self.reference(*args, **kwargs)
        changed = [args[i] for i in PARTS[self.name].mutates]
        before = _copies(changed)  # half an update could neither be saved nor redone
        try:
            result = self.function(*args, **kwargs)
        except Exception as error:
            if out_of_memory(error):  # the loop computes in smaller pieces then
                raise
            _restore(changed, before)
            failed = PartError(self.name, in_words(error), self.file, line_in(error, self.file))
            failed.__cause__ = error
        else:
            if not PARTS[self.name].watched or _finite([result, changed]):
                return result
            # What came in may be no number already (a run that diverged, fp16 that overflowed): the reference shows that.
            _restore(changed, before)
            right = self.reference(*args, **kwargs)
            if not _finite([right, changed]):
                return right
            _restore(changed, before)
            what = _("it made nan or infinity where the reference, given the same, makes numbers")
            failed = PartError(self.name, what, self.file)
        self.on_failure(self, failed)
        return self.reference(*args, **kwargs)


def load_parts(files: Mapping[str, Path], *, fallback: bool = False) -> Parts:
    """The reference with the functions of `files` (part -> Python file) in place of its own. With `fallback` a part that
    fails is replaced by the reference, which is said on stderr."""
    mine: dict[str, MyPart] = {}
    for name, file in files.items():
        try:
            mine[name] = MyPart(name, *load_function(file, name))
            mine[name].on_failure = fall_back if fallback else stop
        except PartError as error:
            if not fallback:
                raise
            print(f"  {fallen(error)}", file=sys.stderr)
    return dataclasses.replace(REFERENCE, **mine)


def load_function(file: Path, name: str) -> tuple[Callable[..., Any], Path, str]:
    """(the function `name` of a Python file, the file, its sha256). What is run is what was hashed: no stale .pyc."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise UserError(_("'{file}' cannot be read: {error}.").format(file=file, error=error.strerror)) from error
    module = ModuleType(f"fledge_mine_{name}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    linecache.checkcache(str(file))
    try:
        code: CodeType = compile(source, str(file), "exec")
        exec(code, module.__dict__)
    except Exception as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else line_in(error, file)
        raise PartError(name, in_words(error), file, line) from error
    function = getattr(module, name, None)
    if not callable(function):
        what = _("the file has no function {name}").format(name=name)
        raise PartError(name, what, file)
    return function, file, hashlib.sha256(source).hexdigest()


def yours(parts: Parts, *, replaced: bool = False) -> list[MyPart]:
    """The learner's parts among `parts`, in the order of the book; those that the reference replaces only if asked for."""
    found = [getattr(parts, name) for name in PARTS]
    return [part for part in found if isinstance(part, MyPart) and (replaced or not part.replaced)]


def fall_back(part: MyPart, error: PartError) -> None:
    """Let the reference take the part's place from here on, and say so."""
    part.replaced = error.what
    print(f"  {fallen(error)}", file=sys.stderr)


def fallen(error: PartError) -> str:
    return _("{error} From here the reference takes its place.").format(error=error)


def banner(parts: Parts, names: Collection[str] = tuple(PARTS)) -> str:
    """How many of the parts are the learner's, which ones, and why others are not; "" for the reference."""
    mine = yours(parts, replaced=True)
    if not mine:
        return ""
    used = [part.name for part in mine if not part.replaced]
    lines = [
        _("  parts: {length} of {num_names} are yours: {used}").format(
            length=len(used), num_names=len(names), used=commas(used)
        )
    ]
    lines += [
        _("  {part} is the reference's: {replaced}").format(part=part.name, replaced=part.replaced)
        for part in mine
        if part.replaced
    ]
    return "\n".join(lines)


def record(parts: Parts) -> dict[str, Any]:
    """For the run's record: whose every part is."""
    return {
        "yours": {p.name: {"sha256": p.sha256, "file": p.file.as_posix()} for p in yours(parts)},
        "of": len(PARTS),
        "replaced": {p.name: p.replaced for p in yours(parts, replaced=True) if p.replaced},
    }


def line_in(error: BaseException, file: Path) -> int:
    """The line of `file` in which an error arose, the innermost; 0 when it passed through none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return (lines[-1] or 0) if lines else 0


def in_words(error: BaseException) -> str:
    """An error in one line, without its final dot."""
    first = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [tensor for item in value for tensor in _tensors(item)] if isinstance(value, (list, tuple)) else []


def _copies(values: list[Any]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in _tensors(values)]


@torch.no_grad()
def _restore(values: list[Any], copies: list[Tensor]) -> None:
    for tensor, copy in zip(_tensors(values), copies):
        tensor.copy_(copy)


def _finite(values: list[Any]) -> bool:
    """Whether all numbers in it, and in its tensors, are finite."""
    numbers = [value for value in values if isinstance(value, float)]
    return all(map(math.isfinite, numbers)) and all(bool(tensor.isfinite().all()) for tensor in _tensors(values))
