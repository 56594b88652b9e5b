"""docs/ARCHITECTURE is of this code: every package is on the page and in the picture, on its floor, in both languages."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT
from tests.test_docs import LINK, load_script
from tests.test_floors import FLOORS, SRC

drawing = load_script("architecture")
PAGES = {lang: ROOT / "docs" / f"ARCHITECTURE{name}.md" for lang, name in (("en", ""), ("zh", ".zh-CN"))}
PACKAGES = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.*")))}
PACKAGES -= {"__init__", "__main__", "__pycache__"}
each_page = pytest.mark.parametrize("lang", PAGES)


def test_the_picture_has_every_package_on_its_floor() -> None:
    drawn = [set(packages) for _, _, packages in reversed(drawing.FLOORS)]
    assert set().union(*drawn) == PACKAGES
    for number, (mine, theirs) in enumerate(zip(drawn, FLOORS), 1):
        assert mine - {"locale"} <= theirs, f"floor {number}"  # locale/ holds no code


@each_page
def test_the_picture_is_drawn_of_the_table(lang: str) -> None:
    path = ROOT / "docs" / "images" / f"architecture-{lang}.svg"
    assert path.read_text(encoding="utf-8") == drawing.pictures()[path], "run python docs/architecture.py"


@each_page
def test_the_page_names_every_package(lang: str) -> None:
    rows = [line for line in PAGES[lang].read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"`(\w+)(?:/|\.py)`", row.split(" | ")[1])}
    assert named == PACKAGES


@each_page
def test_every_file_that_the_page_names_exists(lang: str) -> None:
    text = PAGES[lang].read_text(encoding="utf-8")
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert len(targets) > 20 and [target for target in targets if not (ROOT / "docs" / target).exists()] == []
    folders = (SRC, ROOT, ROOT / "modules" / "01-foundation" / "01-normalization")
    for name in re.findall(r"`([\w/]+(?:/|\.py))`", text):
        assert any((folder / name).exists() for folder in folders) or name == "fledge/modules", name


def test_both_pages_have_the_same_rows() -> None:
    english, chinese = (PAGES[lang].read_text(encoding="utf-8") for lang in ("en", "zh"))
    assert (
        LINK.findall(english)[2:] == LINK.findall(chinese)[2:]
    )  # behind the link to the other language and the picture
    assert english.count("\n| ") == chinese.count("\n| ")
