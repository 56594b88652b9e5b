"""The texts inside a raw row: where each stands, so that it can be read, changed in place, and judged with its row.

A row keeps its schema and its other fields. Left alone are what is not prose: roles, tool definitions, tool calls, the
`gt` of a task. Instructions to the system are repaired and masked like the rest but do not count when a row is judged:
thousands of rows share them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fledge.data.turns import CALLS

QUESTIONS = ("question", "prompt", "query", "input")
ANSWERS = ("answer", "completion", "response", "output", "chosen", "rejected")
STRINGS = ("text", "content", "instruction", "context", *QUESTIONS, *ANSWERS)
TURNS = ("conversations", "messages", *QUESTIONS, *ANSWERS)
Place = tuple[Any, Any, bool]  # container, key, does it count when the row is judged


def places(raw: Any) -> Iterator[Place]:
    """Where the texts of a row stand: `container[key]` is a string."""
    if not isinstance(raw, dict):
        return
    for key in STRINGS:
        if isinstance(raw.get(key), str):
            yield raw, key, True
    if isinstance(raw.get("system"), str):
        yield raw, "system", False
    for key in TURNS:
        turns = raw.get(key)
        for turn in turns if isinstance(turns, list) else [turns]:
            if isinstance(turn, dict):
                yield from _of_turn(turn)
    for pair in raw["history"] if isinstance(raw.get("history"), list) else []:
        if isinstance(pair, list):
            yield from ((pair, at, True) for at, text in enumerate(pair) if isinstance(text, str))


def _of_turn(turn: dict) -> Iterator[Place]:
    role = turn.get("role", turn.get("from"))
    if role in CALLS:  # the value is JSON, not prose
        return
    judged = role not in ("system", "developer")
    for key in ("content", "value", "reasoning_content"):
        value = turn.get(key)
        if isinstance(value, str):
            yield turn, key, judged
        elif isinstance(value, list):  # OpenAI's parts
            yield from (
                (part, "text", judged) for part in value if isinstance(part, dict) and isinstance(part.get("text"), str)
            )


def judged_texts(raw: dict) -> list[str]:
    """All of a row that counts."""
    return [container[key] for container, key, judged in places(raw) if judged]
