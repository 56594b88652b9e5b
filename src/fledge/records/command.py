"""By what a run was made: the command as it was typed, and the commit of the code."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from fledge import device
from fledge.errors import quoted


def command_line() -> str:
    """The command as it was typed, its absolute paths relative to the working directory."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        head = f"python -m {program.parent.name}"
    elif program.suffix == ".py":
        head = f"python {_relative(str(program))}"
    else:
        head = program.stem if program.suffix == ".exe" else program.name
    return " ".join([head, *(quoted(_relative(word)) for word in sys.argv[1:])])


def _relative(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if Path(value).is_absolute():
        with contextlib.suppress(ValueError):  # Windows: a path on another drive has no relative form
            value = Path(os.path.relpath(value)).as_posix()
    return flag + equals + value


def git_commit() -> str | None:
    """The commit of the checkout that this package runs from (`-dirty` when it was changed); None outside of one."""
    package = Path(__file__).resolve().parent.parent
    top = device.run_quietly("git", "-C", str(package), "rev-parse", "--show-toplevel")
    if not top or (Path(top) / "src" / package.name).resolve() != package:
        return None  # installed somewhere inside another project: its commits are not ours
    return (
        device.run_quietly("git", "-C", str(package), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
        or None
    )
