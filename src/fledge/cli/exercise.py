"""`fledge exercise`: the exercises of the book. Grading them is `fledge check`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fledge.cli.flags import parse, subverb
from fledge.course import book
from fledge.lang import _, both, pgettext

Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]


def main(argv: list[str]) -> int:
    return subverb(
        {
            "list": (
                list_exercises,
                both("every exercise, and which of them you have passed"),
            ),
            "show": (show, both("what an exercise asks")),
            "start": (
                start,
                both("put its task and starter code into your workspace"),
            ),
            "reset": (reset, both("begin again; your old file is kept")),
            "hint": (hint, both("the next of its four hints")),
            "solution": (solution, both("the reference solution, once you have passed")),
        },
        argv,
        "fledge exercise",
    )


@dataclass
class ListFlags:
    """List the exercises, or those of one topic."""

    topic: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="TOPIC")] = None
    """only this topic: 01-normalization, attention, …"""
    json: bool = False
    """print JSON"""


def list_exercises(argv: list[str]) -> int:
    flags = parse(ListFlags, argv, "fledge exercise list")
    from fledge.course.exercise import exercises

    topic = None if flags.topic is None else book.find_topic(flags.topic).name
    chosen = [exercise for exercise in exercises() if topic in (None, exercise.topic)]
    states = _states()
    rows = [
        {
            "name": exercise.name,
            "topic": exercise.topic,
            "title": str(exercise.title),
            "difficulty": exercise.difficulty,
            "minutes": exercise.minutes,
            "part": exercise.part,
            "prerequisites": list(exercise.prerequisites),
            "state": states.get(exercise.name, "not started"),
        }
        for exercise in chosen
    ]
    if flags.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    words = {"passed": _("✓ passed"), "started": pgettext("an exercise", "started"), "not started": ""}
    width = max((len(exercise.name) for exercise in chosen), default=0)
    previous = ""
    for row, exercise in zip(rows, chosen):
        if exercise.topic != previous:
            print(f"\n{exercise.topic}" if previous else exercise.topic)
            previous = exercise.topic
        dots = "●" * exercise.difficulty + "○" * (5 - exercise.difficulty)
        minutes = _("{minutes:>3} min").format(minutes=exercise.minutes)
        print(f"  {exercise.name:<{width}}  {dots}  {minutes}  {exercise.title}  {words[str(row['state'])]}".rstrip())
    print(_("\nStart one: fledge exercise start NAME"))
    return 0


@dataclass
class ShowFlags:
    """Show what an exercise asks."""

    name: Name
    """the exercise, or a part of its name"""
    json: bool = False
    """print JSON"""


def show(argv: list[str]) -> int:
    flags = parse(ShowFlags, argv, "fledge exercise show")
    from fledge.course.exercise import find_exercise

    exercise = find_exercise(flags.name)
    mistakes, variants = exercise.bank_size()
    if flags.json:
        row = {
            "name": exercise.name,
            "topic": exercise.topic,
            "title": vars(exercise.title),
            "task": vars(exercise.task),
            "functions": list(exercise.functions),
            "part": exercise.part,
            "minutes": exercise.minutes,
            "difficulty": exercise.difficulty,
            "prerequisites": list(exercise.prerequisites),
            "labs": list(exercise.labs),
            "starter": exercise.source("starter"),
            "seconds": exercise.seconds,
            "memory_mb": exercise.memory_mb,
            "mistakes": mistakes,
            "variants": variants,
        }
        print(json.dumps(row, ensure_ascii=False, indent=1))
        return 0
    print(f"{exercise.name} · {exercise.title}")
    print(
        _("{topic} · difficulty {difficulty} of 5 · about {minutes} minutes").format(
            topic=exercise.topic, difficulty=exercise.difficulty, minutes=exercise.minutes
        )
    )
    print(
        _("A check runs for {seconds:g} seconds at most and may use {memory_mb} MB of memory").format(
            seconds=exercise.seconds, memory_mb=exercise.memory_mb
        )
    )
    if exercise.prerequisites:
        print(_("Do these first: {prerequisites}").format(prerequisites=", ".join(exercise.prerequisites)))
    if exercise.labs:
        names = ", ".join(f"{exercise.topic}/{lab}" for lab in exercise.labs)
        print(_("Labs that show why: {names}").format(names=names))
    print(f"\n{str(exercise.task).rstrip()}\n")
    print(
        _(
            "The grader is graded too: it must catch {mistakes} common mistakes and accept {variants} other right solutions."
        ).format(mistakes=mistakes, variants=variants)
    )
    print(_("Start it: fledge exercise start {exercise}").format(exercise=exercise.name))
    return 0


@dataclass
class StartFlags:
    """Put the task and the starter code into your workspace. A file that is there already is never overwritten."""

    name: Name
    """the exercise, or a part of its name"""
    reverse: bool = False
    """the reverse exercise: write the checks, and see how many wrong implementations they catch"""


def start(argv: list[str]) -> int:
    flags = parse(StartFlags, argv, "fledge exercise start")
    from fledge.course import desk
    from fledge.course.exercise import find_exercise
    from fledge.course.workspace import find_workspace

    file, new = desk.start(find_workspace(), find_exercise(flags.name), backwards=flags.reverse)
    where = _short(file)
    if new:
        print(_("The task and the starter code are in {where}").format(where=where))
    else:
        print(_("It is already in {where}, and stays as it is.").format(where=where))
    print(_("When it is written: fledge check {file}").format(file=file.stem))
    return 0


@dataclass
class ResetFlags:
    """Begin an exercise again. Your old file is kept beside the new one."""

    name: Name
    """the exercise, or a part of its name"""
    reverse: bool = False
    """the reverse exercise"""


def reset(argv: list[str]) -> int:
    flags = parse(ResetFlags, argv, "fledge exercise reset")
    from fledge.course import desk
    from fledge.course.exercise import find_exercise
    from fledge.course.workspace import find_workspace

    file, kept = desk.reset(find_workspace(), find_exercise(flags.name), backwards=flags.reverse)
    print(_("{file} is as it was at first; what you wrote is in {kept}").format(file=_short(file), kept=_short(kept)))
    return 0


@dataclass
class HintFlags:
    """The next of four hints: a question, an example with tiny numbers, the steps, nearly the code. Each is logged."""

    name: Name
    """the exercise, or a part of its name"""
    level: Annotated[int | None, tyro.conf.Positional, tyro.conf.arg(metavar="LEVEL")] = None
    """1 to 4 instead of the next one"""


def hint(argv: list[str]) -> int:
    flags = parse(HintFlags, argv, "fledge exercise hint")
    from fledge.course import desk
    from fledge.course.exercise import HINTS, find_exercise
    from fledge.course.workspace import find_workspace

    level, text = desk.hint(find_workspace(), find_exercise(flags.name), flags.level)
    print(_("Hint {level} of {hints}: {text}").format(level=level, hints=HINTS, text=text))
    return 0


@dataclass
class SolutionFlags:
    """Show the reference solution of an exercise that you have passed."""

    name: Name
    """the exercise, or a part of its name"""
    give_up: bool = False
    """show it although you have not passed; this is logged"""


def solution(argv: list[str]) -> int:
    flags = parse(SolutionFlags, argv, "fledge exercise solution")
    from fledge.course import desk
    from fledge.course.exercise import find_exercise
    from fledge.course.workspace import find_workspace

    print(desk.solution(find_workspace(), find_exercise(flags.name), give_up=flags.give_up).rstrip())
    return 0


def _states() -> dict[str, str]:
    """Exercise -> "started" or "passed"; nothing where there is no workspace yet."""
    from fledge.course.progress import open_progress
    from fledge.errors import UserError

    states: dict[str, str] = {}
    try:
        with open_progress() as progress:
            for event in progress.events():
                if event.kind == "started":
                    states.setdefault(event.subject, "started")
                elif event.kind == "attempt" and states.get(event.subject) != "passed":
                    states[event.subject] = "passed" if event.data.get("passed") else "started"
    except UserError:
        pass
    return states


def _short(file: Path) -> str:
    """The path as seen from here, when that is shorter."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
