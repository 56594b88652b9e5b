"""`fledge lab`: names, lists, and running several."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fledge.cli import lab, main
from fledge.course import book
from fledge.records import list_runs, runs_root
from tests.lab import toy


@pytest.fixture
def toy_book(tmp_path, monkeypatch):
    """A book of one topic with two labs, the second of which breaks."""
    folder = tmp_path / "modules" / "01-first" / "01-coins" / "experiments"
    folder.mkdir(parents=True)
    text = Path(toy.__file__).read_text(encoding="utf-8")
    (folder / "exp1_coin.py").write_text(text, encoding="utf-8")
    (folder / "exp2_coin_again.py").write_text(text, encoding="utf-8")
    (folder / "exp9_door.py").write_text("import runpy\n", encoding="utf-8")
    paths = book.book_root() / "paths.yaml"
    (tmp_path / "modules" / "paths.yaml").write_text(paths.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(book, "book_root", lambda: tmp_path / "modules")
    monkeypatch.setenv("FLEDGE_LANG", "en")
    book.topics.cache_clear()
    yield folder
    book.topics.cache_clear()


def test_list(toy_book, capsys) -> None:
    assert main(["lab", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == ["01-coins/exp1_coin", "01-coins/exp2_coin_again"]
    assert main(["lab", "run", "exp1_coin", "--quick"]) == 0
    capsys.readouterr()
    assert main(["lab", "list", "coins"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "01-coins/exp1_coin" in said and "01-coins/exp2_coin_again" in said, "a name stands alone on its line"
    assert "2 of 2 claims supported" in said[2] and "not run yet" in said[5]


def test_show(toy_book, capsys) -> None:
    assert main(["lab", "show", "exp1_coin"]) == 0
    said = capsys.readouterr().out
    assert "Is the coin fair?" in said and "fledge lab run exp1_coin" in said and "no bias" in said


@pytest.mark.parametrize("words", [["01-coins"], ["exp1", "exp2"], ["--all"]])
def test_run_several(toy_book, capsys, words) -> None:
    assert main(["lab", "run", *words, "--quick", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_nothing_runs_when_a_flag_fits_not_every_lab(toy_book, capsys) -> None:
    other = (toy_book / "exp2_coin_again.py").read_text(encoding="utf-8").replace("throws", "tosses")
    (toy_book / "exp2_coin_again.py").write_text(other, encoding="utf-8")
    assert main(["lab", "run", "01-coins", "--throws", "50"]) == 2
    assert "unrecognized arguments: --throws" in capsys.readouterr().err and not list_runs(runs_root())


def test_a_prediction_is_for_one_lab(toy_book, capsys) -> None:
    assert main(["lab", "run", "01-coins", "--quick", "--predict", "biased"]) == 2
    assert "--predict answers the question of one lab, and these are 2" in capsys.readouterr().err
    assert not list_runs(runs_root())


def test_a_mistake_stops_unless_told_to_go_on(toy_book, capsys) -> None:
    assert main(["lab", "run", "01-coins", "--throws", "0"]) == 2
    assert capsys.readouterr().err.count("error:") == 1
    assert main(["lab", "run", "01-coins", "--continue-on-error", "--throws", "0"]) == 1
    assert capsys.readouterr().err.count("error:") == 2


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["run", "exp"], "fits several"),
        (["run", "exp1_coins"], "Did you mean"),
        (["run", "--quick"], "name a lab"),
        (["show", "nothing-like-it"], "there is no lab"),
        (["list", "coin", "--jsn"], "unrecognized"),
    ],
)
def test_mistakes(toy_book, capsys, argv, sentence) -> None:
    assert main(["lab", *argv]) == 2
    assert sentence in capsys.readouterr().err


def test_help_of_a_lab(toy_book, capsys) -> None:
    assert main(["lab", "run", "exp1_coin", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--throws" in said and "--bias" not in said and "--coin" not in said


def test_load_gives_the_lab(toy_book) -> None:
    assert lab.load(toy_book / "exp1_coin.py").id == "01-coins/exp1_coin"
