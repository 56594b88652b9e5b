"""A lab as a script: flags, predictions, what is printed, and the record that it leaves."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fledge.course.progress import open_progress
from fledge.lab import Claim, Sabotage, Text, script
from fledge.lab.verdict import execute
from fledge.records import Run, runs_root
from tests.lab import toy


def only_run() -> Run:
    (path,) = runs_root().glob("*/run.json")
    return Run(path.parent)


def test_record(capsys) -> None:
    assert script.main(toy.lab, ["--throws", "300", "--predict", "biased:80", "--seeds", "4", "--seed", "7"]) == 0
    run = only_run()
    assert run.info["job"] == "lab" and run.info["status"] == "done"
    assert run.info["config"]["settings"]["throws"] == 300 and run.info["config"]["seeds"] == [7, 8, 9, 10]
    results = run.info["results"]
    assert results["verdicts"] == {"more": "SUPPORTED", "half": "SUPPORTED"}
    assert results["prediction"] == {"choice": "biased", "confidence": 0.8, "outcome": "biased", "right": True}
    assert results["metrics"]["biased"]["share"]["mean"] > 0.8
    assert results["landmarks"] == {"share": {"chance": 0.5}}
    assert len(run.metrics()) == 8
    assert (run.path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (run.path / "figure.svg").read_text(encoding="utf-8")
    with open_progress() as progress:
        (guess,), (done,) = progress.events("prediction"), progress.events("lab")
    assert (
        guess.subject == done.subject == "tests/toy"
        and guess.data["right"]
        and done.data["verdicts"]["more"] == "SUPPORTED"
    )


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", ["成立", "多得多", "瞎猜"]), ("en", ["SUPPORTED", "many more", "chance"])]
)
def test_says_what_came_out(monkeypatch, capsys, lang, words) -> None:
    monkeypatch.setenv("FLEDGE_LANG", lang)
    assert script.main(toy.lab, ["--quick"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words)
    assert only_run().info["config"]["seeds"] == [0, 1, 2] and only_run().info["config"]["settings"]["throws"] == 100


def test_wrong_prediction_is_told(monkeypatch, capsys) -> None:
    monkeypatch.setenv("FLEDGE_LANG", "en")
    script.main(toy.lab, ["--predict", "fair"])
    said = capsys.readouterr().out
    assert "Your prediction was wrong" in said and "The outcome: the biased one" in said
    assert not only_run().info["results"]["prediction"]["right"]


def test_json(capsys) -> None:
    assert script.main(toy.lab, ["--json", "--quick"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdicts"]["more"] == "SUPPORTED" and (Path(said["run"]) / "run.json").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch, typed: str) -> Terminal:
    """What is typed at the prompts; returns what the screen shows."""
    monkeypatch.setenv("FLEDGE_LANG", "en")
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    return out


def test_asks_once_on_a_terminal(monkeypatch) -> None:
    out = at_terminal(monkeypatch, "9\n2\n75\n")
    assert script.main(toy.lab, ["--quick"]) == 0
    assert "Which has more?" in out.getvalue() and "from 1 to 2" in out.getvalue()
    assert only_run().info["results"]["prediction"]["confidence"] == 0.75


def test_enter_skips_the_prediction(monkeypatch) -> None:
    at_terminal(monkeypatch, "\n")
    assert script.main(toy.lab, ["--quick"]) == 0
    assert "prediction" not in only_run().info["results"]


@pytest.mark.parametrize("typed", ["", "2\n"], ids=["at once", "half-way"])
def test_the_end_of_the_input_loses_nothing(monkeypatch, typed) -> None:
    at_terminal(monkeypatch, typed)  # Ctrl-D
    assert script.main(toy.lab, ["--quick"]) == 0
    assert only_run().info["status"] == "done"


def test_a_slip_at_the_terminal_is_asked_again(monkeypatch) -> None:
    out = at_terminal(monkeypatch, "2\nvery\n140\n75 %\n")
    assert script.main(toy.lab, ["--quick", "--predict", "biassed"]) == 0
    said = out.getvalue()
    assert "Did you mean 'biased'" in said and "Which has more?" in said and said.count("from 0 to 100") == 2
    assert only_run().info["results"]["prediction"]["choice"] == "biased"


def shown(monkeypatch, capsys, *argv: str, **changes) -> str:
    """What a run of the toy lab prints, in English."""
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert script.main(toy.make(**changes), list(argv)) == 0
    return capsys.readouterr().out


def test_every_verdict_has_its_numbers_and_the_next_command(monkeypatch, capsys) -> None:
    said = shown(monkeypatch, capsys, why=Text("偏了", "It is bent."))
    assert re.search(
        r"All 5 seeds agree: share of heads: biased 0\.\d+ to 0\.\d+, fair 0\.\d+ to 0\.\d+\.", " ".join(said.split())
    )
    assert "Why: It is bent." in said and "\nnext: read · " in said and "  fledge learn read " in said


def test_too_few_seeds_are_said_to_be_too_few(monkeypatch, capsys) -> None:
    said = shown(monkeypatch, capsys, "--seeds", "2")
    assert "Only 2 of the 3 seeds" in said and "disagree" not in said and "finite" not in said
    assert "fledge lab run tests/toy\n" in said


def test_seeds_that_disagree_are_shown_one_by_one(monkeypatch, capsys) -> None:
    rows = execute(toy.lab, toy.lab.settings, range(5)).rows["fair"]
    middle = sorted(row["share"] for row in rows)[2]
    split = Claim("more", Text("过半", "above"), lambda arm: arm["fair"]["share"] > middle)
    said = shown(
        monkeypatch, capsys, claims=[split], sabotages=[Sabotage({"bias": 0.5}, ("more",), Text("无", "none"))]
    )
    assert "2 of the seeds agree, 3 do not:" in said and "Why" not in said
    assert all(f"{row['share']:.3f}" in said for row in rows)
    assert "fledge lab run tests/toy --seeds 10" in said


def test_a_number_that_is_not_finite_is_named(monkeypatch, capsys) -> None:
    said = shown(monkeypatch, capsys, arms={"fair": {"coin": "fair"}, "biased": {"coin": "nan"}})
    assert "With seed 0 a number is not finite (biased: share of heads = nan)" in " ".join(said.split())


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--throws", "0"], "between 1 and 10000"),
        (["--throw", "x"], "invalid int value"),
        (["--trows", "5"], "Did you mean '--throws'"),
        (["--predict", "biassed"], "Did you mean 'biased'"),
        (["--predict", "biased:140"], "from 0 to 100"),
        (["--seeds", "0"], "not a number of seeds"),
    ],
)
def test_mistakes_are_one_sentence(capsys, argv, sentence) -> None:
    assert script.main(toy.lab, argv) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1 and not list(runs_root().glob("*"))


@pytest.mark.slow
def test_runs_as_a_script_from_any_folder(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, toy.__file__, "--quick"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert only_run().info["results"]["verdicts"]["more"] == "SUPPORTED"
