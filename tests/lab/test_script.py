"""A lab as a script: flags, predictions, what is printed, and the record that it leaves."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fledge.course.progress import open_progress
from fledge.lab import script
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
    assert "what came out: the biased one" in capsys.readouterr().out
    assert not only_run().info["results"]["prediction"]["right"]


def test_json(capsys) -> None:
    assert script.main(toy.lab, ["--json", "--quick"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdicts"]["more"] == "SUPPORTED" and (Path(said["run"]) / "run.json").exists()


def test_asks_once_on_a_terminal(monkeypatch, capsys) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("FLEDGE_LANG", "en")
    monkeypatch.setattr(sys, "stdin", Terminal("9\n2\n75\n"))
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    assert script.main(toy.lab, ["--quick"]) == 0
    assert "Which has more?" in out.getvalue() and "from 1 to 2" in out.getvalue()
    assert only_run().info["results"]["prediction"]["confidence"] == 0.75


def test_enter_skips_the_prediction(monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert script.main(toy.lab, ["--quick"]) == 0
    assert "prediction" not in only_run().info["results"]


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
