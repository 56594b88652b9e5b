"""The learner's desk: begin an exercise, begin again, take a hint, look at the solution. Everything is kept in the progress."""

from __future__ import annotations

from pathlib import Path

from fledge.course.exercise import HINTS, Exercise
from fledge.course.grader import reverse
from fledge.course.progress import Progress
from fledge.course.workspace import Workspace
from fledge.errors import UserError
from fledge.lang import Text, _


def answer_file(space: Workspace, exercise: Exercise, *, backwards: bool = False) -> Path:
    """Where the learner writes: exercises/<name>.py, or exercises/<name>_checks.py for the reverse exercise."""
    return space.exercises / f"{exercise.name}{reverse.SUFFIX if backwards else ''}.py"


def start(space: Workspace, exercise: Exercise, *, backwards: bool = False) -> tuple[Path, bool]:
    """Put the task and the starter into the workspace. Returns the file, and False when it was there and stays as it is."""
    file = answer_file(space, exercise, backwards=backwards)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as new:
            new.write(sheet(exercise, backwards=backwards))
    except FileExistsError:
        return file, False
    except OSError as error:
        why = error.strerror or error
        raise UserError(_("'{file}' cannot be written: {why}.").format(file=file, why=why)) from error
    with Progress(space.database) as progress:
        progress.add("started", file.stem)
    return file, True


def reset(space: Workspace, exercise: Exercise, *, backwards: bool = False) -> tuple[Path, Path]:
    """Begin again: the old file is kept beside the new one. Returns (new file, old file)."""
    file = answer_file(space, exercise, backwards=backwards)
    if not file.exists():
        raise UserError(
            _("'{file}' is not started yet: use `fledge exercise start {exercise}`.").format(
                file=file.stem, exercise=exercise.name
            )
        )
    number = 1
    while (kept := file.with_name(f"{file.stem}.old-{number}.py")).exists():
        number += 1
    file.rename(kept)
    start(space, exercise, backwards=backwards)
    return file, kept


def sheet(exercise: Exercise, *, backwards: bool = False) -> str:
    """The task in the learner's language as comments, and the code to begin with."""
    if backwards:
        task = _(
            "Reverse exercise: write checks for {exercise}.\n"
            "The function check is given many implementations, right ones and wrong ones, "
            "and is not told which is which.\n"
            "Raise AssertionError (an assert statement does) when one is wrong; let the right ones through.\n"
            "Passed when everything right gets through and at least four of five wrong ones are caught.\n"
            "Check it: fledge check {exercise}{suffix}\n\nWhat the function under test has to do:\n\n{task}"
        ).format(exercise=exercise.name, suffix=reverse.SUFFIX, task=exercise.task)
        code = reverse.starter(exercise)
    else:
        check = _("Check it: fledge check {exercise}").format(exercise=exercise.name)
        hint = _("A hint: fledge exercise hint {exercise}").format(exercise=exercise.name)
        task = f"{exercise.title}\n\n{str(exercise.task).rstrip()}\n\n{check}\n{hint}"
        code = exercise.source("starter")
    lines = [f"# {line}".rstrip() for line in task.rstrip().splitlines()]
    return "\n".join(lines) + "\n\n" + code


def hint(space: Workspace, exercise: Exercise, level: int | None = None) -> tuple[int, Text]:
    """The hint of that level, or the next one; the last again when all are taken."""
    with Progress(space.database) as progress:
        if level is None:
            taken = [int(event.data.get("level", 0)) for event in progress.events("hint", exercise.name)]
            level = min(HINTS, max(taken, default=0) + 1)
        if not 1 <= level <= HINTS:
            raise UserError(
                _("hints have levels 1 to {hints}, there is no level {level}.").format(hints=HINTS, level=level)
            )
        progress.add("hint", exercise.name, level=level)
    return level, exercise.hints[level - 1]


def solution(space: Workspace, exercise: Exercise, *, give_up: bool = False) -> str:
    """The text of the solution: after an attempt that passed, or for one who gives up (which is kept)."""
    with Progress(space.database) as progress:
        if not passed(progress, exercise):
            if not give_up:
                raise UserError(
                    _(
                        "you see the solution once you have passed. Take a hint first (`fledge exercise hint "
                        "{exercise}`), or add --give-up, which is kept in your progress."
                    ).format(exercise=exercise.name)
                )
            progress.add("solution", exercise.name)
    return exercise.source("solution")


def passed(progress: Progress, exercise: Exercise) -> bool:
    """Whether any attempt at it has passed."""
    return any(event.data.get("passed") for event in progress.events("attempt", exercise.name))
