"""`fledge learn`: it leads through a path, step by step, and never harms what is there."""

from __future__ import annotations

import io
import json

import pytest

from fledge.cli import learn
from fledge.course import book, pages, quiz
from fledge.course.evidence import Evidence
from fledge.course.paths import all_paths, find_path, find_step
from fledge.course.progress import Event, open_progress
from fledge.course.workspace import find_workspace
from fledge.errors import UserError
from fledge.records import Run


@pytest.fixture(params=["zh", "en"])
def lang(request, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", request.param)
    return request.param


def trained(name, job="pretrain"):
    run = Run.create(job, {"data": ["a.txt"], "seed": 0}, name)
    run.finish("done")
    return run


def answer_all(progress, steps):
    for one in steps:
        if one.kind == "quiz":
            topic, _, item = one.subject.partition("/")
            names = [item] if item else [i.id for i in quiz.load(book.find_topic(topic)).items]
            for name in names:
                progress.add("quiz", f"{topic}/{name}", right=True)
        elif one.kind == "exercise":
            progress.add("attempt", one.subject, passed=True)
        else:
            progress.add("done" if one.kind == "command" else one.kind, one.subject)


class Notes:
    """A log in memory."""

    def __init__(self):
        self.events = []

    def add(self, kind, subject, **data):
        self.events.append(Event(len(self.events) + 1, "2026-01-01T00:00:00+00:00", kind, subject, data))


def report(*argv, capsys):
    assert learn.main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_learn_leads_through_the_quick_path(capsys, lang):
    path = find_path("quick")
    for number, expected in enumerate(path.steps):
        found = report(capsys=capsys)
        assert (found["path"], found["done"], found["next"]["command"]) == ("quick", number, expected.command)
        assert learn.main([]) == 0
        assert expected.command in capsys.readouterr().out
        with open_progress() as progress:
            answer_all(progress, [expected])
    assert report(capsys=capsys)["next"] is None
    learn.main([])
    said = capsys.readouterr().out
    assert "fledge learn path system" in said and said.count("[x]") == len(path.checks)


def test_choosing_a_path(capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert report("paths", capsys=capsys)[0]["chosen"]
    assert learn.main(["path", "deep"]) == 0
    said = capsys.readouterr().out
    assert "comes later: LoRA" in said and "[>]" in said
    assert report("path", capsys=capsys)["path"] == "deep"
    assert [row["name"] for row in report("paths", capsys=capsys) if row["chosen"]] == ["deep"]
    with pytest.raises(UserError, match="Did you mean 'system'"):
        learn.main(["path", "systen"])
    with open_progress() as progress:
        assert [event.subject for event in progress.events("path")] == ["deep"]


def test_a_whole_path_meets_its_checklist(capsys):
    with open_progress() as progress:
        answer_all(progress, find_path("deep").steps)
    found = report("path", "deep", capsys=capsys)
    assert found["done"] == found["steps"] and all(check["met"] for check in found["checklist"])
    system = report("path", "system", capsys=capsys)
    assert all(check["met"] for check in system["checklist"])


@pytest.mark.parametrize(
    "check", [c for p in all_paths().values() for c in p.checks], ids=lambda check: check.text.en[:40]
)
def test_a_check_needs_every_one_of_its_steps(check):
    path = next(path for path in all_paths().values() if check in path.checks)
    steps = {step.id: step for step in path.steps}
    needed = [need for need in check.needs if not need.startswith("path ")]
    for left_out in needed:
        notes = Notes()
        answer_all(notes, [steps[need] for need in needed if need != left_out])
        assert not Evidence(notes.events, find_workspace(), ()).met(check, path)
    if len(needed) < len(check.needs):
        notes = Notes()
        answer_all(notes, [steps[need] for need in needed])
        assert not Evidence(notes.events, find_workspace(), ()).met(check, path)


def test_done_is_for_what_only_the_learner_can_judge(capsys, lang):
    assert learn.main(["done", "draw-block"]) == 0
    assert str(find_step("draw-block").text) in capsys.readouterr().out
    with open_progress() as progress:
        assert [event.subject for event in progress.events("done")] == ["draw-block"]
    with pytest.raises(UserError, match="fledge train pretrain"):
        learn.main(["done", "pretrain"])
    with pytest.raises(UserError, match="'draw-block'"):
        learn.main(["done", "draw-blok"])
    learn.main(["done", "draw-block"])
    with open_progress() as progress:
        assert len(progress.events("done")) == 1


def test_a_command_that_left_its_trace_is_noted_by_itself(capsys):
    trained("my-base")
    learn.main(["path", "deep"])
    with open_progress() as progress:
        assert [(event.subject, "my-base" in event.data["seen"]) for event in progress.events("done")] == [
            ("pretrain", True)
        ]


def test_an_exercise_that_was_begun_is_checked(capsys):
    with open_progress() as progress:
        steps = find_path("system").steps
        first = next(step for step in steps if step.kind == "exercise")
        progress.add("path", "system")
        answer_all(progress, steps[: steps.index(first)])
    learn.main([])
    assert f"fledge exercise start {first.subject}" in capsys.readouterr().out
    with open_progress() as progress:
        progress.add("started", first.subject)
    learn.main([])
    said = capsys.readouterr().out
    assert f"fledge check {first.subject}" in said and "exercise start" not in said


def test_init(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    folder = tmp_path / "我的 课程"
    assert learn.main(["init", str(folder)]) == 0
    assert "made a workspace" in capsys.readouterr().out
    (folder / "exercises" / "mine.py").write_text("x = 1\n", encoding="utf-8")
    assert learn.main(["init", str(folder)]) == 0
    assert "there already" in capsys.readouterr().out
    assert (folder / "exercises" / "mine.py").read_text(encoding="utf-8") == "x = 1\n"
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="file"):
        learn.main(["init", str(tmp_path / "file")])


def test_progress_moves_to_another_machine(tmp_path, capsys, monkeypatch):
    with open_progress() as progress:
        progress.add("read", "01-normalization/README")
    assert learn.main(["export", str(tmp_path / "p.jsonl")]) == 0
    monkeypatch.setenv("FLEDGE_WORKSPACE", str(tmp_path / "other"))
    assert learn.main(["import", str(tmp_path / "p.jsonl")]) == 0
    with open_progress() as progress:
        assert [event.subject for event in progress.events()] == ["01-normalization/README"]


def test_help_and_slips(capsys):
    assert learn.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("init", "paths", "read", "done", "export", "import", "report"))
    with pytest.raises(UserError, match="Did you mean 'report'"):
        learn.main(["reprot"])
    with pytest.raises(UserError, match="--jsn"):
        learn.main(["--jsn"])


# `fledge learn go`


class Terminal(io.StringIO):
    def isatty(self):
        return True


def go(monkeypatch, capsys, typed):
    """What `learn go` shows at a terminal where these lines are typed."""
    monkeypatch.setenv("FLEDGE_LANG", "en")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr("sys.stdout", out := Terminal())
    monkeypatch.setattr(pages.shutil, "which", lambda name: None)
    assert learn.main(["go"]) == 0
    return out.getvalue()


def done_so_far():
    with open_progress() as progress:
        return [f"{event.kind} {event.subject}" for event in progress.events() if event.kind != "prediction"]


def test_go_walks_the_path_in_place(monkeypatch, capsys):
    said = go(monkeypatch, capsys, "\n3\n70\n\nq\nq\n")
    assert (
        "[1/12] read" in said
        and "[2/12] lab" in said
        and "[3/12] quiz" in said
        and "go on with: fledge learn go" in said
    )
    assert done_so_far() == [step.id for step in find_path("quick").steps[:2]]


def test_go_does_one_step_where_nobody_types(capsys):
    assert learn.main(["go"]) == 0
    assert "[1/12]" in capsys.readouterr().out and done_so_far() == [find_path("quick").steps[0].id]


def test_go_stops_at_the_end_of_the_input(monkeypatch, capsys):
    assert "stopped" in go(monkeypatch, capsys, "")
    assert len(done_so_far()) == 1


def test_go_begins_an_exercise_and_then_checks_it(monkeypatch, capsys):
    system = find_path("system").steps
    at = next(number for number, step in enumerate(system) if step.kind == "exercise")
    with open_progress() as progress:
        progress.add("path", "system")
        answer_all(progress, system[:at])
    said = go(monkeypatch, capsys, "\n")
    assert "exercise · RMSNorm" in said and "Come back when you have written it" in said
    said = go(monkeypatch, capsys, "q\n")
    assert "NOT_ATTEMPTED" in said or "not attempted" in said.lower()


def test_go_says_when_the_path_is_done(capsys):
    with open_progress() as progress:
        answer_all(progress, find_path("quick").steps)
    assert learn.main(["go"]) == 0
    assert "fledge learn path system" in capsys.readouterr().out


# Topics that share a word


def test_a_word_means_the_topic_that_has_what_is_asked_for(monkeypatch):
    """Of 03-attention and 03-generation only the first has a quiz."""
    assert book.find_topic("03", quiz.has_quiz).name == "03-attention"
    monkeypatch.setenv("FLEDGE_LANG", "en")
    with pytest.raises(UserError, match="'01' fits several: 01-normalization, 01-residual-connection;"):
        book.find_topic("01", quiz.has_quiz)
    with pytest.raises(UserError, match="'03' fits several: 03-attention, 03-generation;"):
        book.find_topic("03")
    assert book.find_topic("generation", quiz.has_quiz).name == "03-generation"
