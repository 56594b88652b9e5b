"""fledge new: skeletons say that they are not attempted, whatever is done with them; a gate finds what is wrong."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fledge import cli, jobs
from fledge.cli import new_check
from fledge.course import book
from fledge.jobs.job import Job
from fledge.lab import Claim
from tests.conftest import ROOT
from tests.jobs import one_file
from tests.lab import toy
from tests.test_packaging import left_out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("lab My-Lab", "'My-Lab' cannot be a name"),
        ("lab 09-nowhere/mine", "no topic '09-nowhere'"),
        ("exercise rms_norm", "there is an exercise 'rms_norm' already"),
        ("job sft", "there is a job 'sft' already"),
        ("job runner", "is there already, and stays as it is"),
        ("job unheard_of --check", "no training job 'unheard_of'"),
    ],
)
def test_a_mistake_is_one_sentence(words, said, capsys):
    assert cli.main(["new", *words.split()]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_an_installed_package_has_no_source_to_write_into(monkeypatch, capsys):
    monkeypatch.setattr(book, "is_checkout", lambda: False)
    assert cli.main(["new", "job", "mine"]) == 2
    assert "get the source code" in capsys.readouterr().err


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("copy") / "fledge"
    shutil.copytree(ROOT, root, ignore=left_out)
    return root


def type_in(copy: Path, command: str, folder: str = ".") -> tuple[int, str]:
    told = {"PYTHONPATH": str(copy / "src"), "FLEDGE_LANG": "en", "PYTHONIOENCODING": "utf-8"}
    told |= {"FLEDGE_WORKSPACE": str(copy / "workspace"), "FLEDGE_RUNS": str(copy / "runs")}
    words = [sys.executable, "-m", *command.split()]
    done = subprocess.run(words, cwd=copy / folder, env=os.environ | told, capture_output=True, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_skeleton_of_a_lab(copy):
    code, out = type_in(copy, "fledge new lab mine", "modules/01-foundation/03-attention")
    (file,) = (copy / "modules/01-foundation/03-attention/experiments").glob("exp*_mine.py")
    assert code == 0 and f"experiments/{file.name}" in out
    for command, wanted in ((f"fledge new lab {file.stem} --check", 0), (f"fledge lab run {file.stem} --quick", 2)):
        code, out = type_in(copy, command)
        assert code == wanted and "not attempted: `run` in" in out and "Traceback" not in out
    assert type_in(copy, f"fledge lab show {file.stem}")[0] == 0
    assert type_in(copy, "fledge new lab mine", "modules/01-foundation/03-attention")[0] == 0  # the next number
    assert len(list(file.parent.glob("exp*_mine.py"))) == 2


@pytest.mark.slow
def test_the_skeleton_of_an_exercise(copy):
    assert type_in(copy, "fledge new exercise 03-attention/mine")[0] == 0
    code, out = type_in(copy, "fledge new exercise mine --check")
    assert code == 0 and "mine: not attempted: `mine` in" in out
    assert type_in(copy, "fledge exercise start mine")[0] == 0
    code, out = type_in(copy, "fledge check mine")
    assert code == 1 and "not attempted" in out


@pytest.mark.slow
def test_the_skeleton_of_a_job(copy):
    code, out = type_in(copy, "fledge new job my_way")
    (line,) = re.findall(r'^    "my_way": .*,$', out, re.MULTILINE)
    table = copy / "src/fledge/jobs/__init__.py"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("JOBS = {\n", f"JOBS = {{\n{line}\n"), encoding="utf-8")
    code, out = type_in(copy, "fledge new job my_way --check")
    assert code == 0 and "my_way: not attempted: `objective` in" in out
    assert "--seq-len" in type_in(copy, "fledge train my_way --help")[1]
    code, out = type_in(copy, "fledge train my_way --data LICENSE --steps 1")
    assert code == 2 and "not attempted" in out and "Traceback" not in out


@pytest.mark.slow
def test_skeletons_are_in_style(copy):
    assert type_in(copy, "fledge new job a_rather_long_name_for_a_job")[0] == 0
    assert type_in(copy, "fledge new exercise a_rather_long_name_for_a_function")[0] == 0
    assert type_in(copy, "fledge new lab a_rather_long_name_for_a_lab")[0] == 0
    files = [str(path) for path in copy.rglob("*.py") if "rather_long" in str(path)]
    assert len(files) == 6
    for check in ("check", "format --check"):
        done = subprocess.run([sys.executable, "-m", "ruff", *check.split(), *files], capture_output=True, cwd=copy)
        assert done.returncode == 0, done.stdout.decode()


# Gates


def trial(lab, monkeypatch) -> list[str]:
    monkeypatch.setattr(book, "find_lab", lambda word: (None, lab.path))
    monkeypatch.setattr("fledge.cli.lab.load", lambda path: lab)
    return new_check.lab("toy")


def claiming(holds) -> list[Claim]:
    return [dataclasses.replace(claim, holds=holds, absolute=False) for claim in toy.lab.claims]


def test_a_lab_is_tried(monkeypatch):
    assert trial(toy.lab, monkeypatch) == []
    always = trial(toy.make(claims=claiming(lambda arm: arm["fair"]["share"] < 2)), monkeypatch)
    assert "'more' is found where nothing differs" in always and "'more' survives the sabotage 'no bias'" in always
    never = trial(toy.make(claims=claiming(lambda arm: arm["fair"]["share"] > 2)), monkeypatch)
    assert "'half' is NOT SUPPORTED" in never
    odd = dataclasses.replace(toy.lab.prediction, outcome=lambda results: "edge")
    assert trial(toy.make(prediction=odd), monkeypatch) == ["the outcome 'edge' is none of ['fair', 'biased']"]


def changed_job(monkeypatch, **changes) -> list[str]:
    job: Job = dataclasses.replace(one_file.JOB, **changes)
    monkeypatch.setitem(jobs.JOBS, "echo", "tests.jobs.one_file")
    monkeypatch.setattr(one_file, "JOB", job)
    return new_check.job("echo")


@pytest.mark.slow
def test_a_job_is_tried(monkeypatch):
    assert changed_job(monkeypatch) == []
    assert changed_job(monkeypatch, rows="chat")[0].startswith("JOB, its planning and JOBS differ")

    @dataclasses.dataclass
    class Silent(one_file.EchoConfig):
        silent: int = 0

    assert "the setting 'silent' has no docstring" in changed_job(monkeypatch, config=Silent)


@pytest.mark.slow
def test_a_job_that_does_not_resume_exactly_is_found_out(monkeypatch):
    def objective(setting):
        made = one_file.objective(setting)
        loss = made.loss

        def moody(batch):  # by a random number that no checkpoint can keep
            found = loss(batch)
            return dataclasses.replace(found, sum=found.sum * random.SystemRandom().random())

        made.loss = moody
        return made

    assert changed_job(monkeypatch, objective=objective) == ["resumed, it ends in other weights than without a break"]
