"""Grade one file: the learner's process gives data, this one gives the verdict.

1. before it runs: can the file be read, and is it more than the starter?
2. the child loads it and answers the cases, with other random numbers in every attempt
3. every answer is compared with the oracle's; the first case that fails names the outcome
4. a failure is compared with the mistakes of the bank: the one that gives the same wrong results is the diagnosis
5. what passed is compared in cost with the reference
"""

from __future__ import annotations

import ast
import hashlib
import io
import time
import tokenize
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.course.exercise import Exercise, learner_source, unwritten
from fledge.course.grader.failures import Died, Problem, not_loaded
from fledge.course.grader.process import Child
from fledge.lang import Text, both

if TYPE_CHECKING:
    from fledge.course.grader.bank import Implementation
    from fledge.course.grader.checking import Case, Wanted
    from fledge.course.grader.cost import Cost
    from fledge.course.grader.measuring import CallResult

NOT_RUN = "NOT_RUN"


@dataclass(frozen=True)
class CaseGrade:
    """One case: its outcome is PASS, what is wrong, or NOT_RUN when the process was gone by then."""

    name: str
    about: Text
    outcome: str
    message: Text | None = None


@dataclass(frozen=True)
class Grade:
    """What came of an attempt. `message` is for the learner; where a known mistake explains it, `detail` is what was seen."""

    exercise: str
    file: str
    sha256: str
    outcome: str
    message: Text
    case: str | None = None
    detail: Text | None = None
    mistake: str | None = None
    costs: dict[str, Cost] | None = None  # "yours" and "reference"
    seconds: float = 0.0
    printed: str = ""
    calls: tuple[str, ...] = ()  # of the reference, or of what the task rules out: it passes, and this is said
    cases: tuple[CaseGrade, ...] = field(default_factory=tuple)

    @property
    def passed(self) -> bool:
        return self.outcome == "PASS"

    @property
    def about(self) -> Text | None:
        """What the case that failed is about."""
        return next((case.about for case in self.cases if case.name == self.case), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: texts in both languages, one task for every case."""
        tasks = [
            {
                "task_id": case.name,
                "about": vars(case.about),
                "status": "pass" if case.outcome == "PASS" else "not_run" if case.outcome == NOT_RUN else "fail",
                "outcome": case.outcome,
                "message": case.message and vars(case.message),
            }
            for case in self.cases
        ]
        return {
            "kind": "exercise",
            "exercise": self.exercise,
            "file": self.file,
            "sha256": self.sha256,
            "outcome": self.outcome,
            "passed": self.passed,
            "message": vars(self.message),
            "case": self.case,
            "detail": self.detail and vars(self.detail),
            "mistake": self.mistake,
            "costs": self.costs,
            "calls": list(self.calls),
            "seconds": round(self.seconds, 2),
            "printed": self.printed,
            "tasks": tasks,
        }


@dataclass(frozen=True)
class Tried:
    """A case, the right answer, the learner's, and what is wrong with it."""

    case: Case
    want: Wanted
    got: CallResult | None
    problem: Problem | None

    @property
    def outcome(self) -> str:
        return self.problem.outcome if self.problem else "PASS" if self.got is not None else NOT_RUN


def attempt(exercise: Exercise, file: Path) -> Grade:
    """Grade a file and write the attempt into the learner's progress."""
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        number = len(progress.events("attempt", exercise.name)) + 1
    result = grade(exercise, file, seed=number)
    with open_progress() as progress:
        progress.add(
            "attempt",
            exercise.name,
            outcome=result.outcome,
            case=result.case,
            mistake=result.mistake,
            seconds=round(result.seconds, 2),
            sha256=result.sha256,
            passed=result.passed,
            calls=list(result.calls),
        )
    return result


def grade(exercise: Exercise, file: Path, *, seed: int = 0) -> Grade:
    """Grade a file; `seed` chooses the random numbers. UserError when there is no such file."""
    started = time.monotonic()
    source = learner_source(file)
    tried: list[Tried] = []
    printed = ""
    problem = before_running(exercise, source, file)
    if problem is None:
        path = file.absolute()
        with Child(path, seconds=exercise.seconds, memory_mb=exercise.memory_mb, forbidden=exercise.forbidden) as child:
            tried, problem = _try_all(exercise, child, source, seed)
            printed = child.printed()
    problem = problem or _first([one.problem for one in tried])
    message, detail, mistake, costs = both("every case passes."), None, None, None
    if problem is None:
        costs = _costs(exercise, tried)
        problem = _too_costly(exercise, costs)
    if problem is not None:
        message = problem.message
        explained = diagnosis(exercise, tried, problem)
        if explained is not None:
            entry, certain = explained
            assert entry.text is not None
            message = entry.text if certain else _likely(entry.text)
            detail, mistake = problem.message, entry.name
    return Grade(
        exercise=exercise.name,
        file=str(file),
        sha256=hashlib.sha256(source).hexdigest(),
        outcome="PASS" if problem is None else problem.outcome,
        message=message,
        case=None if problem is None else problem.case,
        detail=detail,
        mistake=mistake,
        costs=costs,
        seconds=time.monotonic() - started,
        printed=printed,
        calls=tuple(dict.fromkeys(name for one in tried if one.got is not None for name in one.got.calls)),
        cases=tuple(
            CaseGrade(one.case.name, one.case.about, one.outcome, None if one.problem is None else one.problem.message)
            for one in tried
        ),
    )


def _likely(text: Text) -> Text:
    """A mistake that explains only a part of what is wrong."""
    return both("A part of it looks like this mistake: {text}", text=text)


def before_running(exercise: Exercise, source: bytes, file: Path) -> Problem | None:
    """What can be told from the text alone."""
    problem = unreadable_source(source, file)
    if problem is not None:
        return problem
    left = unwritten(exercise, source)
    if len(left) < len(exercise.functions):
        return None
    names = ", ".join(f"`{name}`" for name in left)
    return Problem(
        "NOT_ATTEMPTED", both("{names} is still as the starter has it: write it, then check again.", names=names)
    )


def unreadable_source(source: bytes, file: Path) -> Problem | None:
    """A file that is no Python, and where."""
    try:  # Python's parser overlooks a wrong byte in a comment, its import does not
        source.decode(tokenize.detect_encoding(io.BytesIO(source).readline)[0])
    except (UnicodeDecodeError, SyntaxError):
        return Problem(
            "IMPORT",
            both(
                "the file is not UTF-8: choose UTF-8 in your editor's 'save as', or in the encoding menu at the bottom right."
            ),
        )
    try:
        ast.parse(source, str(file))
    except SyntaxError as error:
        line = f"`{(error.text or '').strip()[:200]}`"
        return Problem(
            "IMPORT", both("syntax error in line {line}: {msg}. {line2}", line=error.lineno, msg=error.msg, line2=line)
        )
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; an expression a thousand brackets deep
        return Problem("IMPORT", both("Python cannot read the file: {error}.", error=error))
    return None


def diagnosis(exercise: Exercise, tried: list[Tried], problem: Problem) -> tuple[Implementation, bool] | None:
    """The mistake of the bank that explains a failure, and whether it explains all of it.

    It gives the learner's results in the case that is reported and in at least half of the wrong ones, and it is wrong
    nowhere that the learner is right. So a file with two faults is told the one that shows first, as a likely one.
    """
    failed = next((one for one in tried if one.case.name == problem.case), None)
    if failed is None or failed.got is None:
        return None
    from fledge.course.grader.checking import difference, same
    from fledge.course.grader.measuring import measure_plainly

    answered = [one for one in tried if one.got is not None and one.case.function == failed.case.function]
    wrong = [one for one in answered if one.problem is not None and one.case.name != "cost"]
    right = [one for one in answered if one.problem is None]
    found: list[tuple[int, Implementation]] = []
    for entry, functions in exercise.implementations():
        if entry is None or entry.text is None or exercise.target(entry) != failed.case.function or failed not in wrong:
            continue
        function = functions[exercise.target(entry)]
        alike = [
            one
            for one in wrong
            if one.got is not None and same(one.case, one.want, one.got, measure_plainly(function, one.want.request))
        ]
        if failed not in alike or 2 * len(alike) < len(wrong):
            continue
        if all(difference(one.case, one.want, measure_plainly(function, one.want.request)) is None for one in right):
            found.append((len(wrong) - len(alike), entry))
    if not found:
        return None
    unexplained, entry = min(found, key=lambda one: one[0])
    return entry, unexplained == 0


def _try_all(exercise: Exercise, child: Child, source: bytes, seed: int) -> tuple[list[Tried], Problem | None]:
    """Ask every case. The problem is that of a file that does not load, or of a process that died."""
    from fledge.course.grader.checking import difference, wanted  # loads torch, while the child does the same

    cases = sorted(exercise.cases(seed), key=lambda case: case.name == "cost")  # costs last: values decide first
    wants = [wanted(case, exercise.oracle(case.function or ""), case.function or "", seed) for case in cases]
    try:
        error = child.load(source)
    except Died as death:
        return [Tried(case, want, None, None) for case, want in zip(cases, wants)], death.problem
    if error is not None:
        return [], not_loaded(error)
    tried: list[Tried] = []
    for number, (case, want) in enumerate(zip(cases, wants)):
        rest = [Tried(*pair, None, None) for pair in zip(cases[number + 1 :], wants[number + 1 :])]
        try:
            got = child.ask(vars(want.request))
        except Died as death:
            if case.name == "cost" and death.problem.outcome == "TOO_SLOW" and not exercise.ceilings:
                return [*tried, Tried(case, want, None, None)], None  # right and slow is right where no cost is limited
            problem = replace(death.problem, case=case.name)
            earlier = _first([one.problem for one in tried])
            return [*tried, Tried(case, want, None, problem), *rest], earlier or problem
        tried.append(Tried(case, want, got, difference(case, want, got)))
        if tried[-1].outcome == "TOO_BIG":  # filling the memory again for every other case would take long
            return [*tried, *rest], None
    return tried, None


def _first(problems: list[Problem | None]) -> Problem | None:
    """The first thing that is wrong; what is not written yet counts only when nothing is."""
    there = [problem for problem in problems if problem is not None]
    return next((problem for problem in there if problem.outcome != "NOT_ATTEMPTED"), there[0] if there else None)


def _costs(exercise: Exercise, tried: list[Tried]) -> dict[str, Cost] | None:
    """What the case `cost` costs the learner and the reference; None when there is nothing to see."""
    one = next((one for one in tried if one.case.name == "cost"), None)
    if one is None or one.got is None or one.got.cost is None:
        return None
    from fledge.course.grader.measuring import measure

    reference = measure(exercise.solution()[one.want.request.function], one.want.request).cost
    if reference is None or not any(reference.values()):
        return None
    return {"yours": one.got.cost, "reference": reference}


def _too_costly(exercise: Exercise, costs: dict[str, Cost] | None) -> Problem | None:
    if costs is None:
        return None
    from fledge.course.grader.cost import over

    name = over(costs["yours"], costs["reference"], exercise.ceilings)
    if name is None:
        return None
    words = {
        "flops": both("floating-point operations"),
        "bytes": both("bytes written to memory"),
        "saved": both("bytes kept for the backward pass"),
    }[name]
    mine, reference, times = costs["yours"][name], costs["reference"][name], exercise.ceilings[name]
    return Problem(
        "TOO_BIG",
        both(
            "every result is right, but it costs too much: {mine} {words}, the reference has {reference}; at most {times:g} times.",
            mine=mine,
            words=words,
            reference=reference,
            times=times,
        ),
        "cost",
    )
