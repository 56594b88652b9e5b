"""What is proven once per content: a record carries the hash of every file that its proof stands on.

A test compares the hash, runs the proof again where it differs, and for a few of the others, other ones every day:

    files = sources([exercise.path / "checks.py", ...])     # and what they import from this package
    if content_hash(files) != record["hash"] or name in rotating(names, 4): prove(name)
"""

from __future__ import annotations

import ast
import datetime
import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
DAY = "FLEDGE_DAY"  # 2026-07-01: choose as on that day


def content_hash(paths: Iterable[Path]) -> str:
    """16 hex digits of the names and texts of the files, wherever they lie and in whatever order; line ends do not count."""
    lines = {f"{path.name} {hashlib.sha256(_text(path)).hexdigest()}" for path in paths}
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def sources(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and every file of this package that the Python ones import, directly or not."""
    found: dict[Path, None] = {}
    waiting = [path.resolve() for path in paths]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += _imported(path)
    return sorted(found)


def today() -> datetime.date:
    """The day that chooses: FLEDGE_DAY, else today, everywhere the same (UTC)."""
    named = os.environ.get(DAY)
    return datetime.date.fromisoformat(named) if named else datetime.datetime.now(datetime.timezone.utc).date()


def rotating(names: Sequence[str], n: int, day: datetime.date | None = None) -> list[str]:
    """`n` of the names, the next n on the next day: after len/n days every one has had its turn."""
    start = (day or today()).toordinal() * n
    return [names[(start + i) % len(names)] for i in range(min(n, len(names)))]


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")


def _imported(path: Path) -> list[Path]:
    """The files of this package that one file names in an import, wherever in it the import stands."""
    return _files_of(_text(path)) if path.suffix == ".py" else []


@functools.cache
def _files_of(source: bytes) -> list[Path]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    files = []
    for package, *parts in (name.split(".") for name in names):
        if package == PACKAGE.name:  # a package runs before what lies in it
            places = [PACKAGE.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
            files += [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    return [file for file in files if file.is_file()]
