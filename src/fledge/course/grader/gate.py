"""The author's gate: an exercise is fit for learners when its grader rejects every mistake and accepts every variant.

It runs in this process, because the bank is ours, and asks the same questions of every implementation as `grade` does.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fledge.course.exercise import Exercise, Functions, unwritten
from fledge.course.grader.bank import Implementation
from fledge.course.grader.checking import Case, Wanted, difference, same, wanted
from fledge.course.grader.cost import Cost, over
from fledge.course.grader.failures import Problem
from fledge.course.grader.measuring import CallResult, measure_plainly
from fledge.lang import Text, _, both
from fledge.parts import REFERENCE
from fledge.proofs import sources

MISTAKES, VARIANTS = 8, 3
SEEDS = (1, 2, 3)
Asked = list[tuple[Case, Wanted]]


@dataclass(frozen=True)
class Gate:
    """What the grader's own examination gave. Fit for learners when there are no `problems`."""

    killed: int
    mistakes: int
    accepted: int
    variants: int
    problems: tuple[str, ...]


def gate(exercise: Exercise, seeds: tuple[int, ...] = SEEDS) -> Gate:
    """Try the solution, every variant and every mistake with the numbers of several attempts."""
    bank = exercise.bank()
    killed = {entry.name for entry in bank.mistakes}
    accepted, problems = {entry.name for entry in bank.variants}, _form(exercise)
    for seed in seeds:
        asked = ask(exercise, seed)
        for name, problem in _rights(exercise, asked, seed, costs=seed == seeds[0]):
            accepted.discard(name)
            problems.append(problem)
        answers: dict[str, list[CallResult]] = {}
        for entry, functions in _implementations(exercise, right=False):
            assert entry is not None
            answers[entry.name] = [
                measure_plainly(functions[case.function or ""], want.request) for case, want in asked
            ]
            if first_problem(asked, answers[entry.name]) is None:
                killed.discard(entry.name)
                problems.append(_("the mistake '{entry}' passes (seed {seed})").format(entry=entry.name, seed=seed))
        problems += _trivial(exercise, asked, seed)
        if seed == seeds[0]:
            problems += _alike(exercise, asked, answers)
    return Gate(len(killed), len(bank.mistakes), len(accepted), len(bank.variants), tuple(dict.fromkeys(problems)))


def rights(exercise: Exercise, seeds: tuple[int, ...] = SEEDS) -> list[str]:
    """What is wrong with the solution and the variants alone. Arithmetic differs between processors: ask on every one."""
    return [
        problem for seed in seeds for _, problem in _rights(exercise, ask(exercise, seed), seed, costs=seed == seeds[0])
    ]


def proof_files(exercise: Exercise) -> list[Path]:
    """Every file that the gate of an exercise stands on."""
    return sources([Path(__file__), *(path for path in exercise.path.iterdir() if path.suffix in (".py", ".yaml"))])


def _rights(exercise: Exercise, asked: Asked, seed: int, *, costs: bool) -> list[tuple[str, str]]:
    """(name, problem) of everything right that is rejected; the solution has no name."""
    found: list[tuple[str, str]] = []
    reference: Cost | None = None
    for entry, functions in _implementations(exercise, right=True):
        answers = [measure_plainly(functions[case.function or ""], want.request) for case, want in asked]
        problem = first_problem(asked, answers)
        if problem is None and costs:
            mine = _cost(exercise, functions, seed)
            reference = mine if entry is None else reference
            problem = _too_costly(exercise, reference, mine)
        if problem is not None:
            found.append(("" if entry is None else entry.name, _fails(entry, seed, problem)))
    return found


def _implementations(exercise: Exercise, *, right: bool) -> list[tuple[Implementation | None, Functions]]:
    """The solution and the variants, or the mistakes."""
    return [
        (entry, functions)
        for entry, functions in exercise.implementations()
        if (entry is None or entry.text is None) == right
    ]


def ask(exercise: Exercise, seed: int) -> Asked:
    """The cases of an attempt that are graded for their value, with their right answers."""
    cases = [case for case in exercise.cases(seed) if case.name != "cost"]
    return [(case, wanted(case, exercise.oracle(case.function or ""), case.function or "", seed)) for case in cases]


def first_problem(asked: Asked, answers: list[CallResult]) -> Problem | None:
    problems = (difference(case, want, answer) for (case, want), answer in zip(asked, answers))
    return next((problem for problem in problems if problem is not None), None)


def _fails(entry: Implementation | None, seed: int, problem: Problem) -> str:
    """That something right is rejected, and why."""
    who = _("the solution")
    if entry is not None:
        who = _("the variant '{entry}'").format(entry=entry.name)
    return _("{who} fails (seed {seed}): {outcome} in '{case}': {message}").format(
        who=who, seed=seed, outcome=problem.outcome, case=problem.case, message=problem.message
    )


def _form(exercise: Exercise) -> list[str]:
    """What is wrong with the exercise before anything is computed."""
    problems = []
    bank = exercise.bank()
    if len(bank.mistakes) < MISTAKES or len(bank.variants) < VARIANTS:
        problems.append(
            _("the bank needs {mistakes} mistakes and {variants} variants").format(mistakes=MISTAKES, variants=VARIANTS)
        )
    names = [entry.name for entry in (*bank.mistakes, *bank.variants)]
    if len(set(names)) < len(names):
        problems.append(_("two entries of the bank have the same name"))
    if unwritten(exercise, exercise.source("starter")) != list(exercise.functions):
        said = _("the starter does not define every function, or writes one of them")
        return [*problems, said]
    if left := unwritten(exercise, exercise.source("solution")):
        problems.append(_("the solution leaves {left} as the starter has them").format(left=left))
    texts = [exercise.title, exercise.task, *exercise.hints, *(entry.text for entry in bank.mistakes if entry.text)]
    problems += [
        _("the same text in both languages: {en!r}").format(en=text.en) for text in texts if text.zh == text.en
    ]
    for languages in zip(*((hint.zh, hint.en) for hint in exercise.hints)):
        if len(set(languages)) < len(languages):
            problems.append(_("two hints are the same"))
    problems += _signatures(exercise)
    cases = exercise.cases(0)
    if len({case.name for case in cases}) < len(cases):
        problems.append(_("two cases have the same name"))
    if strangers := {case.function for case in cases} - set(exercise.functions):
        names = sorted(map(str, strangers))
        problems.append(_("cases call {names}, which the exercise does not have").format(names=names))
    if untried := set(exercise.functions) - {case.function for case in cases if case.name != "cost"}:
        problems.append(_("no case calls {untried}").format(untried=sorted(untried)))
    if exercise.ceilings and "cost" not in {case.name for case in cases}:
        problems.append(_("there are ceilings and no case 'cost'"))
    return problems


def _signatures(exercise: Exercise) -> list[str]:
    """Starter, solution and part have the same parameters."""
    starter: dict[str, Any] = {}
    exec(compile(exercise.source("starter"), str(exercise.path / "starter.py"), "exec", dont_inherit=True), starter)
    problems = []
    for name, function in exercise.solution().items():
        parameters = list(inspect.signature(function).parameters)
        if list(inspect.signature(starter[name]).parameters) != parameters:
            problems.append(_("starter and solution of {name} have different parameters").format(name=name))
        if exercise.part == name:
            part = getattr(REFERENCE, name, None)
            if part is None:
                problems.append(_("there is no part {name}").format(name=name))
            elif list(inspect.signature(part).parameters) != parameters:
                problems.append(_("{name} and the part of that name have different parameters").format(name=name))
    if exercise.part is not None and exercise.part not in exercise.functions:
        problems.append(_("the part {part} is none of the functions").format(part=exercise.part))
    return problems


def _cost(exercise: Exercise, functions: Functions, seed: int) -> Cost | None:
    """What an implementation costs on the case `cost`; None where there is none."""
    for case in exercise.cases(seed):
        if case.name == "cost":
            function = case.function or ""
            return measure_plainly(functions[function], wanted(case, None, function, seed).request).cost
    return None


def _too_costly(exercise: Exercise, reference: Cost | None, mine: Cost | None) -> Problem | None:
    if reference is None or mine is None:
        return None
    name = over(mine, reference, exercise.ceilings)
    if name is None:
        return None
    return Problem(
        "TOO_BIG",
        both(
            "{name}: {mine} where the reference has {reference}", name=name, mine=mine[name], reference=reference[name]
        ),
        "cost",
    )


def _trivial(exercise: Exercise, asked: Asked, seed: int) -> list[str]:
    """Doing nothing in several ways must not pass, not for any one function."""
    problems = []
    lazy: dict[Text, Callable[[Wanted], Callable[..., Any]]] = {
        both("returning None"): lambda want: lambda *args, **kwargs: None,
        both("returning the first argument"): lambda want: _first_argument,
        both("returning zeros"): lambda want: lambda *args, **kwargs: _zeros(want.answer.value),
    }
    for function in exercise.functions:
        here = [(case, want) for case, want in asked if case.function == function]
        for name, make in lazy.items():
            answers = [measure_plainly(make(want), want.request) for _, want in here]
            if first_problem(here, answers) is None:
                problems.append(
                    _("{name} passes for {function} (seed {seed})").format(name=name, function=function, seed=seed)
                )
    return problems


def _first_argument(*args: Any, **kwargs: Any) -> Any:
    first = next(iter([*args, *kwargs.values()]), None)
    return first.clone() if isinstance(first, Tensor) else first


def _zeros(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.zeros_like(value)
    if isinstance(value, dict):
        return {key: _zeros(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_zeros(item) for item in value)
    return None if value is None else type(value)()


def _alike(exercise: Exercise, asked: Asked, answers: dict[str, list[CallResult]]) -> list[str]:
    """Two mistakes with the same results cannot be told apart by a diagnosis."""
    targets = {entry.name: exercise.target(entry) for entry in exercise.bank().mistakes}
    return [
        _("the mistakes '{a}' and '{b}' give the same results").format(a=a, b=b)
        for a, b in itertools.combinations(answers, 2)
        if targets[a] == targets[b]
        and all(same(case, want, x, y) for (case, want), x, y in zip(asked, answers[a], answers[b]))
    ]
