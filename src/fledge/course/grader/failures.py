"""The outcomes of grading, and what a learner reads when their code raises or their process dies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fledge.errors import suggest
from fledge.lang import N_, Text, both

OUTCOMES = {
    "NOT_ATTEMPTED": N_("not attempted"),
    "IMPORT": N_("the file does not load"),
    "CONTRACT": N_("breaks the contract"),
    "WRONG_VALUE": N_("wrong value"),
    "WRONG_GRAD": N_("wrong gradient"),
    "UNSTABLE": N_("unstable"),
    "TOO_SLOW": N_("too slow"),
    "TOO_BIG": N_("too costly"),
    "PASS": N_("passed"),
}


@dataclass(frozen=True)
class Problem:
    """Why one case is not passed."""

    outcome: str
    message: Text
    case: str | None = None


class Died(Exception):
    """The learner's process gave no answer."""

    def __init__(self, outcome: str, message: Text) -> None:
        super().__init__(message.en)
        self.problem = Problem(outcome, message)


def raised(error: dict[str, Any], function: str, wanted: str = "") -> Problem:
    """The problem that an exception of the learner's code is; `wanted` lists the arguments of the call."""
    kind, message = error["type"], error["message"]
    at = _where(error)
    if kind == "NotImplementedError":
        return Problem("NOT_ATTEMPTED", both("`{function}` is not written yet.", function=function))
    if kind == "Missing":
        return Problem("CONTRACT", _missing(function, message.split()))
    if kind == "Signature":
        return Problem(
            "CONTRACT",
            both(
                "`{function}` has the wrong parameters: yours are {message}, it is called with ({wanted}). Keep the starter's.",
                function=function,
                message=message,
                wanted=wanted,
            ),
        )
    if kind == "NotPortable":
        what = Text(error.get("zh", message), message)
        return Problem(
            "CONTRACT", both("what `{function}` returns cannot be checked: {what}.", function=function, what=what)
        )
    if kind == "MemoryError" or any(
        words in message for words in ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")
    ):
        return Problem("TOO_BIG", both("it needs too much memory{at}.", at=at))
    if kind == "SystemExit":
        return Problem(
            "CONTRACT",
            both("your code calls exit{at}: a function returns its result, it does not end the program.", at=at),
        )
    if kind == "RecursionError":
        return Problem("CONTRACT", both("a function calls itself without end{at}: the recursion never stops.", at=at))
    if kind == "Refused":
        return Problem("CONTRACT", both("not allowed here{at}: {message}", at=at, message=message))
    said = f"{kind}: {message}" if message else kind
    return Problem("CONTRACT", both("your code raises{at}: {said}", at=at, said=said))


def not_loaded(error: dict[str, Any]) -> Problem:
    """The problem when the file itself does not run."""
    if error["type"] in ("SystemExit", "RecursionError", "Refused", "MemoryError"):
        problem = raised(error, "")
        return Problem("TOO_BIG" if problem.outcome == "TOO_BIG" else "IMPORT", problem.message)
    at, said = _where(error), f"{error['type']}: {error['message']}"
    return Problem("IMPORT", both("the file does not load{at}: {said}", at=at, said=said))


def died(code: int | None) -> Died:
    """What to say of a process that ended by itself with this exit code."""
    import signal

    if code is not None and code < 0:
        names = {int(member): member.name for member in signal.Signals}
        name = names.get(-code, str(-code))
        if name == "SIGKILL":
            return Died(
                "TOO_BIG",
                both("the system ended your code's process, most likely because it used too much memory."),
            )
        return Died(
            "CONTRACT",
            both(
                "your code crashes Python ({name}). Recursion without end or writing beyond the end of memory does that.",
                name=name,
            ),
        )
    return Died(
        "CONTRACT",
        both(
            "your code ends its process (exit code {code}) and returns no result: os._exit does that, "
            "and so does changing torch, or closing files that are not yours.",
            code=code,
        ),
    )


def too_slow(seconds: float) -> Died:
    return Died(
        "TOO_SLOW", both("not finished within {seconds:g} seconds: is there a loop that never ends?", seconds=seconds)
    )


def too_big(megabytes: int) -> Died:
    return Died("TOO_BIG", both("it uses more memory than the limit of {megabytes} MB.", megabytes=megabytes))


def too_talkative(megabytes: int) -> Died:
    return Died("TOO_BIG", both("it prints more than {megabytes} MB: is there a print in a loop?", megabytes=megabytes))


def unreadable() -> Died:
    """The bytes that came are not an answer: something else wrote into the channel, or the answer is too long."""
    return Died("CONTRACT", both("the answer of your code's process cannot be read."))


def _missing(function: str, found: list[str]) -> Text:
    there = ", ".join(f"`{name}`" for name in found)
    if not there:
        return both("your file has no function `{function}`, nor any other.", function=function)
    said = suggest(function, found)  # in the user's language: the name in it is what is needed here
    near = next((name for name in found if f"'{name}'" in said), None)
    if near is None:
        return both("your file has no function `{function}`; it has: {there}.", function=function, there=there)
    return both(
        "your file has no function `{function}`; it has: {there}. Did you mean '{near}'?",
        function=function,
        there=there,
        near=near,
    )


def _where(error: dict[str, Any]) -> Text:
    if error.get("line") is None:
        return Text("", "")
    text = f" `{error['text']}`" if error.get("text") else ""
    return both(" (line {line}{text})", line=error["line"], text=text)
