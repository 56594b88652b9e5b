"""`fledge check`: grade the learner's code, once, on every save, or all of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError
from fledge.lang import _

if TYPE_CHECKING:
    from rich.console import Console

    from fledge.course.exercise import Exercise
    from fledge.course.grader.grade import Grade
    from fledge.course.grader.reverse import Reverse

SCHEMA = "fledge.check/1"
POLL_SECONDS = 0.3
COLOURS = {"PASS": "green", "NOT_ATTEMPTED": "cyan"}


@dataclass
class Flags:
    """Grade an exercise in your workspace. Exit code: 0 when all passed, 1 when not, 2 for a mistake in the command."""

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME|FILE")] = None
    """the exercise (rms_norm), its reverse (rms_norm_checks), or a Python file called so"""
    watch: bool = False
    """grade it on every save; without a name, whatever you save in the workspace; Ctrl-C leaves"""
    all: bool = False
    """every exercise that you have started"""
    json: bool = False
    """print JSON: one result for each file, one task for each case"""


@dataclass(frozen=True)
class Target:
    """A file of the learner and the exercise that it is for."""

    exercise: Exercise
    file: Path
    reverse: bool

    def grade(self) -> Grade | Reverse:
        if self.reverse:
            from fledge.course.grader.reverse import attempt_reverse

            return attempt_reverse(self.exercise, self.file)
        from fledge.course.grader.grade import attempt

        return attempt(self.exercise, self.file)


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge check")
    if flags.all and (flags.name or flags.watch):
        raise UserError(_("--all stands alone: leave out the name and --watch."))
    if flags.watch and flags.json:
        raise UserError(_("--watch and --json do not go together."))
    if flags.watch:
        return watch(flags.name)
    if not flags.all and flags.name is None:
        raise UserError(_("name the exercise to check, e.g. `fledge check rms_norm`, or use --all."))
    from fledge.course.onward import next_lines
    from fledge.course.progress import open_progress

    targets = started() if flags.all else [find(flags.name or "")]
    if not targets:
        raise UserError(_("no exercise is started yet: choose one with `fledge exercise list`."))
    results = []
    for target in targets:
        results.append(target.grade())
        if not flags.json and not flags.all:
            print_result(results[-1])
    if flags.json:
        shown = {"schema": SCHEMA, "results": [result.to_dict() for result in results]}
        print(json.dumps(shown, ensure_ascii=False, indent=1))
    elif flags.all:
        print_table(results)
    elif results[0].passed:
        with open_progress() as progress:
            print("\n".join(next_lines(progress)))
    return 0 if all(result.passed for result in results) else 1


def find(word: str) -> Target:
    """The target that a name or a path means."""
    from fledge.course.desk import answer_file
    from fledge.course.exercise import find_exercise
    from fledge.course.grader.reverse import SUFFIX
    from fledge.course.workspace import find_workspace

    if word.endswith(".py") or "/" in word or "\\" in word:
        file = Path(word)
        if not file.is_file():
            raise UserError(_("there is no file '{word}'.").format(word=word))
        target = named(file)
        if target is None:
            raise UserError(
                _("'{file}' belongs to no exercise: name the file after its exercise, e.g. rms_norm.py.").format(
                    file=file.name
                )
            )
        return target
    reverse = word.endswith(SUFFIX)
    exercise = find_exercise(word.removesuffix(SUFFIX))
    file = answer_file(find_workspace(), exercise, backwards=reverse)
    if not file.is_file():
        command = f"fledge exercise start {exercise.name}" + " --reverse" * reverse
        raise UserError(_("'{file}' is not started yet: use `{command}`.").format(file=file.stem, command=command))
    return Target(exercise, file, reverse)


def named(file: Path) -> Target | None:
    """The target of a file by its name, or None when no exercise is called so."""
    from fledge.course.exercise import exercises
    from fledge.course.grader.reverse import SUFFIX

    table = {exercise.name: exercise for exercise in exercises()}
    reverse = file.stem not in table and file.stem.endswith(SUFFIX)
    exercise = table.get(file.stem.removesuffix(SUFFIX) if reverse else file.stem)
    return None if exercise is None else Target(exercise, file, reverse)


def started() -> list[Target]:
    """The targets of the workspace, in the order of the book."""
    from fledge.course.exercise import exercises
    from fledge.course.workspace import find_workspace

    found = [target for file in sorted(find_workspace().exercises.glob("*.py")) if (target := named(file)) is not None]
    order = [exercise.name for exercise in exercises()]
    return sorted(found, key=lambda target: (order.index(target.exercise.name), target.reverse))


def watch(word: str | None) -> int:
    """Grade what is saved until Ctrl-C."""
    from fledge.course.grader.process import cool_down, warm_up

    first = None if word is None else find(word)
    look: Callable[[], list[Target]] = started if first is None else lambda: [first]
    print(_("Every save is checked; Ctrl-C leaves."), flush=True)
    seen = {} if first is not None else _stamps(look())  # a file named on the command line is graded at once
    try:
        while True:
            warm_up()
            for target in changed(look, seen):
                print(f"\n--- {time.strftime('%H:%M:%S')}", flush=True)
                try:
                    print_result(target.grade())
                except UserError as error:
                    print(error)
            pause(POLL_SECONDS)
    except KeyboardInterrupt:
        print()
        return 0
    finally:
        cool_down()


def changed(look: Callable[[], list[Target]], seen: dict[Path, tuple[int, int]]) -> list[Target]:
    """The targets whose files were saved since the last look and rest now; `seen` is brought up to date."""
    found = []
    now = _stamps(targets := look())
    new = [target for target in targets if target.file in now and now[target.file] != seen.get(target.file)]
    if new:
        pause(POLL_SECONDS / 3)  # an editor may write in several steps
    again = _stamps(new)
    for target in new:
        if again.get(target.file) == now[target.file]:
            seen[target.file] = now[target.file]
            found.append(target)
    return found


def pause(seconds: float) -> None:
    time.sleep(seconds)


def _stamps(targets: list[Target]) -> dict[Path, tuple[int, int]]:
    stamps = {}
    for target in targets:
        try:
            status = target.file.stat()
        except OSError:  # just being replaced
            continue
        stamps[target.file] = (status.st_mtime_ns, status.st_size)
    return stamps


def print_result(result: Grade | Reverse) -> None:
    """Print one result in the learner's language."""
    from fledge.course.grader.failures import OUTCOMES
    from fledge.course.grader.grade import Grade

    console = _console()
    name = Path(result.file).stem
    colour = COLOURS.get(result.outcome, "red")
    if not isinstance(result, Grade):
        word = OUTCOMES["PASS"] if result.passed else _("not passed yet")
        console.print(f"{name} · {word} · {result.seconds:.1f} s", style=f"bold {colour}")
        console.print(str(result.message))
        for text in result.escaped:
            console.print(_("  got away: {text}").format(text=text))
        _print_printed(console, result.printed)
        return
    console.print(f"{name} · {OUTCOMES[result.outcome]} · {result.seconds:.1f} s", style=f"bold {colour}")
    if result.about is not None and not result.passed:
        console.print(_("case {case}: {about}").format(case=result.case, about=result.about))
    console.print(str(result.message))
    if result.detail is not None:
        console.print(_("seen: {detail}").format(detail=result.detail), style="dim")
    _print_cases(console, result)
    _print_costs(console, result)
    _print_printed(console, result.printed)
    if result.passed and result.calls:
        names = ", ".join(result.calls)
        console.print(
            _(
                "It passed by calling {names}: fine for trying things out, but you did not write it, "
                "and the record and the report say so."
            ).format(names=names),
            style="yellow",
        )
    if result.passed:
        see = f"fledge exercise solution {result.exercise}"
        console.print(_("The reference solution: {see}").format(see=see), style="dim")
    elif result.outcome != "NOT_ATTEMPTED":
        see = f"fledge exercise hint {result.exercise}"
        console.print(_("A hint: {see}").format(see=see), style="dim")


def print_table(results: list[Grade | Reverse]) -> None:
    """One line for each file."""
    from fledge.course.grader.failures import OUTCOMES
    from fledge.course.grader.grade import Grade

    console = _console()
    width = max(len(Path(result.file).stem) for result in results)
    for result in results:
        word = OUTCOMES[result.outcome] if isinstance(result, Grade) or result.passed else _("not passed yet")
        text = "" if result.passed else f"  {result.message}"
        if isinstance(result, Grade) and result.passed and result.calls:
            text = "  " + _("by calling {calls}").format(calls=", ".join(result.calls))
        colour = COLOURS.get(result.outcome, "red")
        console.print(f"{Path(result.file).stem:<{width}}  {word}{text}", style=colour)
    good = sum(result.passed for result in results)
    console.print(_("\n{good} of {num_results} passed.").format(good=good, num_results=len(results)))


def _print_cases(console: Console, result: Grade) -> None:
    if result.passed or not result.cases:
        return
    groups = {"✓": "PASS", "·": "NOT_RUN"}
    for mark, outcome in groups.items():
        names = [case.name for case in result.cases if case.outcome == outcome and case.name != "cost"]
        if names:
            console.print(f"  {mark} {', '.join(names)}", style="dim")
    wrong = [case.name for case in result.cases if case.outcome not in groups.values()]
    if wrong:
        console.print(f"  ✗ {', '.join(wrong)}", style="dim")


def _print_costs(console: Console, result: Grade) -> None:
    if not result.costs:
        return
    names = {
        "flops": _("operations on numbers"),
        "bytes": _("bytes written"),
        "saved": _("bytes kept for backward"),
    }
    for key, name in names.items():
        mine, reference = result.costs["yours"][key], result.costs["reference"][key]
        if mine or reference:
            words = _(": yours {mine:,}, reference {reference:,}").format(mine=mine, reference=reference)
            console.print(f"  {name}{words}", style="dim")


def _print_printed(console: Console, printed: str) -> None:
    if printed.strip():
        console.print(_("What your code printed (last lines):"), style="dim")
        console.print("\n".join(f"  | {line}" for line in printed.splitlines()))


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:  # a pipe has no width: cut nothing
        console.width = 10_000
    return console
