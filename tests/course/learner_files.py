"""What a learner may hand in for rms_norm: right, wrong in a known way, and in every way that a grader must survive."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fledge.course.grader.child import Learner
from fledge.course.grader.measuring import CallResult
from fledge.course.grader.wire import decode, encode

HEAD = "import torch\n\n\n"
RIGHT = (
    HEAD
    + """def rms_norm(x, weight, eps):
    x32 = x.float()
    scale = (x32 * x32).mean(-1, keepdim=True).add(eps).rsqrt()
    return (x32 * scale).to(x.dtype) * weight.to(x.dtype)
"""
)
LAYER_NORM = (
    HEAD
    + """def rms_norm(x, weight, eps):
    centred = x.float() - x.float().mean(dim=-1, keepdim=True)
    variance = (centred ** 2).mean(dim=-1, keepdim=True)
    return (centred / torch.sqrt(variance + eps)).to(x.dtype) * weight.to(x.dtype)
"""
)


def before(lines: str) -> str:
    """The right solution, with these lines at the beginning of its body."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return RIGHT.replace("eps):\n", f"eps):\n{body}", 1)


def returning(expression: str) -> str:
    return f"{HEAD}def rms_norm(x, weight, eps):\n    return {expression}\n"


def brief(value: object) -> str | None:
    """A parameter's name in a test's: not the whole source."""
    return "source" if isinstance(value, bytes) or (isinstance(value, str) and "\n" in value) else None


class Here:
    """Stands in for `grade.Child` and runs the learner's file in this process: for what has nothing to do with processes."""

    def __init__(
        self, path: Path, *, seconds: float, memory_mb: int, bank: Path | None = None, forbidden: Sequence[str] = ()
    ) -> None:
        self.learner = Learner(str(path), None if bank is None else str(bank), forbidden)

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *exc: object) -> None:
        sys.path.remove(str(Path(self.learner.path).parent))
        del sys.modules[self.learner.module.__name__]

    def load(self, source: bytes) -> dict[str, Any] | None:
        return self.learner.load(source)

    def ask(self, request: dict[str, Any]) -> CallResult:
        return CallResult(**decode(self.learner.call(decode(encode(request)), 2**26)))

    def printed(self) -> str:
        return ""
