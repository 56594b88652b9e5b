"""The learner's desk: begin an exercise, begin again, take a hint, look at the solution. Everything is kept in the progress."""

from __future__ import annotations

from pathlib import Path

from fledge.course.exercise import HINTS, Exercise
from fledge.course.grader import reverse
from fledge.course.progress import Progress
from fledge.course.workspace import Workspace
from fledge.errors import UserError
from fledge.lang import Text, say


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
        raise UserError(say(f"写不了 '{file}'：{why}。", f"'{file}' cannot be written: {why}.")) from error
    with Progress(space.database) as progress:
        progress.add("started", file.stem)
    return file, True


def reset(space: Workspace, exercise: Exercise, *, backwards: bool = False) -> tuple[Path, Path]:
    """Begin again: the old file is kept beside the new one. Returns (new file, old file)."""
    file = answer_file(space, exercise, backwards=backwards)
    if not file.exists():
        raise UserError(
            say(
                f"'{file.stem}' 还没有开始：用 `fledge exercise start {exercise.name}`。",
                f"'{file.stem}' is not started yet: use `fledge exercise start {exercise.name}`.",
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
        task = say(
            f"反向练习：为 {exercise.name} 写检查。\n"
            "函数 check 会拿到很多个实现，有对的，也有错的，但不告诉你哪个是哪个。\n"
            "实现不对就抛出 AssertionError（assert 语句就行），对的就放行。\n"
            "通过的标准：所有正确实现都放行，错误实现至少抓住八成。\n"
            f"检查：fledge check {exercise.name}{reverse.SUFFIX}\n\n被检查的函数要做的是：\n\n{exercise.task}",
            f"Reverse exercise: write checks for {exercise.name}.\n"
            "The function check is given many implementations, right ones and wrong ones, and is not told which is which.\n"
            "Raise AssertionError (an assert statement does) when one is wrong; let the right ones through.\n"
            "Passed when everything right gets through and at least four of five wrong ones are caught.\n"
            f"Check it: fledge check {exercise.name}{reverse.SUFFIX}\n\nWhat the function under test has to do:\n\n{exercise.task}",
        )
        code = reverse.starter(exercise)
    else:
        check = say(f"检查：fledge check {exercise.name}", f"Check it: fledge check {exercise.name}")
        hint = say(f"要提示：fledge exercise hint {exercise.name}", f"A hint: fledge exercise hint {exercise.name}")
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
                say(
                    f"提示有 1 到 {HINTS} 级，没有第 {level} 级。",
                    f"hints have levels 1 to {HINTS}, there is no level {level}.",
                )
            )
        progress.add("hint", exercise.name, level=level)
    return level, exercise.hints[level - 1]


def solution(space: Workspace, exercise: Exercise, *, give_up: bool = False) -> str:
    """The text of the solution: after an attempt that passed, or for one who gives up (which is kept)."""
    with Progress(space.database) as progress:
        if not passed(progress, exercise):
            if not give_up:
                raise UserError(
                    say(
                        f"通过之后才能看参考解答：先要提示（`fledge exercise hint {exercise.name}`）；"
                        "实在写不出来，再加 --give-up（会记入学习记录）。",
                        f"you see the solution once you have passed. Take a hint first (`fledge exercise hint {exercise.name}`), "
                        "or add --give-up, which is kept in your progress.",
                    )
                )
            progress.add("solution", exercise.name)
    return exercise.source("solution")


def passed(progress: Progress, exercise: Exercise) -> bool:
    """Whether any attempt at it has passed."""
    return any(event.data.get("passed") for event in progress.events("attempt", exercise.name))
