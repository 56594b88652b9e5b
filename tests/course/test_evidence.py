"""What counts as done: passes, answers, runs and files; and what was seen stays known when the run is gone."""

from __future__ import annotations

import pytest

from fledge.course import book, quiz
from fledge.course.evidence import Evidence, find_runs, note_traces
from fledge.course.paths import Step
from fledge.course.progress import open_progress
from fledge.course.workspace import find_workspace
from fledge.lang import Text
from fledge.records import Run


@pytest.fixture
def progress():
    with open_progress() as opened:
        yield opened


def seen(progress, step, runs=()):
    return Evidence(progress.events(), find_workspace(), runs).of(step)


def step(kind, subject, **evidence):
    return Step(kind, subject, 1, Text(subject, subject), "command", evidence)


def test_exercises_are_done_when_they_pass(progress, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    one = step("exercise", "rms_norm")
    progress.add("started", "rms_norm")
    progress.add("attempt", "rms_norm", outcome="WRONG_VALUE", passed=False)
    assert seen(progress, one) is None
    progress.add("hint", "rms_norm", level=2)
    progress.add("attempt", "rms_norm", outcome="PASS", passed=True)
    progress.add("hint", "rms_norm", level=4)
    progress.add("solution", "rms_norm")
    progress.add("attempt", "rms_norm", outcome="WRONG_VALUE", passed=False)
    assert seen(progress, one).endswith("passed at attempt 2, hints up to level 2")
    found = Evidence(progress.events(), find_workspace(), ()).exercise("rms_norm")
    assert (found.attempts, found.passed_at, found.hints, found.solution_first) == (3, 2, 2, False)
    progress.add("solution", "softmax")
    progress.add("attempt", "softmax", passed=True)
    assert "after the solution was opened" in seen(progress, step("exercise", "softmax"))


def test_a_quiz_is_passed_with_four_fifths_by_the_newest_answers(progress, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    topic = book.find_topic("01-normalization")
    items = [item.id for item in quiz.load(topic).items]
    enough = -(-len(items) * 4 // 5)
    for item in items[: enough - 1]:
        progress.add("quiz", f"{topic.name}/{item}", right=True)
    whole, one = step("quiz", topic.name), step("quiz", f"{topic.name}/{items[0]}")
    assert seen(progress, whole) is None and seen(progress, one)
    progress.add("quiz", f"{topic.name}/{items[enough - 1]}", right=True)
    assert seen(progress, whole) == f"{enough} of {len(items)} right"
    progress.add("quiz", f"{topic.name}/{items[0]}", right=False)
    assert seen(progress, whole) is None and seen(progress, one) is None


def test_labs_pages_and_the_learners_own_word(progress, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    for kind, subject in (("lab", "t/exp1"), ("read", "t/README"), ("done", "draw")):
        assert seen(progress, step(kind, subject)) is None
    progress.add("lab", "t/exp1", verdicts={"a": "SUPPORTED", "b": "INCONCLUSIVE"}, run="x")
    progress.add("read", "t/README")
    progress.add("done", "draw")
    assert "1 of 2 claims supported" in seen(progress, step("lab", "t/exp1"))
    assert seen(progress, step("read", "t/README"))
    assert "confirmed by yourself" in seen(progress, step("done", "draw"))


def trained(name, job="pretrain", status="done", data=("a.txt",)):
    run = Run.create(job, {"data": list(data), "seed": 0}, name)
    run.finish(status)
    return run


@pytest.mark.parametrize(
    "wanted, found",
    [
        ({"job": "pretrain", "name": "my-base"}, True),
        ({"job": "pretrain", "name": "my-base", "files": True}, True),
        ({"job": "sft"}, False),
        ({"job": "pretrain", "name": "stopped"}, False),
        ({"job": "pretrain", "name": "rows", "files": True}, False),
        ({"job": "pretrain", "name": "rows"}, True),
    ],
)
def test_commands_are_shown_by_their_runs(progress, wanted, found):
    trained("my-base-2")
    trained("stopped", status="stopped")
    trained("rows", data=())
    runs = find_runs(find_workspace())
    assert (seen(progress, step("command", "train", run=wanted), runs) is not None) is found


def test_commands_are_shown_by_files_and_records(progress, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = find_workspace()
    tokenizer, log = (
        step("command", "tok", file="my-tokenizer/tokenizer.json"),
        step("command", "log", log="comparison"),
    )
    assert seen(progress, tokenizer) is None and seen(progress, log) is None
    (tmp_path / "my-tokenizer").mkdir()
    (tmp_path / "my-tokenizer" / "tokenizer.json").write_text("{}", encoding="utf-8")
    (space.log / "notes.md").write_text("mine\n", encoding="utf-8")
    (space.log / "2026-01-01-b.md").write_text("<!-- fledge log against: b -->\n", encoding="utf-8")
    assert seen(progress, tokenizer) and seen(progress, log) is None
    (space.log / "2026-01-02-b.md").write_text("<!-- fledge log comparison: b -->\n", encoding="utf-8")
    assert seen(progress, log) == "log/2026-01-02-b.md"


def test_what_was_seen_is_kept_when_the_run_is_gone(progress):
    trained("my-base")
    one = step("command", "train", run={"job": "pretrain"})
    evidence = Evidence(progress.events(), find_workspace())
    note_traces(progress, evidence, [one, one])
    note_traces(progress, evidence, [one])
    assert len(progress.events("done")) == 1
    assert "my-base" in seen(progress, one, runs=())
