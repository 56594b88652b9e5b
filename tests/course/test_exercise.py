"""Exercises: their folders, what counts as not written, and the learner's desk."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml

from fledge.course import desk
from fledge.course.exercise import Exercise, exercises, find_exercise, read, unwritten
from fledge.course.progress import Progress
from fledge.course.workspace import make_workspace
from fledge.errors import UserError


@pytest.fixture
def rms() -> Exercise:
    return find_exercise("rms_norm")


@pytest.fixture
def space(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    return make_workspace(tmp_path / "mine")


def test_an_exercise_of_the_book(rms):
    assert (rms.topic, rms.functions, rms.part) == ("01-normalization", ("rms_norm",), "rms_norm")
    assert len(rms.hints) == 4 and rms.seconds == 10 and rms.memory_mb == 1024
    bank = rms.bank()
    assert rms.bank_size() == (len(bank.mistakes), len(bank.variants))


def test_names_are_unique_and_prerequisites_come_first():
    names = [exercise.name for exercise in exercises()]
    assert len(set(names)) == len(names)
    for number, exercise in enumerate(exercises()):
        here = [other.name for other in exercises() if other.topic == exercise.topic]
        late = [name for name in exercise.prerequisites if name in here and names.index(name) > number]
        assert not late, (exercise.name, late)


def test_the_name_may_be_cut_short_and_a_slip_is_corrected(rms):
    assert find_exercise("rms_no") is rms
    with pytest.raises(UserError, match="Did you mean 'rms_norm'"):
        find_exercise("rms_nrom")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.pop("title"), "'title' is missing"),
        (lambda data: data["hints"].pop(), "there must be 4 hints, not 3"),
        (lambda data: data["task"].pop("zh"), "task must have a text in zh"),
        (lambda data: data.update(difficulty=6), "difficulty"),
        (lambda data: data.update(minuts=3), "unknown field 'minuts'"),
        (lambda data: data.update(ceilings={"flop": 2}), "unknown cost 'flop'"),
    ],
)
def test_a_mistake_of_the_author_is_named(rms, tmp_path, change, words):
    folder = tmp_path / "rms_norm"
    shutil.copytree(rms.path, folder)
    data = yaml.safe_load((folder / "exercise.yaml").read_text(encoding="utf-8"))
    change(data)
    (folder / "exercise.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        read(folder)


def test_every_attempt_has_other_numbers(rms):
    def numbers(seed):
        return torch.cat([case.args[0].float().flatten() for case in rms.cases(seed)])

    assert torch.equal(numbers(1), numbers(1)) and not torch.equal(numbers(1), numbers(2))
    assert [case.name for case in rms.cases(1)] == [case.name for case in rms.cases(2)]


def test_what_is_not_written_yet(rms):
    starter = rms.source("starter")
    assert unwritten(rms, starter) == ["rms_norm"]
    assert unwritten(rms, f"# a note\nimport math\n{starter.replace('Scale every', 'Shrink each')}\n\n") == ["rms_norm"]
    assert unwritten(rms, starter.replace("raise NotImplementedError", "return x")) == []
    assert unwritten(rms, "def other(): pass") == []


@pytest.mark.parametrize(("lang", "words"), [("zh", "均方根"), ("en", "root mean square")])
def test_start_writes_the_task_in_the_learners_language(rms, space, monkeypatch, lang, words):
    monkeypatch.setenv("FLEDGE_LANG", lang)
    file, new = desk.start(space, rms)
    text = file.read_text(encoding="utf-8")
    assert new and file == space.exercises / "rms_norm.py"
    assert words in text and text.endswith(rms.source("starter"))
    assert unwritten(rms, text) == ["rms_norm"]
    file.write_text("mine", encoding="utf-8")
    assert desk.start(space, rms) == (file, False)
    assert file.read_text(encoding="utf-8") == "mine"
    with Progress(space.database) as progress:
        assert [event.subject for event in progress.events("started")] == ["rms_norm"]


def test_reset_keeps_every_old_file(rms, space):
    with pytest.raises(UserError, match="not started yet"):
        desk.reset(space, rms)
    for number in (1, 2):
        file, _ = desk.start(space, rms)
        file.write_text(f"# {number}", encoding="utf-8")
        new, old = desk.reset(space, rms)
        assert (new, old.name) == (file, f"rms_norm.old-{number}.py")
        assert old.read_text(encoding="utf-8") == f"# {number}"
        assert new.read_text(encoding="utf-8").endswith(rms.source("starter"))
    assert (space.exercises / "rms_norm.old-1.py").read_text(encoding="utf-8") == "# 1"


def test_hints_come_one_after_the_other_and_are_kept(rms, space):
    assert [desk.hint(space, rms)[0] for _ in range(5)] == [1, 2, 3, 4, 4]
    assert desk.hint(space, rms, 2) == (2, rms.hints[1])
    with pytest.raises(UserError, match="no level 5"):
        desk.hint(space, rms, 5)
    with Progress(space.database) as progress:
        assert [event.data["level"] for event in progress.events("hint", "rms_norm")] == [1, 2, 3, 4, 4, 2]


def test_the_solution_is_for_those_who_passed_or_give_up(rms, space):
    with pytest.raises(UserError, match="--give-up"):
        desk.solution(space, rms)
    with Progress(space.database) as progress:
        assert progress.events("solution") == []
        progress.add("attempt", "rms_norm", passed=False)
    assert desk.solution(space, rms, give_up=True) == rms.source("solution")
    with Progress(space.database) as progress:
        assert [event.subject for event in progress.events("solution")] == ["rms_norm"]
        progress.add("attempt", "rms_norm", passed=True)
    assert desk.solution(space, rms) == rms.source("solution")
