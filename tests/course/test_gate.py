"""Every exercise of the book passes the author's gate, and the gate notices what it is there to notice."""

from __future__ import annotations

import shutil

import pytest

from fledge import book
from fledge.course.exercise import exercises, find_exercise, read
from fledge.course.grader.gate import gate
from fledge.course.grader.grade import grade
from tests.course.learner_files import Here


@pytest.mark.parametrize("name", [exercise.name for exercise in exercises()])
def test_the_grader_is_graded(name):
    result = gate(find_exercise(name))
    assert result.problems == ()
    assert result.killed == result.mistakes >= 8 and result.accepted == result.variants >= 3


@pytest.mark.parametrize("name", [exercise.name for exercise in exercises()])
def test_the_solution_passes_as_a_learners_file(monkeypatch, name):
    """Its arguments and results travel, which the gate does not try."""
    monkeypatch.setattr("fledge.course.grader.grade.Child", Here)
    exercise = find_exercise(name)
    result = grade(exercise, exercise.path / "solution.py", seed=11)
    assert result.passed, (result.case, result.message)


@pytest.mark.parametrize("name", [exercise.name for exercise in exercises()])
def test_what_an_exercise_names_is_there(name):
    exercise = find_exercise(name)
    labs = {path.stem for topic in book.topics() for path in topic.labs}
    assert set(exercise.prerequisites) <= {other.name for other in exercises()} - {name}
    assert set(exercise.labs) <= labs
    files = {path.name for path in exercise.path.iterdir() if path.is_file()}
    assert files == {"exercise.yaml", "starter.py", "solution.py", "checks.py", "bank.py"}


@pytest.fixture
def changed(tmp_path):
    """changed(file, old, new) -> the problems that the gate finds in rms_norm with that change."""

    def run(file: str, old: str, new: str) -> str:
        folder = tmp_path / "rms_norm"
        shutil.copytree(find_exercise("rms_norm").path, folder, ignore=shutil.ignore_patterns("__pycache__"))
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return "\n".join(gate(read(folder), seeds=(1,)).problems)

    return run


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "checks.py",
            "dtype=torch.float16, scale=300",
            "dtype=torch.float16, scale=1",
            "the mistake 'squared_in_half' passes",
        ),
        ("checks.py", "grad=True", "grad=False", "the mistake 'root_detached' passes"),
        ("checks.py", '"slack": 4', '"slack": 0', "the solution fails (seed 1): UNSTABLE in 'half"),
        ("checks.py", "length=8,", "length=8, slack=1e-4,", "the variant 'by_the_norm' fails"),
        ("checks.py", '"cost"', '"dear"', "there are ceilings and no case 'cost'"),
        ("checks.py", '"batch"', '"plain"', "two cases have the same name"),
        (
            "bank.py",
            "return right(x, weight, 1e-6)",
            "return right(x, weight, 0.0)",
            "'eps_forgotten' and 'eps_hard_coded' give",
        ),
        ("bank.py", "@variant", "@mistake(Text('甲', 'a'))", "the bank needs 8 mistakes and 3 variants"),
        ("solution.py", "x.float()", "x.clone()", "the solution fails"),
        ("solution.py", "eps: float", "epsilon: float", "starter and solution of rms_norm have different parameters"),
        ("starter.py", "def rms_norm", "def rms", "the starter does not define every function"),
        ("exercise.yaml", "part: rms_norm", "part: attention", "the part attention is none of the functions"),
        ("exercise.yaml", "bytes: 6", "bytes: 0.5", "TOO_BIG in 'cost'"),
    ],
)
def test_the_gate_notices(changed, file, old, new, words):
    assert words in changed(file, old, new)


def test_a_change_that_harms_nothing_is_no_problem(changed):
    assert changed("starter.py", "raise NotImplementedError", 'raise NotImplementedError("write it")') == ""


def test_doing_nothing_must_not_pass(changed):
    """With an oracle that gives its argument back the trivial answers are right, and the gate says so."""
    old = "    return (x64 / size * weight.double()).to(x.dtype)"
    assert "returning the first argument passes for rms_norm" in changed(
        "checks.py", old, "    return x + 0 * size.to(x.dtype)"
    )
