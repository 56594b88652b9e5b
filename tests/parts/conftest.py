"""A workspace whose parts are written by somebody, graded or said to be."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fledge.course.book import book_root
from fledge.course.mine import answer_file
from fledge.course.progress import Progress
from fledge.course.workspace import Workspace, make_workspace
from fledge.parts.table import PARTS

OWN = Path(__file__).parent / "mine"


class Learner:
    """Somebody who writes parts into a workspace."""

    def __init__(self, space: Workspace) -> None:
        self.space = space

    def write(self, name: str, source: str, *, passed: bool | None = True) -> Path:
        """Write a part; `passed` is what the grader is said to have found, None: it was not asked."""
        file = answer_file(self.space, name)
        file.write_text(source, encoding="utf-8", newline="\n")
        if passed is not None:
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            outcome = "PASS" if passed else "WRONG_VALUE"
            with Progress(self.space.database) as progress:
                progress.add("attempt", name, outcome=outcome, passed=passed, sha256=sha256)
        return file

    def write_all(self, *names: str, by: str = "own") -> None:
        """Write these parts (or every one), as `tests/parts/mine` does or as the book's solutions do."""
        for name in names or PARTS:
            self.write(name, source_of(name, by))


def source_of(name: str, by: str = "own") -> str:
    if by == "book":
        (file,) = book_root().glob(f"*/*/exercises/{name}/solution.py")
    else:
        file = OWN / f"{name}.py"
    return file.read_text(encoding="utf-8")


@pytest.fixture
def learner(tmp_path, monkeypatch) -> Learner:
    monkeypatch.setenv("FLEDGE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("FLEDGE_LANG", "en")
    return Learner(make_workspace(os.environ["FLEDGE_WORKSPACE"]))
