"""CONTRIBUTING is followed to the letter: its commands are typed and its code is put where it says, in a copy of the project."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_docs import FENCE, LINK
from tests.test_packaging import left_out

NAMES = ("CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
PLACE = re.compile(r"# (?P<file>[\w./-]+\.\w+)(?:: (?P<inside>in )?(?P<name>[\w.]+))?\n")


def recipes(text: str) -> dict[str, list[tuple[str, str]]]:
    """Heading -> its blocks (kind, body), in order."""
    parts = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)[1:]
    return {heading: FENCE.findall(body.partition("\n## ")[0]) for heading, body in zip(parts[::2], parts[1::2])}


RECIPES = recipes(TEXTS["CONTRIBUTING.md"])


def test_both_languages_hold_the_same_five_recipes() -> None:
    assert len(RECIPES) == 5
    assert list(RECIPES.values()) == list(recipes(TEXTS["CONTRIBUTING.zh-CN.md"]).values())
    for kind in ("bash", "python", "yaml"):
        shown = [[body for found, body in FENCE.findall(text) if found == kind] for text in TEXTS.values()]
        assert shown[0] == shown[1]


@pytest.mark.parametrize("name", NAMES)
def test_links_exist(name: str) -> None:
    targets = [target for target in LINK.findall(TEXTS[name]) if "://" not in target]
    assert len(targets) > 5 and [target for target in targets if not (ROOT / target).exists()] == []


# Putting code where a block says


def put(root: Path, block: str) -> None:
    """Do what the first line of a block of code says."""
    place = PLACE.match(block)
    assert place, f"the first line of the block names no place:\n{block}"
    path, code = root / place["file"], block[place.end() :]
    path.parent.mkdir(parents=True, exist_ok=True)
    if place["name"]:
        code = changed(path.read_text(encoding="utf-8"), place["name"].split("."), code, bool(place["inside"]))
    path.write_text(code, encoding="utf-8", newline="\n")


def changed(text: str, names: list[str], code: str, inside: bool) -> str:
    """`text` with `code` in the place of what has that name, or inside of it at its end."""
    found: ast.AST = ast.parse(text)
    for name in names:
        found = next(node for node in getattr(found, "body", []) if name in defined(node))
    node = found.value if inside and not isinstance(found, ast.ClassDef) else found
    if not inside:
        return text[: offset(text, node.lineno, node.col_offset)] + code + text[end_of(text, node) :].lstrip("\n")
    if isinstance(node, ast.ClassDef):
        return f"{text[: end_of(text, node)]}\n\n{textwrap.indent(code, '    ')}{text[end_of(text, node) :]}"
    before = text[: end_of(text, node) - 1].rstrip()  # of a table: before its closing bracket
    return f"{before}{'' if before.endswith(',') else ','} {code}{text[end_of(text, node) - 1 :]}"


def defined(node: ast.AST) -> list[str]:
    targets = getattr(node, "targets", None) or [getattr(node, "target", node)]
    return [getattr(target, "id", getattr(target, "name", "")) for target in targets]


def offset(text: str, line: int, column: int) -> int:
    """Where in `text` ast's line and column (of UTF-8 bytes) are."""
    lines = text.split("\n")
    return sum(len(before) + 1 for before in lines[: line - 1]) + len(lines[line - 1].encode()[:column].decode())


def end_of(text: str, node: ast.AST) -> int:
    return offset(text, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


# Following


@pytest.fixture
def copy(tmp_path) -> Path:
    root = tmp_path / "fledge"
    shutil.copytree(ROOT, root, ignore=left_out)
    return root


def type_in(command: str, root: Path, tmp_path: Path, code: int = 0) -> str:
    words = shlex.split(command)
    words = [sys.executable, "-m", "fledge", *words[1:]] if words[0] == "fledge" else [sys.executable, *words[1:]]
    env = os.environ | {"PYTHONPATH": str(root / "src"), "FLEDGE_LANG": "en", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_works_as_it_stands(recipe: str, copy, tmp_path) -> None:
    said = ""
    for kind, body in RECIPES[recipe]:
        if kind != "bash":
            put(copy, body)
            continue
        for command in body.splitlines():
            said = type_in(command, copy, tmp_path)
            if command.endswith("--check"):
                assert said.rstrip().endswith(": passed"), said
    status = [sys.executable, "-m", "ruff", "check", "src", "modules"]
    checked = subprocess.run(status, cwd=copy, capture_output=True, encoding="utf-8")
    assert checked.returncode == 0, checked.stdout
