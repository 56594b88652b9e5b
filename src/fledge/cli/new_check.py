"""The gates of what `fledge new` begins: is a lab an experiment, does a grader grade, does a job train and resume?"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.course import book
from fledge.errors import NotWritten, UserError
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.jobs.job import Job
    from fledge.records import Run

TEXT = "The cat sat on the mat. A dog ate the fish. 猫坐在垫子上。狗吃了鱼。\n" * 60
CHAT = (
    '{"messages": [{"role": "user", "content": "Who sat?"}, {"role": "assistant", "content": "The cat sat."}]}\n' * 60
)
TINY: dict[str, Any] = {"seq_len": 32, "batch_size": 2, "device": "cpu", "precision": "fp32", "compile": "off"}
STEPS, KILLED = 6, 3  # of a job on trial; after the third it is resumed


def report(name: str, gate: Callable[[str], list[str]]) -> int:
    """Print what a gate found. Exit code 0 when it passes, or was not attempted yet."""
    try:
        problems = gate(name)
    except NotWritten as nothing:
        print(f"{name}: {nothing}")
        return 0
    for problem in problems:
        print(f"  - {problem}")
    found = _("{num_problems} to mend").format(num_problems=len(problems)) if problems else _("passed")
    print(f"{name}: {found}")
    return int(bool(problems))


def lab(name: str) -> list[str]:
    """Its claims hold in the full run, none of them where the arms are the same, and none that its sabotage takes away."""
    from fledge.cli.lab import load
    from fledge.lab import proof

    path = book.find_lab(name)[1]
    made = load(path)
    results, kept = proof.prove(made)
    problems = [*_unsaid([path]), *proof.problems(made, kept)]
    outcome, options = made.prediction.outcome(results), list(made.prediction.options)
    if outcome not in options:
        problems.append(_("the outcome '{outcome}' is none of {options}").format(outcome=outcome, options=options))
    return problems


def exercise(name: str) -> list[str]:
    """Its grader rejects every mistake of the bank, and accepts the solution and every variant."""
    from fledge.course.exercise import find_exercise, unwritten
    from fledge.course.grader.gate import gate

    found = find_exercise(name)
    if empty := unwritten(found, found.source("solution")):
        raise NotWritten(empty[0], str(found.path / "solution.py"))
    return [*_unsaid(sorted(found.path.glob("*.*"))), *gate(found).problems]


def job(name: str) -> list[str]:
    """Its facts agree with one another, it trains a few steps, and ends in the same weights when it is resumed."""
    from fledge.jobs import JOBS, find_job

    found = find_job(name)
    problems = _facts(name, found)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _environment(folder):
        try:
            problems += _training(found, Path(folder))
        except NotWritten:
            raise
        except UserError as error:
            problems.append(str(error))
    file = importlib.import_module(JOBS[name]).__file__
    assert file
    return [*_unsaid([Path(file)]), *problems]


def _facts(name: str, found: Job) -> list[str]:
    """What the command line, the planner and the checks of settings will read."""
    from tyro import _docstrings

    from fledge.training.optimizers import OPTIMIZERS

    fields = {field.name for field in dataclasses.fields(found.config)}
    problems = []
    if {found.name, found.planning.job} != {name} or found.planning.kind != found.rows:
        problems.append(_("JOB, its planning and JOBS differ in name or kind of rows"))
    if found.planning.budget is None and found.planning.epochs is None:
        problems.append(_("its planning has neither budget nor epochs"))
    if "{run}" not in found.next_command or found.about.zh == found.about.en:
        problems.append(_("next_command needs {run}, about two languages"))
    for field in sorted(fields):
        if not _docstrings.get_field_docstring(found.config, field, ()):
            problems.append(_("the setting '{field}' has no docstring").format(field=field))
    for field in sorted({field for names, *_ in found.config.ranges for field in names} - fields):
        problems.append(_("'{field}' in ranges is no setting").format(field=field))
    for optimizer, recipe in OPTIMIZERS.items():
        if set(found.config.rates.get(optimizer, {})) != set(recipe.rates):
            problems.append(_("rates does not hold those of {optimizer}").format(optimizer=optimizer))
    return problems


def _training(found: Job, folder: Path) -> list[str]:
    files = {"text": folder / "text.txt", "chat": folder / "chat.jsonl"}
    for file, content in zip(files.values(), (TEXT, CHAT)):
        file.write_text(content, encoding="utf-8")
    small: dict[str, Any] = {"preset": "cpu-2m", "set": {"num_hidden_layers": 1, "hidden_size": 64, "vocab_size": 512}}
    base = _train("pretrain", data=[str(files["text"])], run="base", steps=1, **small)
    own = {"model": base.name, "data": [str(files[found.rows])], "run": "trial", "save_every": KILLED, "steps": STEPS}
    run = _train(found.name, **own)
    rows = [row for row in run.metrics() if "loss" in row]
    if len(rows) != STEPS or any(row["loss"] is None for row in rows):
        return [_("it has no finite loss at every step")]
    weights = (run.model_dir / "model.safetensors").read_bytes()
    shutil.rmtree(run.checkpoints_dir / f"step-{STEPS}")
    run.update(status="stopped")
    again = _train(found.name, resume=True, **own)
    if (again.model_dir / "model.safetensors").read_bytes() != weights:
        return [_("resumed, it ends in other weights than without a break")]
    return []


def _train(name: str, **settings: Any) -> Run:
    from fledge.api import train

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return train(name, **TINY, **settings)


@contextlib.contextmanager
def _environment(folder: str) -> Iterator[None]:
    """Runs and prepared data lie in `folder`."""
    before = dict(os.environ)
    os.environ.update(FLEDGE_RUNS=str(Path(folder) / "runs"), FLEDGE_CACHE=str(Path(folder) / "cache"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _unsaid(files: Iterable[Path]) -> list[str]:
    """The lines that still say TODO."""
    found = []
    for file in files:
        lines = [
            number for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1) if "TODO" in line
        ]
        if lines:
            where = ", ".join(map(str, lines))
            found.append(_("{file} still says TODO (lines {where})").format(file=file.name, where=where))
    return found
