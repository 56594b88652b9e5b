"""`fledge new`: the skeleton of a lab, an exercise or a job, and the gate that it must pass when it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fledge.cli import new_check
from fledge.cli.flags import parse, subverb
from fledge.course import book
from fledge.errors import UserError
from fledge.lang import _, both

SKELETONS = Path(__file__).resolve().parent / "skeletons"
Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]


def main(argv: list[str]) -> int:
    return subverb(
        {
            "lab": (lab, both("a contrast experiment of the book")),
            "exercise": (exercise, both("an exercise that a program grades")),
            "job": (job, both("a way to train")),
        },
        argv,
        "fledge new",
    )


@dataclass
class LabFlags:
    """Write a lab's skeleton into the book; with --check, try the lab."""

    name: Name
    """its name, or TOPIC/NAME; without a topic it is the one you are in, else the last of the book"""
    check: bool = False
    """try it: its contract, its claims, an arm compared with itself, and its sabotages"""


def lab(argv: list[str]) -> int:
    flags = parse(LabFlags, argv, "fledge new lab")
    if flags.check:
        return new_check.report(flags.name, new_check.lab)
    topic, name = _place(flags.name, "experiments")
    folder = topic.path / "experiments"
    if not re.match(r"exp\d+_", name):
        taken = [int(found[1]) for path in folder.glob("exp*.py") if (found := re.match(r"exp(\d+)_", path.name))]
        name = f"exp{max(taken, default=0) + 1}_{name}"
    file = folder / f"{name}.py"
    _write(file, "lab.py")
    print(_("the skeleton is in {file}").format(file=_short(file)))
    _next(f"fledge new lab {topic.name}/{name} --check")
    return 0


@dataclass
class ExerciseFlags:
    """Write an exercise's skeleton into the book; with --check, try its grader."""

    name: Name
    """the function to write, or TOPIC/NAME; without a topic it is the one you are in, else the last of the book"""
    check: bool = False
    """grade the grader: it must reject every mistake of the bank and accept every variant"""


def exercise(argv: list[str]) -> int:
    flags = parse(ExerciseFlags, argv, "fledge new exercise")
    if flags.check:
        return new_check.report(flags.name, new_check.exercise)
    topic, name = _place(flags.name, "exercises")
    from fledge.course.exercise import exercises

    if name in {other.name for other in exercises()}:
        raise UserError(_("there is an exercise '{name}' already: take another name.").format(name=name))
    folder = topic.path / "exercises" / name
    for template in sorted((SKELETONS / "exercise").iterdir()):
        _write(folder / template.stem, f"exercise/{template.stem}", name=name)
    print(_("the skeleton is in {folder}").format(folder=_short(folder)))
    _next(f"fledge new exercise {name} --check")
    return 0


@dataclass
class JobFlags:
    """Write a job's skeleton; with --check, try the job."""

    name: Name
    """its name, as in `fledge train NAME`"""
    check: bool = False
    """try it: its help, its facts for the planner, and a few steps of training"""


def job(argv: list[str]) -> int:
    flags = parse(JobFlags, argv, "fledge new job")
    if flags.check:
        return new_check.report(flags.name, new_check.job)
    name = _name(flags.name)
    from fledge.jobs import JOBS

    if name in JOBS:
        raise UserError(_("there is a job '{name}' already: take another name.").format(name=name))
    file = _checkout() / "src" / "fledge" / "jobs" / f"{name}.py"
    _write(file, "job.py", name=name, title="".join(word.capitalize() for word in name.split("_")))
    print(_("the skeleton is in {file}").format(file=_short(file)))
    where = _short(file.with_name("__init__.py"))
    print(_("add this line to JOBS in {where}:").format(where=where))
    print(f'    "{name}": "fledge.jobs.{name}",')
    _next(f"fledge new job {name} --check")
    return 0


def _place(word: str, part: str) -> tuple[book.Topic, str]:
    """(topic, name) of NAME or TOPIC/NAME; the default topic is that of the working directory, else the last one with
    such a `part`."""
    _checkout()
    where, slash, name = word.replace("\\", "/").rpartition("/")
    if slash:
        return book.find_topic(where), _name(name)
    here = [topic for topic in book.topics() if Path.cwd().resolve().is_relative_to(topic.path.resolve())]
    return (here or [topic for topic in book.topics() if (topic.path / part).is_dir()])[-1], _name(name)


def _name(word: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", word):
        raise UserError(
            _("'{word}' cannot be a name: use small letters, digits and underscores, a letter first.").format(word=word)
        )
    return word


def _checkout() -> Path:
    if not book.is_checkout():
        raise UserError(
            _(
                "`fledge new` writes into the project's source code, and this Fledge is an installed one: "
                "get the source code and run it there."
            )
        )
    return book.checkout()


def _write(file: Path, template: str, **words: str) -> None:
    """Fill in a template; a file that is there is never touched."""
    import jinja2

    from fledge.course.workspace import write_once

    source = (SKELETONS / f"{template}.jinja").read_text(encoding="utf-8")
    text = jinja2.Template(source, keep_trailing_newline=True, undefined=jinja2.StrictUndefined).render(words)
    if not write_once(file, text):
        raise UserError(_("'{file}' is there already, and stays as it is.").format(file=file))


def _next(command: str) -> None:
    print(
        _("write everything that says TODO, then run: {command} (CONTRIBUTING.md has the steps)").format(
            command=command
        )
    )


def _short(path: Path) -> str:
    return path.relative_to(book.checkout()).as_posix()
