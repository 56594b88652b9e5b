"""Programs that a model writes are run where learners' code is: in a process of its own, which may not write, start programs, use
the network, take long or take much memory (see `fledge.course.grader`)."""

from __future__ import annotations

import ast
import atexit
import re
from pathlib import Path
from typing import Any

from fledge.course.grader.failures import Died
from fledge.course.grader.process import Child

SECONDS, MEMORY_MB = 2.0, 256  # of one program
HARNESS = b"""
def run(source, name, calls):
    space = {}
    exec(compile(source, "answer.py", "exec"), space)
    return [repr(space[name](*call)) for call in calls]
"""
INPUTS: dict[str, list[Any]] = {
    "n": [0, 1, 7, 12, 30, -4],
    "m": [3, 9, 2, 12, 5, -8],
    "xs": [[1, 2, 3], [10, 4, 4, 25], [], [7], [6, 12, 18, 5], [0, -3, 9]],
    "text": ["cat", "", "abba", "a b", "猫", "Zz"],
}
"""Name of a parameter -> what it is tried with."""
_FENCE = re.compile(r"```(?:python|py)?\n(.*?)```", re.DOTALL)


class Interpreter:
    """One process for all programs, one after the other; a new one after a program that it did not survive."""

    def __init__(self) -> None:
        self.child: Child | None = None

    def results(self, source: str, name: str, calls: list[tuple[Any, ...]]) -> list[str] | None:
        """What the function returns for every call, as `repr` writes it; None when the program fails."""
        if self.child is None:
            self.child = Child(Path("answers.py"), seconds=SECONDS, memory_mb=MEMORY_MB)
            self.child.load(HARNESS)
        self.child.left = SECONDS
        try:
            found = self.child.ask({"function": "run", "args": (source, name, calls)})
        except Died:
            self.close()
            return None
        fine = found.error is None and isinstance(found.value, list)
        return list(found.value) if fine else None

    def close(self) -> None:
        if self.child is not None:
            self.child.__exit__()
            self.child = None


_interpreter = Interpreter()
atexit.register(_interpreter.close)


def signature(source: str) -> tuple[str, list[str]] | None:
    """(name, parameters) of the first function; None when there is none, or it cannot be read."""
    try:
        found = next((node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)), None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None if found is None else (found.name, [argument.arg for argument in found.args.args])


def code(answer: str, wanted: str) -> float:
    """1 when the function of the answer returns what the wanted one does, for all inputs."""
    fenced = _FENCE.search(answer)
    source = fenced[1] if fenced else answer
    asked = signature(wanted)
    if asked is None or signature(source) is None:
        return 0.0
    name, parameters = asked
    calls = list(zip(*(INPUTS[parameter] for parameter in parameters)))
    truth = _interpreter.results(wanted, name, calls)
    return float(truth is not None and _interpreter.results(source, name, calls) == truth)
