"""What `checks.py` of an exercise is written with, and the comparison of an answer with the oracle's.

checks.py defines

    def oracle(x, weight, eps): ...     the right result; the same arguments, independent of solution.py, in float64 inside,
                                        returned in the dtype that the contract promises
    def cases(rng) -> list[Case]: ...   `rng` is a torch.Generator: other numbers in every attempt

Where an exercise has several functions, `oracle_bpe_encode` is the oracle of `bpe_encode`, and a case names its function.
An oracle that works in place changes its arguments; one that raises is the author's bug.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fledge.course.grader.compare import Tolerance, Unlike, named, unlike
from fledge.course.grader.failures import Problem, raised
from fledge.course.grader.measuring import CallResult, Request, floating, measure_plainly
from fledge.lang import Text, _, both

__all__ = ["Case", "Text", "Wanted", "difference", "normal", "same", "wanted"]
OUTCOME = {"contract": "CONTRACT", "value": "WRONG_VALUE", "finite": "UNSTABLE"}


@dataclass(frozen=True, eq=False)
class Case:
    """One call of the learner's function. A case called "cost" is where costs are counted; its value is not graded.

    grad: gradients to every floating tensor argument are compared too, with a random cotangent.
    trained: the call itself is made with arguments that require gradients, as parameters do.
    extreme: a wrong value is UNSTABLE here. mutates: the arguments (by position) that must change in place.
    length, slack, precision: see compare.py. want: the result, instead of the oracle's.
    raises: the name of the exception that must come. judge(got, args) -> what is wrong, or None: instead of a comparison
    (statistics; results that are not unique).
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    __: dataclasses.KW_ONLY
    function: str | None = None
    grad: bool = False
    trained: bool = False
    extreme: bool = False
    length: int = 1
    slack: float = 16
    precision: torch.dtype | None = None
    mutates: tuple[int, ...] = ()
    want: Any = None
    raises: str | None = None
    judge: Callable[[Any, tuple[Any, ...]], Text | None] | None = None
    about: Text

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(self.slack, self.length, self.precision)


@dataclass(frozen=True)
class Wanted:
    """The right answer to a case, and the call that asks for it."""

    request: Request
    answer: CallResult
    names: tuple[str, ...]  # of the arguments, keyword arguments last

    @property
    def arguments(self) -> str:
        return ", ".join(self.names)


def normal(rng: torch.Generator, *shape: int, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Tensor:
    """Normal random numbers of that standard deviation."""
    return (torch.randn(shape, generator=rng) * scale).to(dtype)


def wanted(case: Case, oracle: Callable[..., Any] | None, function: str, seed: int) -> Wanted:
    """Ask the oracle. `function` is the exercise's function that the case calls."""
    request = Request(function, case.args, case.kwargs, seed=seed, trained=case.trained)
    if case.name == "cost":
        request = dataclasses.replace(request, cost=True, saved=case.grad)
    arguments = [*case.args, *case.kwargs.values()]
    if case.raises is not None:
        error = {"type": case.raises, "message": "", "line": None, "text": ""}
        return Wanted(request, CallResult(error=error), _names(case, oracle))
    if case.want is not None or case.judge is not None or case.name == "cost" or oracle is None:
        return Wanted(request, CallResult(case.want, finals=arguments), _names(case, oracle))
    answer = _ask(case, oracle, request)
    if case.grad:
        rng = torch.Generator().manual_seed(seed)
        cotangents = [normal(rng, *tensor.shape, dtype=tensor.dtype) for tensor in floating(answer.value)]
        request = dataclasses.replace(request, cotangents=cotangents)
        answer = _ask(case, oracle, request)
    return Wanted(request, answer, _names(case, oracle))


def difference(case: Case, want: Wanted, got: CallResult) -> Problem | None:
    """Why `got` does not pass the case, or None. `want` may also be a mistake's answer: is it the same one?"""
    problem = _difference(case, want, got)
    return problem and dataclasses.replace(problem, case=case.name)


def same(case: Case, want: Wanted, one: CallResult, other: CallResult) -> bool:
    """Whether two answers to a case are the same within its rounding, be they right or wrong."""
    if case.name == "cost":
        return True
    everything = tuple(range(len(want.names)))
    case = dataclasses.replace(case, judge=None, mutates=everything)
    if one.error is not None and other.error is not None:
        return _anonymous(one.error) == _anonymous(other.error)
    pairs = ((one, other), (other, one))  # a gradient that is missing in the second counts too
    alike = (one.shares, one.replaced, one.marked) == (other.shares, other.replaced, other.marked)
    return alike and all(difference(case, dataclasses.replace(want, answer=b), a) is None for a, b in pairs)


def _difference(case: Case, want: Wanted, got: CallResult) -> Problem | None:
    right = want.answer
    if got.error is not None or right.error is not None:
        if got.error is not None and right.error is not None and got.error["type"] == right.error["type"]:
            return None
        if got.error is None:
            kind = right.error["type"] if right.error else ""
            return Problem("CONTRACT", both("{kind} must be raised here, and is not.", kind=kind))
        return raised(got.error, want.request.function, want.arguments)
    if case.name == "cost":
        return None
    if got.value is None and (right.value is not None or case.judge is not None):
        return Problem("CONTRACT", both("the function returns None: did you forget `return`?"))
    if case.judge is not None:
        verdict = _judged(case, got)
        if verdict is not None:
            return Problem("UNSTABLE" if case.extreme else "WRONG_VALUE", verdict)
    else:
        kind = unlike(got.value, right.value, case.tolerance)
        if kind is not None and kind.kind == "contract":
            return Problem("CONTRACT", kind.message)
    problem = _unchanged(case, want, got)
    if problem is not None or case.judge is not None:
        return problem
    return _values(case, want, got) or _gradients(case, want, got)


def _judged(case: Case, got: CallResult) -> Text | None:
    assert case.judge is not None
    try:
        return case.judge(got.value, case.args)
    except Exception:  # the judge expects another kind of result
        kind = named(got.value)
        return both("the result is {kind}, which is not what was agreed.", kind=kind)


def _unchanged(case: Case, want: Wanted, got: CallResult) -> Problem | None:
    """Arguments keep their values and their memory, but for those that the case names."""
    pairs = list(zip(want.names, got.finals, want.answer.finals))
    for i, (name, final, right) in enumerate(pairs):
        if i not in case.mutates and (i in got.replaced or unlike(final, right, Tolerance(0, 1)) is not None):
            return Problem("CONTRACT", both("the argument `{name}` has changed: it must stay as it is.", name=name))
    marked = [i for i in got.marked if i not in want.answer.marked]
    if marked:
        name = want.names[marked[0]]
        return Problem(
            "CONTRACT",
            both(
                "the argument `{name}` is left with requires_grad or a .grad: differentiate by a copy of your own.",
                name=name,
            ),
        )
    lost = [i for i in want.answer.marked if i not in got.marked]
    if lost and case.trained:
        name = want.names[lost[0]]
        return Problem(
            "CONTRACT",
            both(
                "the tensors of the argument `{name}` no longer require gradients (requires_grad): they will never train again.",
                name=name,
            ),
        )
    shared = [i for i in got.shares if i not in want.answer.shares and i not in case.mutates]
    if shared and case.judge is None:
        name = want.names[shared[0]]
        return Problem(
            "CONTRACT",
            both(
                "the result shares memory with the argument `{name}`: changing one changes the other. Return a new tensor.",
                name=name,
            ),
        )
    return None


def _values(case: Case, want: Wanted, got: CallResult) -> Problem | None:
    found = unlike(got.value, want.answer.value, case.tolerance)
    if found is not None:
        return _wrong(case, found)
    for i in case.mutates:
        found = unlike(got.finals[i], want.answer.finals[i], case.tolerance)
        if found is not None:
            name = want.names[i]
            if i in got.replaced:
                return Problem(
                    "WRONG_VALUE",
                    both(
                        "`{name}` holds new tensors now, and those that were given have not changed: "
                        "change their numbers (`mul_`, `copy_`), because others hold on to the old ones.",
                        name=name,
                    ),
                )
            return _wrong(case, found, name)
    return None


def _wrong(case: Case, found: Unlike, argument: str = "") -> Problem:
    outcome = "UNSTABLE" if case.extreme and found.kind == "value" else OUTCOME[found.kind]
    if not argument:
        return Problem(outcome, found.message)
    return Problem(
        outcome, both("the argument `{argument}` after the call: {message}", argument=argument, message=found.message)
    )


def _gradients(case: Case, want: Wanted, got: CallResult) -> Problem | None:
    rights = want.answer.grads
    if rights is None:
        return None
    if got.grad_error is not None:
        problem = raised(got.grad_error, want.request.function, want.arguments)
        return Problem("WRONG_GRAD", both("when gradients are taken: {message}", message=problem.message))
    grads = got.grads if got.grads is not None else [None] * len(rights)
    dtypes = [tensor.dtype for tensor in floating(want.answer.value)]
    terms = max((tensor.numel() for tensor in floating(want.answer.value)), default=1)
    for name, grad, right, floor in zip(_grad_names(case, want.names), grads, rights, _floors(want)):
        if right is None:
            continue
        length = max(case.length, terms // max(1, right.numel()))
        coarsest = max([*dtypes, case.precision or right.dtype], key=lambda dtype: torch.finfo(dtype).eps)
        tolerance = Tolerance(case.slack, length, coarsest, floor)
        if grad is None:
            if _largest(right) <= tolerance.limit(0.0, right.dtype):
                continue
            return Problem(
                "WRONG_GRAD",
                both(
                    "no gradient reaches the argument `{name}`: where is the graph cut? (detach, no_grad, .item() "
                    "or numbers cut it)",
                    name=name,
                ),
            )
        found = unlike(grad, right, tolerance)
        if found is not None:
            return Problem(
                "UNSTABLE" if case.extreme or found.kind == "finite" else "WRONG_GRAD",
                both("the gradient to `{name}`: {message}", name=name, message=found.message),
            )
    return None


def _floors(want: Wanted) -> list[float]:
    """For every floating argument the size of the terms that its gradient adds up.

    A gradient may be 0 because they cancel (a softmax over one score: dP - sum(P dP)); what is left are their rounding errors.
    gradient * argument has the unit of the loss, whichever argument it is, and the flow is the largest such product that
    is seen: cotangent * result at the exit, gradient * argument at the entries. So flow / argument is the size sought.
    """
    arguments = [_largest(tensor) for tensor in floating([*want.request.args, *want.request.kwargs.values()])]
    exits = zip(want.request.cotangents or [], floating(want.answer.value))
    flows = [_largest(cotangent) * _largest(result) for cotangent, result in exits]
    flows += [_largest(grad) * size for grad, size in zip(want.answer.grads or [], arguments) if grad is not None]
    flow, largest = max(flows, default=0.0), max(arguments, default=0.0)
    return [
        flow / (size or largest or 1.0) for size in arguments
    ]  # zeros (the sine at position 0) have no size of their own


def _largest(tensor: Tensor) -> float:
    """The largest finite absolute value; 0 when there is none."""
    finite = tensor[tensor.isfinite()].abs()
    return finite.max().item() if finite.numel() else 0.0


def _anonymous(error: dict[str, Any]) -> tuple[str, str]:
    """An exception without the numbers and names in it: shapes and variables differ where the fault is the same."""
    return error["type"], re.sub(r"\d+|'[^']*'", "…", error["message"])


def _ask(case: Case, oracle: Callable[..., Any], request: Request) -> CallResult:
    answer = measure_plainly(oracle, request)
    error = answer.error or answer.grad_error
    if error is not None:
        said = f"{error['type']}: {error['message']}"
        raise ValueError(_("the oracle of case '{case}' raised {said}").format(case=case.name, said=said))
    return answer


def _names(case: Case, oracle: Callable[..., Any] | None) -> tuple[str, ...]:
    known = list(inspect.signature(oracle).parameters) if oracle is not None else []
    numbered = [f"args[{i}]" for i in range(len(known), len(case.args))]
    return (*[*known, *numbered][: len(case.args)], *case.kwargs)


def _grad_names(case: Case, names: Sequence[str]) -> list[str]:
    """The argument that each gradient belongs to."""
    return [name for name, value in zip(names, [*case.args, *case.kwargs.values()]) for _ in floating(value)]
