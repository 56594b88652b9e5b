"""One call of an implementation, and everything about it that a grader wants to know.

The same code measures the learner's function (in its own process), the oracle, and the bank.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fledge.course.grader.cost import Cost, measure_cost
from fledge.course.grader.wire import NotPortable, carried, encode

if TYPE_CHECKING:
    from fledge.course.grader.watching import Watch


@dataclass(frozen=True)
class Request:
    """A call to measure. `cotangents`: one for every floating tensor of the result, when gradients are wanted.

    `cost`: count operations too; `saved`: with arguments that require gradients. `trained`: its floating arguments are
    leaves that require gradients, as a model's parameters are.
    """

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    cotangents: list[Tensor] | None = None
    seed: int = 0
    cost: bool = False
    saved: bool = False
    trained: bool = False


@dataclass(frozen=True)
class CallResult:
    """What came of a call. Arguments count by position, keyword arguments after them.

    `error`: {"type", "message", "line", "text"} when it raised, `line` being the line of the learner's file.
    `grads`: for every floating tensor in the arguments its gradient or None; the field is None when there is nothing
    to differentiate. `finals`: the arguments after the call; where a container holds other things than it was given
    (`replaced`), those that it was given. `shares`: the arguments whose memory the result uses; `marked`: those that are
    left requiring gradients. `calls`: what the learner's function should not have called (see `watching`).
    """

    value: Any = None
    error: dict[str, Any] | None = None
    grads: list[Tensor | None] | None = None
    grad_error: dict[str, Any] | None = None
    finals: list[Any] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    shares: list[int] = field(default_factory=list)
    marked: list[int] = field(default_factory=list)
    cost: Cost | None = None
    calls: list[str] = field(default_factory=list)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors inside nested lists, tuples and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def floating(value: Any) -> list[Tensor]:
    return [tensor for tensor in tensors_in(value) if tensor.is_floating_point()]


def measure(
    function: Callable[..., Any], request: Request, *, file: str = "", watch: Watch | None = None
) -> CallResult:
    """Call `function` on copies of the arguments. What it raises is in the answer; `file` says which lines are the learner's,
    and `watch` looks at what it calls (but not while costs are counted: that is slow by itself)."""
    bare, function = function, function if watch is None else watch.around(function)
    args, kwargs = _leaves(request)[:2] if request.trained else _fresh(request)
    given = [*args, *kwargs.values()]
    finals = [_held(value) for value in given]  # whoever gave the arguments holds on to these very tensors
    _seed(request.seed)
    try:
        value = function(*args, **kwargs)
    except BaseException as error:
        return CallResult(error=describe(error, file))
    replaced = [i for i, (now, before) in enumerate(zip(given, finals)) if not _holds(now, before)]
    memory = {_memory(tensor) for tensor in tensors_in(value)} - {0}
    shares = [i for i, final in enumerate(finals) if memory & {_memory(tensor) for tensor in tensors_in(final)}]
    marked = [i for i, final in enumerate(finals) if any(tensor.requires_grad for tensor in tensors_in(final))]
    grads, grad_error, cost = None, None, None
    if request.cotangents:
        grads, grad_error = _gradients(function, request, file)
    if request.cost:
        cost = _cost(bare, request)
    return CallResult(
        value, None, grads, grad_error, finals, replaced, shares, marked, cost, [] if watch is None else watch.calls
    )


def measure_plainly(function: Callable[..., Any], request: Request) -> CallResult:
    """As `measure`, with everything in the shape in which a learner's answer comes back."""
    answer = measure(function, request)
    try:
        return CallResult(**carried(vars(answer)))
    except NotPortable as error:
        return _not_portable(error)


def answer_bytes(answer: CallResult, limit: int) -> bytes:
    """An answer on its way back; one that cannot travel becomes one that says so."""
    try:
        return encode(vars(answer), limit=limit)
    except NotPortable as error:
        return encode(vars(_not_portable(error)), limit=limit)


def describe(error: BaseException, file: str) -> dict[str, Any]:
    """An exception as data: its type, its message, and where in `file` it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line, text = (frames[-1].lineno, frames[-1].line) if frames else (None, None)
    if isinstance(error, SyntaxError) and error.filename == file:
        line, text = error.lineno, (error.text or "").strip()
    try:
        message = str(error)
    except Exception:  # the learner's own exception class may be broken too
        message = ""
    return {"type": type(error).__name__, "message": message[:1000], "line": line, "text": (text or "")[:200]}


def _held(value: Any) -> Any:
    """The same tensors and numbers in containers of our own."""
    if isinstance(value, dict):
        return {key: _held(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_held, value))
    return value


def _holds(now: Any, before: Any) -> bool:
    """Whether a container still holds what it held, the same tensors and equal numbers."""
    if isinstance(before, Tensor):
        return now is before
    if isinstance(before, dict):
        return now.keys() == before.keys() and all(_holds(now[key], before[key]) for key in before)
    if isinstance(before, (list, tuple)):
        return type(now) is type(before) and len(now) == len(before) and all(map(_holds, now, before))
    return type(now) is type(before) and (now == before or now != now)  # nan is not itself


def _not_portable(error: NotPortable) -> CallResult:
    said = error.text
    return CallResult(error={"type": "NotPortable", "message": said.en, "zh": said.zh, "line": None, "text": ""})


def _seed(number: int) -> None:
    """torch.manual_seed asks every device that there might be, a hundred times as long."""
    torch.default_generator.manual_seed(number)


def _gradients(
    function: Callable[..., Any], request: Request, file: str
) -> tuple[list[Tensor | None] | None, dict[str, Any] | None]:
    args, kwargs, inputs = _leaves(request)
    _seed(request.seed)
    try:
        outputs = floating(function(*args, **kwargs))
        pairs = [pair for pair in zip(outputs, request.cotangents or []) if pair[0].requires_grad]
        if any(output.shape != cotangent.shape for output, cotangent in pairs):
            return None, None  # the values are wrong already
        if not pairs:
            return [None] * len(inputs), None
        # The gradient of this sum is that of the outputs with the cotangents. (Handing them to `grad` imports sympy: 0.4 s.)
        total = sum(((output * cotangent.to(output.dtype)).sum() for output, cotangent in pairs), start=torch.zeros(()))
        return list(torch.autograd.grad(total, inputs, allow_unused=True)), None
    except BaseException as error:
        return None, describe(error, file)


def _cost(function: Callable[..., Any], request: Request) -> Cost | None:
    args, kwargs = _leaves(request)[:2] if request.saved else _fresh(request)
    _seed(request.seed)
    try:
        return measure_cost(lambda: function(*args, **kwargs), tensors_in((args, kwargs)))
    except Exception:  # an operation that cannot be counted must not change a verdict
        return None


def _fresh(request: Request) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return copy.deepcopy((request.args, request.kwargs))


def _leaves(request: Request) -> tuple[tuple[Any, ...], dict[str, Any], list[Tensor]]:
    args, kwargs = _fresh(request)
    inputs = [tensor.requires_grad_() for tensor in floating((args, kwargs))]
    return args, kwargs, inputs


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0
