"""`fledge learn go`: the next step of the path, done here and now, and then the one after it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fledge.cli.flags import parse
from fledge.cli.learn_view import finished, plain_console, span, sums
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.course.evidence import Evidence
    from fledge.course.paths import Step

STOP = ("q", "quit")


@dataclass
class GoFlags:
    """Do the next step of your path in place, then the one after it, until you stop. Outside a terminal: one step."""


def go(argv: list[str]) -> int:
    parse(GoFlags, argv, "fledge learn go")
    from fledge.course.onward import current
    from fledge.course.paths import KINDS
    from fledge.course.progress import open_progress

    console = plain_console()
    while True:
        with open_progress() as progress:
            path, evidence = current(progress)
        step = evidence.next_step(path)
        if step is None:
            finished(path, evidence, console)
            return 0
        far = sums(path, evidence)
        console.print(
            f"\n[{far['done'] + 1}/{far['steps']}] {KINDS[step.kind]} · {step.text} ({span(step.minutes)})",
            style="bold",
        )
        code = do(step, evidence)
        if code not in (0, None) or not at_terminal():
            return code or 0
        if code is None or _answer(_("\nEnter: go on; q: stop here > ")) in STOP:
            print(_("stopped; go on with: fledge learn go"))
            return 0


def do(step: Step, evidence: Evidence) -> int | None:
    """Do one step; its exit code, or None when the learner has to leave for it (write code, type a long command)."""
    from fledge import cli

    if step.kind == "exercise":
        return _exercise(step, evidence)
    if step.kind == "done":
        return _judge_yourself(step)
    words = shlex.split(step.command)
    print(f"  {step.command}\n", flush=True)
    if step.kind == "command" and (words[0] != "fledge" or not _yes(_("Run it now?"))):
        print(_("Type it in a terminal, and come back when it is done."))
        return None
    return cli.main(words[1:])


def _exercise(step: Step, evidence: Evidence) -> int | None:
    """Begin it; the next time, check it. What is wrong is no reason to stop: the learner may try again."""
    from fledge import cli

    if evidence.about("started", step.subject) or evidence.about("attempt", step.subject):
        cli.main(["check", step.subject])
        return 0
    if code := cli.main(["exercise", "start", step.subject]):
        return code
    print(_("Come back when you have written it and saved the file."))
    return None


def _judge_yourself(step: Step) -> int | None:
    from fledge import cli

    return cli.main(["learn", "done", step.subject]) if _yes(_("Done?")) else None


def at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _yes(question: str) -> bool:
    return at_terminal() and _answer(f"{question} (y/N) ") in ("y", "yes")


def _answer(prompt: str) -> str:
    """What is typed, in small letters; the end of the input (Ctrl-D) means stop."""
    try:
        return input(prompt).strip().lower()
    except EOFError:
        print()
        return STOP[0]
