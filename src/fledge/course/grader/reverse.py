"""Reverse exercises: the learner writes the checks, and the bank of the exercise says how good they are.

`exercises/rms_norm_checks.py` defines `check(rms_norm)`, which raises AssertionError when the implementation that it
is given is wrong. It meets the solution, every variant and every mistake, and is not told which is which.
Passed: it lets everything right through, and catches at least four of five mistakes.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fledge.course.exercise import Exercise, learner_source
from fledge.course.grader.failures import Died, Problem, not_loaded, raised
from fledge.course.grader.grade import unreadable_source
from fledge.course.grader.process import Child
from fledge.lang import Text, _, both

SUFFIX = "_checks"
ENOUGH = 0.8
SECONDS = 60.0


@dataclass(frozen=True)
class Reverse:
    """The score of a learner's checks. `escaped` tells the mistakes that got away, once the checks have passed."""

    exercise: str
    file: str
    sha256: str
    outcome: str
    message: Text
    killed: int
    mistakes: int
    accepted: int
    variants: int
    escaped: tuple[Text, ...] = ()
    seconds: float = 0.0
    printed: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome == "PASS"

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "reverse",
            "exercise": self.exercise,
            "file": self.file,
            "sha256": self.sha256,
            "outcome": self.outcome,
            "passed": self.passed,
            "message": vars(self.message),
            "killed": self.killed,
            "of": self.mistakes,
            "accepted": self.accepted,
            "variants": self.variants,
            "escaped": [vars(text) for text in self.escaped],
            "seconds": round(self.seconds, 2),
            "printed": self.printed,
        }


def starter(exercise: Exercise) -> str:
    """The file that a reverse exercise begins with."""
    names = ", ".join(exercise.functions)
    document = _(
        "Raise AssertionError when the implementation is wrong; do nothing when it is right. ({title})"
    ).format(title=exercise.title)
    return f'import torch\n\n\ndef check({names}):\n    """{document}"""\n    raise NotImplementedError\n'


def attempt_reverse(exercise: Exercise, file: Path) -> Reverse:
    """Grade the learner's checks and write the attempt into their progress."""
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        number = len(progress.events("reverse", exercise.name)) + 1
    result = grade_reverse(exercise, file, seed=number)
    with open_progress() as progress:
        progress.add(
            "reverse",
            exercise.name,
            killed=result.killed,
            of=result.mistakes,
            accepted=result.accepted,
            variants=result.variants,
            passed=result.passed,
        )
    return result


def grade_reverse(exercise: Exercise, file: Path, *, seed: int = 0) -> Reverse:
    """Run the learner's `check` on every implementation of the bank, in a process of its own."""
    started = time.monotonic()
    source = learner_source(file)
    caught: list[bool | None] = []
    printed = ""
    problem = unreadable_source(source, file)
    implementations = exercise.implementations()  # loads torch, so before the clock of the child runs
    if problem is None:
        with Child(file.absolute(), seconds=SECONDS, memory_mb=exercise.memory_mb, bank=exercise.path) as child:
            problem, caught = _try_all(exercise, child, source, seed, len(implementations))
            printed = child.printed()
    right = [entry is None or entry.text is None for entry, _ in implementations]
    pairs = list(zip(right, caught))
    accepted = sum(is_right and hit is False for is_right, hit in pairs)
    killed = sum(not is_right and bool(hit) for is_right, hit in pairs)
    mistakes, variants = right.count(False), right.count(True)
    missed = [entry for (entry, _), (is_right, hit) in zip(implementations, pairs) if not is_right and not hit]
    passed = problem is None and accepted == variants and killed >= ENOUGH * mistakes
    return Reverse(
        exercise=exercise.name,
        file=str(file),
        sha256=hashlib.sha256(source).hexdigest(),
        outcome="PASS" if passed else problem.outcome if problem else "WRONG_VALUE",
        message=_verdict(passed, problem, killed, mistakes, accepted, variants),
        killed=killed,
        mistakes=mistakes,
        accepted=accepted,
        variants=variants,
        escaped=tuple(entry.text for entry in missed if entry and entry.text) if passed else (),
        seconds=time.monotonic() - started,
        printed=printed,
    )


def _try_all(
    exercise: Exercise, child: Child, source: bytes, seed: int, number: int
) -> tuple[Problem | None, list[bool | None]]:
    """For every implementation whether `check` raised; the problem is why the checks cannot be used at all."""
    caught: list[bool | None] = []
    try:
        error = child.load(source)
        if error is not None:
            return not_loaded(error), caught
        for i in range(number):
            names = [f"{i}/{name}" for name in exercise.functions]
            answer = child.ask({"function": "check", "args": (), "seed": seed, "check": names})
            error = answer.error
            if error is not None and error["type"] in ("NotImplementedError", "Missing", "Signature", "SystemExit"):
                return raised(error, "check", ", ".join(exercise.functions)), caught
            if i == 0 and error is not None and error["type"] != "AssertionError":  # the solution itself does not raise
                problem = raised(error, "check")
                return Problem(problem.outcome, both("check itself fails: {message}", message=problem.message)), caught
            caught.append(error is not None)
    except Died as death:
        return death.problem, caught
    return None, caught


def _verdict(passed: bool, problem: Problem | None, killed: int, mistakes: int, accepted: int, variants: int) -> Text:
    if problem is not None:
        return problem.message
    caught = both(
        "it catches {killed} of {mistakes} mistakes and lets {accepted} of {variants} right implementations through.",
        killed=killed,
        mistakes=mistakes,
        accepted=accepted,
        variants=variants,
    )
    if accepted < variants:
        return both(
            "{caught} Everything right must get through: is it too strict (rounding, dtypes), "
            "or does it ask for more than the task?",
            caught=caught,
        )
    if not passed:
        return both(
            "{caught} At least {enough:.0%} must be caught: think of other shapes, dtypes, extreme numbers, "
            "every argument, gradients.",
            caught=caught,
            enough=ENOUGH,
        )
    return caught
