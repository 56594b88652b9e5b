"""Every exercise of the book passes the author's gate, and the gate notices what it is there to notice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fledge.course import book
from fledge.course.exercise import exercises, find_exercise, read
from fledge.course.grader.gate import gate, proof_files, rights
from fledge.course.grader.grade import grade
from fledge.proofs import content_hash, rotating
from tests.course.learner_files import Here

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = [exercise.name for exercise in exercises()]
IN_TURN = 4
RECORD = json.loads((book.book_root() / "graders.json").read_text(encoding="utf-8"))
PROCESSORS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "two threads": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "plain kernels": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
    "AVX2 kernels": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}


@pytest.mark.parametrize("name", NAMES)
def test_the_grader_is_graded(name, pytestconfig):
    """In full when it changed since it was recorded, when it is its turn, and with --all; what is right is tried always."""
    exercise = find_exercise(name)
    chosen = pytestconfig.getoption("--all") or name in rotating(NAMES, IN_TURN)
    if not chosen and content_hash(proof_files(exercise)) == RECORD[name].get("hash"):
        assert rights(exercise) == []
        return
    result = gate(exercise)
    assert result.problems == ()
    assert result.killed == result.mistakes >= 8 and result.accepted == result.variants >= 3


def test_the_record_tells_of_every_exercise():
    """`python docs/book.py --gate` writes it anew; one that is out of date costs time, and nothing else."""
    assert set(RECORD) == set(NAMES)
    for exercise in exercises():
        mistakes, variants = exercise.bank_size()
        found = RECORD[exercise.name]
        assert (found["killed"], found["accepted"]) == (mistakes, variants) == (found["mistakes"], found["variants"])


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_what_is_right_is_right_on_every_processor(processor):
    """As many right answers, in a process whose arithmetic is that of another processor."""
    code = "from tests.course.test_gate import report_rights; report_rights()"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        cwd=ROOT,
        env=os.environ | PROCESSORS[processor],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    tried, *problems = done.stdout.splitlines()
    assert problems == []
    assert int(tried) == len(NAMES) + sum(found["variants"] for found in RECORD.values())


def report_rights() -> None:
    """Print how many solutions and variants were tried, and what is wrong with which."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    print(sum(1 + exercise.bank_size()[1] for exercise in exercises()))
    for exercise in exercises():
        for problem in rights(exercise, seeds=(5,)):
            print(exercise.name, problem)


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes_as_a_learners_file(monkeypatch, name):
    """Its arguments and results travel, which the gate does not try."""
    monkeypatch.setattr("fledge.course.grader.grade.Child", Here)
    exercise = find_exercise(name)
    result = grade(exercise, exercise.path / "solution.py", seed=11)
    assert result.passed, (result.case, result.message)


@pytest.mark.parametrize("name", NAMES)
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
