"""The two READMEs say what is true: their figures, links, pictures, commands and Python, and both say the same."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shlex
from types import ModuleType

import pytest

from fledge import cli
from fledge.cli import flags
from fledge.course.book import load_file
from fledge.interop.minimind.arguments import parse as parse_door
from tests.conftest import ROOT

README = ("README.md", "README.zh-CN.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in README}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def load_script(name: str) -> ModuleType:
    return load_file(ROOT / "docs" / f"{name}.py", f"docs_{name}")


numbers = load_script("fill_numbers")


# Figures


@pytest.mark.parametrize("name", README)
def test_every_figure_is_what_its_source_says(name: str) -> None:
    filled = numbers.fill(TEXTS[name])
    stale = [new for old, new in zip(TEXTS[name].splitlines(), filled.splitlines()) if old != new]
    assert filled == TEXTS[name], f"run `python docs/fill_numbers.py --write`; the first line should be: {stale[:1]}"


SOURCES = sorted({found["path"].split("/")[0] for text in TEXTS.values() for found in numbers.NUM.finditer(text)})


@pytest.mark.parametrize("source", SOURCES)
def test_every_figure_has_been_measured(source: str) -> None:
    if not (numbers.RESULTS / f"{source}.json").exists():
        pytest.skip(f"bench/results/{source}.json is not there yet: its figures are written as '?'")
    for text in TEXTS.values():
        unknown = [f["path"] for f in numbers.NUM.finditer(text) if f["path"].startswith(source) and f["shown"] == "?"]
        assert not unknown


@pytest.mark.parametrize("name", README)
def test_no_figure_is_typed_by_hand(name: str) -> None:
    text = numbers.BLOCK.sub("", numbers.NUM.sub("", FENCE.sub("", TEXTS[name])))
    text = re.sub(r"`[^`\n]+`|\]\([^)]*\)|Python 3\.10|Apache-2\.0", "", text)
    units = r"minutes|seconds|bits|million|MB\b|s\b|分钟|秒|比特|万|倍"
    assert re.findall(rf"\d+\.\d+|\d+ ?[%％]|\d+ ?(?:{units})", text) == []


@pytest.mark.parametrize("name", README)
def test_no_line_begins_with_a_marker(name: str) -> None:
    """Markdown would take the whole line for HTML and show its asterisks, links and backticks as they are."""
    assert not re.findall(r"^\s*<!--num .*", TEXTS[name], re.MULTILINE)


def test_filling_reads_the_source(tmp_path) -> None:
    result = {"numbers": {"bpb": 2.0512, "seconds": 276, "runs": [{"rate": 0.934}], "never": None, "bar": "<= 2.12"}}
    (tmp_path / "race.json").write_text(json.dumps(result), encoding="utf-8")
    text = "".join(
        f"<!--num {source}-->1<!--/num--> "
        for source in (
            "race/numbers/bpb as .2f",
            "race/numbers/seconds as .1f in minutes",
            "race/numbers/runs/0/rate as .0%",
            "race/numbers/never as .2f",
            "race/numbers/bar as .2f",
            "other/numbers/bpb as .2f",
        )
    )
    filled = numbers.fill(text, tmp_path)
    assert re.sub(r"<!--.*?-->", "", filled).split() == ["2.05", "4.6", "93%", "–", "2.12", "?"]
    assert numbers.fill(filled, tmp_path) == filled
    with pytest.raises(KeyError, match=r"race\.json has no 'bbp'"):
        numbers.fill("<!--num race/numbers/bbp as .2f-->1<!--/num-->", tmp_path)


def test_blocks_read_the_source(tmp_path) -> None:
    measure = {"value": 0.5, "chance": 0.125}
    stage = {"bits": {"all": {"bpb": 0.4, "floor": 0.3}}, "rates": dict.fromkeys(numbers_measures(), measure)}
    lines = ["> Where does Lucy live?", "In Seaport."]
    result = {"numbers": {"stages": {"pretrain": stage, "sft": stage}, "conversation": lines}}
    (tmp_path / "quickstart.json").write_text(json.dumps(result), encoding="utf-8")
    text = "<!--block stages zh-->\n<!--/block-->\n<!--block conversation en-->\n<!--/block-->"
    filled = numbers.fill(text, tmp_path)
    assert "| 事实，见过的问法 | 50% | 50% | 12% |" in filled
    assert "> **Where does Lucy live?**<br>\n> In Seaport.\n" in filled
    assert numbers.fill(filled, tmp_path) == filled


def numbers_measures() -> tuple[str, ...]:
    from fledge.cli.quickstart import MEASURES

    return MEASURES


# Links and pictures


@pytest.mark.parametrize("name", README)
def test_links_and_pictures_exist(name: str) -> None:
    targets = [target for target in LINK.findall(TEXTS[name]) if "://" not in target]
    assert len(targets) > 10
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_pictures_are_small_and_of_the_measured_run() -> None:
    pictures = {target for text in TEXTS.values() for target in LINK.findall(text) if target.endswith(".svg")}
    assert [picture for picture in pictures if (ROOT / picture).stat().st_size >= 300_000] == []
    if not (numbers.RESULTS / "quickstart.json").exists():
        pytest.skip("bench/results/quickstart.json is not there yet")
    measured = numbers.lookup("quickstart/numbers/stages/pretrain/bits/all/bpb")
    curves = [picture for picture in pictures if "loss" in picture]
    assert len(curves) == 2
    for picture in curves:
        drawn = re.search(r"<dc:description>bpb ([\d.]+)<", (ROOT / picture).read_text(encoding="utf-8"))
        assert drawn and float(drawn[1]) == pytest.approx(measured, rel=0.01), f"{picture}: run docs/pictures.py again"


# Commands


def commands(text: str) -> list[str]:
    """Every command of the fenced blocks, then every one that is named in the text."""
    fenced = [line for kind, body in FENCE.findall(text) if kind == "bash" for line in body.splitlines() if line]
    return fenced + re.findall(r"`((?:fledge|python start\.py) [^`]+)`", FENCE.sub("", text))


class Parsed(Exception):
    """Raised where a verb would begin to work."""


@pytest.fixture
def only_parse(monkeypatch):
    """Every verb parses its words with its own flags, and stops there."""
    modules = [importlib.import_module(f"fledge.cli.{found.name}") for found in pkgutil.iter_modules(cli.__path__)]
    parse, typed = flags.parse, flags.typed

    def stop(*args, **kwargs):
        parse(*args, **kwargs)
        raise Parsed

    def stop_typed(*args):
        typed(*args)
        raise Parsed

    monkeypatch.setattr(flags, "parse", stop)
    monkeypatch.setattr(flags, "typed", stop_typed)
    from fledge.lab import script

    parse_lab = script.parse

    def stop_lab(*args):
        parse_lab(*args)
        raise Parsed

    monkeypatch.setattr(script, "parse", stop_lab)
    for module in modules:
        if getattr(module, "parse", None) is parse:
            monkeypatch.setattr(module, "parse", stop)


@pytest.mark.parametrize("command", list(dict.fromkeys(c for text in TEXTS.values() for c in commands(text))))
def test_command_is_understood(command: str, only_parse, capsys) -> None:
    words = shlex.split(command)
    if words[:2] == ["python", "start.py"]:
        words = ["fledge", *(words[2:] or ["quickstart"])]
        if words[1] == "test":
            return  # the rest is pytest's
    if words[0] == "cd":
        assert words[1] == ".." or (ROOT / words[1]).is_dir()
        return
    if words[0] == "python":
        understood_by_a_door(words[1], words[2:])
        return
    assert words[0] == "fledge"
    if words[1] == "--help":
        return
    module = importlib.import_module(cli.VERBS[words[1]][0])
    with pytest.raises((Parsed, SystemExit)) as stopped:
        module.main(words[2:])
    assert stopped.type is Parsed or stopped.value.code == 0


def understood_by_a_door(script: str, words: list[str]) -> None:
    """A script under its MiniMind name is there and knows these arguments."""
    folder = "" if script == "eval_llm.py" else "trainer"
    assert (ROOT / folder / script).is_file()
    assert parse_door(script.removeprefix("train_").removesuffix(".py"), words) or not words


@pytest.mark.parametrize("name", README)
def test_every_verb_is_shown_with_an_example(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| `fledge (\w+)[^`]*` \|$", TEXTS[name], re.MULTILINE)
    assert [verb for verb, _ in rows] == [example for _, example in rows] == list(cli.VERBS)


@pytest.mark.slow
@pytest.mark.parametrize("name", README)
def test_python_runs(name: str, tmp_path, monkeypatch) -> None:
    """The program of the README, with two steps instead of ten minutes."""
    from fledge import api

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "cache"))
    book = tmp_path / "my_book.txt"
    book.write_text("Once upon a time there was a dark night. " * 200, encoding="utf-8")
    tiny = {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 64}
    api.train("pretrain", data=[str(book)], run="quickstart-sft", steps=1, seq_len=32, preset="cpu-2m", set=tiny)
    (program,) = [body for kind, body in FENCE.findall(TEXTS[name]) if kind == "python"]
    short = program.replace('budget="10m"', f'steps=2, seq_len=32, preset="cpu-2m", set={tiny}')
    assert short != program
    scope: dict = {}
    exec(compile(short, name, "exec"), scope)
    assert scope["logits"].shape[2] == scope["lm"].model.config.vocab_size
    assert (tmp_path / "my-model" / "config.json").exists()


# The two are one


def structure(text: str) -> list[str]:
    """What stands where, whatever the language: headings, pictures, blocks of code, tables, lists, links, figures."""
    found = []
    for line in text.splitlines():
        if heading := re.match(r"#+ ", line):
            found.append(heading[0])
        elif line.startswith(("```", "![")):
            found.append(re.sub(r"-(en|zh)\.svg", "", line[line.find("(") :]) if line.startswith("!") else line)
        elif cell := re.match(r"\| `(\w+)` \||(\d\. |- )", line):
            found.append(cell[1] or cell[2])
        found += [f["path"] for f in numbers.NUM.finditer(line)]
        found += [
            target.replace(".en.md", ".md")
            for target in LINK.findall(line)
            if target not in README and not target.endswith(".svg")
        ]
    return found + [f["name"] for f in numbers.BLOCK.finditer(text)]


def test_both_languages_have_the_same_parts() -> None:
    english, chinese = (structure(TEXTS[name]) for name in README)
    assert english == chinese
    assert commands(TEXTS[README[0]]) == commands(TEXTS[README[1]])


@pytest.mark.parametrize("name", README)
def test_tour_has_six_links(name: str) -> None:
    tour = re.findall(r"^\d\. \[[\w/.]+\]\(src/fledge/([\w/.]+)\)", TEXTS[name], re.MULTILINE)
    assert len(tour) == 6
