"""The pages of the book: every number is a record's, both languages are in step, symbols, links, pictures and commands exist."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from fledge import cli
from fledge.course.book import topics
from tests.test_docs import FENCE, LINK, load_script

book = load_script("book")
WRITTEN = [topic for topic in topics() if topic.tier in ("01-foundation", "02-architecture")]
PAIRS = [(topic, zh, en) for topic in WRITTEN for zh, en in book.pages(topic)]
PAGES = [(topic, page) for topic, zh, en in PAIRS for page in (zh, en)]
each_pair = pytest.mark.parametrize(("topic", "zh", "en"), PAIRS, ids=lambda value: getattr(value, "name", ""))
each_page = pytest.mark.parametrize(("topic", "page"), PAGES, ids=lambda value: getattr(value, "name", ""))
UNITS = r"minutes|seconds|million|MB\b|s\b|分钟|秒|万|倍|times\b"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("topic", WRITTEN, ids=lambda topic: topic.name)
def test_a_topic_is_complete(topic) -> None:
    names = [f"{name}{lang}.md" for name in (*book.PAGES, "quiz") for lang in ("", ".en")]
    for name in [*names, "quiz.yaml", "experiments/run_all.sh"]:
        assert (topic.path / name).is_file(), name
    assert topic.labs and list((topic.path / "exercises").glob("*/exercise.yaml"))


@each_pair
def test_translation_is_of_this_page(topic, zh, en) -> None:
    assert book.stale(read(zh), read(en)) == [], "translate the block, then python docs/book.py --stamp PAGE"


@each_pair
def test_both_languages_show_the_same(topic, zh, en) -> None:
    def shown(text: str) -> list[str]:
        found = []
        for block in book.blocks(text):
            figures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", block.text)
            found.append(block.name)
            found += sorted(re.sub(r"\.(zh|en)\.svg", "", figure) for figure in figures)
            found += sorted(match["path"] for match in book.numbers.NUM.finditer(block.text))
        return found

    assert shown(read(zh)) == shown(read(en))
    assert commands(read(zh)) == commands(read(en))


@each_page
def test_every_number_is_what_its_record_says(topic, page) -> None:
    text = read(page)
    filled = book.filled(topic, text)
    assert filled == text, "run python docs/book.py --write"
    assert ">?<" not in text, "a number that no lab has recorded"


@each_page
def test_no_number_is_typed_by_hand(topic, page) -> None:
    text = book.excerpts.without(book.numbers.NUM.sub("", book.BLOCK.sub("", read(page))))
    text = FENCE.sub("", text)
    text = re.sub(r"\$\$.+?\$\$|\$[^$\n]+\$|`[^`\n]+`|\]\([^)]*\)|<[^>\n]+>", "", text, flags=re.DOTALL)
    assert re.findall(rf"\d+\.\d+|\d+ ?[%％]|\d+ ?(?:{UNITS})", text) == []


@each_page
def test_code_is_the_source_or_runs(topic, page) -> None:
    """Python that a page shows is either an excerpt, which `--write` copies from the source, or something to type in."""
    typed = [code for kind, code in FENCE.findall(book.excerpts.without(read(page))) if kind == "python"]
    for code in typed:
        exec(compile(code, page.name, "exec"), {})


@each_page
def test_every_page_leads_to_its_sources(topic, page) -> None:
    links = LINK.findall(read(page))
    if page.name.startswith("teaching"):
        assert len([link for link in links if link.startswith("https://")]) >= 4
    else:
        assert f"teaching{page.name[page.name.index('.') :]}" in links


@pytest.mark.parametrize("topic", WRITTEN, ids=lambda topic: topic.name)
def test_a_topic_has_drawings(topic) -> None:
    """Drawn by docs/drawings.py; each is shown in its own language, and none lies about unused."""
    for lang, ending in (("zh", ".md"), ("en", ".en.md")):
        shown = {target for name in book.PAGES for target in LINK.findall(read(topic.path / f"{name}{ending}"))}
        drawn = {f"pictures/{file.name}" for file in (topic.path / "pictures").glob(f"*.{lang}.svg")}
        assert drawn and drawn <= shown
        assert not {target for target in shown if target.endswith({"zh": ".en.svg", "en": ".zh.svg"}[lang])}


@each_page
def test_no_line_begins_with_a_number_marker(topic, page) -> None:
    assert not re.findall(r"^\s*<!--num .*", read(page), re.MULTILINE)


@each_page
def test_links_and_pictures_exist(topic, page) -> None:
    targets = [target.partition("#")[0] for target in LINK.findall(read(page)) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@each_page
def test_symbols_exist(topic, page) -> None:
    for symbol in re.findall(r"`(fledge(?:\.\w+)+)`", read(page)):
        assert resolves(symbol), f"{page.name}: there is no {symbol}"
    if page.name.startswith("code_guide"):
        assert len(set(re.findall(r"`(fledge(?:\.\w+)+)`", read(page)))) >= 4


def resolves(symbol: str) -> bool:
    parts = symbol.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            if not hasattr(found, name) and name not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, name, None)
        return True
    return False


def commands(text: str) -> list[str]:
    """Every command of the fenced blocks, then those named in the text."""
    fenced = [
        line for kind, body in FENCE.findall(text) if kind == "bash" for line in body.splitlines() if line.strip()
    ]
    return [line for line in fenced if not line.startswith("#")] + re.findall(
        r"`(fledge [a-z][^`…]+)`", FENCE.sub("", text)
    )


@each_page
def test_commands_are_understood(topic, page, monkeypatch) -> None:
    folder = page.parent
    for command in commands(read(page)):
        words = shlex.split(command)
        if words[0] == "cd":
            folder = (folder if words[1].startswith(".") or not words[1].startswith("modules") else Path(".")) / words[
                1
            ]
        elif words[0] in ("python", "bash"):
            script = next(word for word in words[1:] if not word.startswith("-"))
            places = [folder / script, page.parent / "experiments" / script, Path(script)]
            assert any(place.exists() for place in places), f"{page.name}: {command}"
        else:
            assert words[0] == "fledge" and words[1] in cli.VERBS, f"{page.name}: {command}"
            check_names(words)


def check_names(words: list[str]) -> None:
    """The topic, lab or exercise that a command names is there."""
    from fledge.course import book as where
    from fledge.course.exercise import find_exercise

    names = [word for word in words[2:] if not word.startswith("-")]
    if words[1] == "lab" and names[:1] == ["run"]:
        for name in names[1:2]:
            assert any(topic.name == name for topic in topics()) or where.find_lab(name)
    elif words[1] == "quiz":
        where.find_topic(names[0])
    elif words[1] == "check" or (words[1] == "exercise" and names[0] != "list"):
        find_exercise(names[-1].removesuffix("_checks"))


def test_generated_pages_are_up_to_date() -> None:
    for path, text in book.generated().items():
        assert read(path) == text, "run python docs/book.py --write"
