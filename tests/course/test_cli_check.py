"""`fledge check` and `fledge exercise` as a learner types them."""

from __future__ import annotations

import json
import os
import re
import time

import pytest

from fledge.cli import check as verb
from fledge.cli import main
from fledge.course.exercise import find_exercise
from fledge.course.progress import open_progress
from fledge.course.workspace import find_workspace
from tests.course.learner_files import LAYER_NORM, RIGHT, Here, before


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")


@pytest.fixture
def here(monkeypatch):
    """The learner's code runs in this process: two seconds less for each test that is not about processes."""
    monkeypatch.setattr("fledge.course.grader.grade.Child", Here)


@pytest.fixture
def save():
    """save(text, name) -> the file in the workspace."""

    def write(text: str, name: str = "rms_norm"):
        file = find_workspace().exercises / f"{name}.py"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_from_start_to_pass(here, save, capsys):
    assert main(["exercise", "start", "rms_norm"]) == 0
    assert "rms_norm.py" in capsys.readouterr().out
    assert main(["exercise", "start", "rms_norm"]) == 0
    assert "stays as it is" in capsys.readouterr().out
    assert main(["check", "rms_norm"]) == 1
    assert "not attempted" in capsys.readouterr().out
    assert main(["exercise", "hint", "rms_norm"]) == 0
    assert capsys.readouterr().out.startswith("Hint 1 of 4: How big")
    save(LAYER_NORM)
    assert main(["check", "rms_norm"]) == 1
    out = capsys.readouterr().out
    assert "wrong value" in out and "that is what LayerNorm does" in out and "case plain" in out and "✗ plain" in out
    assert main(["exercise", "solution", "rms_norm"]) == 2
    assert "--give-up" in capsys.readouterr().err
    save(RIGHT)
    assert main(["check", "rms_norm"]) == 0
    out = capsys.readouterr().out
    assert "rms_norm · passed" in out and "bytes kept for backward: yours" in out
    assert main(["exercise", "solution", "rms_norm"]) == 0
    assert "def rms_norm" in capsys.readouterr().out
    assert main(["exercise", "list", "normalization", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["topic"] for row in rows} == {"01-normalization"}
    assert [row["state"] for row in rows if row["name"] == "rms_norm"] == ["passed"]
    with open_progress() as progress:
        kinds = [event.kind for event in progress.events()]
        assert progress.verify() is None
    assert kinds == ["started", "attempt", "hint", "attempt", "attempt"]


@pytest.mark.parametrize(("lang", "words"), [("zh", "不减平均值"), ("en", "RMSNorm does not")])
def test_languages(here, save, capsys, monkeypatch, lang, words):
    monkeypatch.setenv("FLEDGE_LANG", lang)
    save(LAYER_NORM)
    assert main(["check", "rms_norm"]) == 1
    out = capsys.readouterr().out
    assert words in out and (lang == "zh" or not re.search("[一-鿿]", out))


def test_json(here, save, capsys, tmp_path):
    file = tmp_path / "rms_norm.py"
    file.write_text(LAYER_NORM, encoding="utf-8")
    assert main(["check", str(file), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["schema"] == "fledge.check/1"
    (result,) = shown["results"]
    assert (result["exercise"], result["outcome"], result["passed"]) == ("rms_norm", "WRONG_VALUE", False)
    assert result["mistake"] == "mean_subtracted" and set(result["message"]) == {"zh", "en"}
    tasks = {task["task_id"]: task for task in result["tasks"]}
    assert (tasks["plain"]["status"], tasks["cost"]["status"]) == ("fail", "pass")
    assert set(tasks["plain"]["about"]) == {"zh", "en"}


@pytest.mark.slow
def test_all_of_them_and_one_dead_process_harms_no_other(save, capsys):
    assert main(["check", "--all"]) == 2
    assert "no exercise is started" in capsys.readouterr().err
    save("def check(rms_norm):\n    pass\n", "rms_norm_checks")
    save("not Python", "rms_norm.old-1")
    save("not Python", "my_notes")
    save(before("import os; os._exit(0)"))
    assert main(["check", "--all"]) == 1
    out = capsys.readouterr().out
    assert "ends its process" in out and "catches 0 of" in out and "0 of 2 passed." in out
    save(RIGHT)
    assert main(["check", "--all", "--json"]) == 1
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(result["kind"], result["passed"]) for result in results] == [("exercise", True), ("reverse", False)]


def test_the_reverse_exercise(capsys):
    assert main(["exercise", "start", "rms_norm", "--reverse"]) == 0
    assert "rms_norm_checks" in capsys.readouterr().out
    text = (find_workspace().exercises / "rms_norm_checks.py").read_text(encoding="utf-8")
    assert text.startswith("# Reverse exercise") and "def check(rms_norm):" in text
    assert main(["check", "rms_norm_checks"]) == 1
    assert "not written yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["check"], "name the exercise to check"),
        (["check", "rms_norm"], "is not started yet: use `fledge exercise start rms_norm`"),
        (["check", "rms_norm_checks"], "use `fledge exercise start rms_norm --reverse`"),
        (["check", "rms_nrom"], "Did you mean 'rms_norm'"),
        (["check", "nowhere/rms_norm.py"], "there is no file 'nowhere/rms_norm.py'"),
        (["check", __file__], "belongs to no exercise"),
        (["check", "rms_norm", "--all"], "--all stands alone"),
        (["check", "--watch", "--json"], "--watch and --json"),
        (["exercise", "start", "rms_nrom"], "Did you mean 'rms_norm'"),
        (["exercise", "hint", "rms_norm", "9"], "no level 9"),
        (["exercise", "list", "nowhere"], "there is no topic 'nowhere'"),
        (["exercise", "reset", "rms_norm"], "not started yet"),
    ],
)
def test_mistakes_of_the_command_are_one_sentence(capsys, words, sentence):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1


def test_passing_by_calling_the_reference_is_said(here, save, capsys):
    save("from fledge.parts.reference import rms_norm\n")
    assert main(["check", "rms_norm"]) == 0
    assert "passed by calling fledge.parts.reference.rms_norm" in capsys.readouterr().out
    assert main(["check", "--all"]) == 0
    assert "by calling fledge.parts.reference.rms_norm" in capsys.readouterr().out
    assert main(["check", "rms_norm", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["passed"] and result["calls"] == ["fledge.parts.reference.rms_norm"]
    save(RIGHT)
    assert main(["check", "rms_norm"]) == 0
    assert "by calling" not in capsys.readouterr().out


def test_show(capsys):
    assert main(["exercise", "show", "rms_norm"]) == 0
    out = capsys.readouterr().out
    mistakes = find_exercise("rms_norm").bank_size()[0]
    assert "root mean square" in out and f"must catch {mistakes} common mistakes" in out
    assert "runs for 10 seconds at most and may use 1024 MB" in out
    assert main(["exercise", "show", "rms_norm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == "rms_norm"
    assert main(["exercise", "reset", "rms_norm"]) == 2


def test_watch_sees_what_is_saved(save):
    file = save(RIGHT)
    target = verb.find("rms_norm")
    seen: dict = {}
    assert [t.file for t in verb.changed(lambda: [target], seen)] == [file]
    assert verb.changed(lambda: [target], seen) == []
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert [t.file for t in verb.changed(verb.started, seen)] == [file]
    file.unlink()
    assert verb.changed(lambda: [target], seen) == []


def test_watch_grades_on_every_save_until_ctrl_c(here, save, capsys, monkeypatch):
    file = save(LAYER_NORM)
    polls = []

    def pause(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            file.write_text(RIGHT, encoding="utf-8")
        if len(polls) > 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(verb, "pause", pause)
    assert main(["check", "rms_norm", "--watch"]) == 0
    out = capsys.readouterr().out
    assert out.count("rms_norm · wrong value") == 1 and out.count("rms_norm · passed") == 1
