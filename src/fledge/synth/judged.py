"""What a judge is shown: the answered questions of a file, and the two answers of two files to the same question."""

from __future__ import annotations

from fledge.data.readers import read_rows
from fledge.data.rows import ChatRow
from fledge.errors import UserError
from fledge.lang import _


def answered(path: str) -> list[tuple[str, str]]:
    """(the last question, its answer) of every row; earlier turns stand before the question."""
    found = []
    for row in read_rows(path, "chat"):
        assert isinstance(row, ChatRow)
        messages = list(row.messages)
        while messages[-1]["role"] != "assistant":
            messages.pop()
        before = [message["content"] for message in messages[:-1] if message["role"] != "system"]
        found.append(("\n\n".join(before), messages[-1]["content"]))
    return found


def matched(first: str, second: str) -> list[tuple[str, str, str]]:
    """(question, answer of the first file, of the second) for the questions that both have; UserError when there are none."""
    a, b = dict(answered(first)), dict(answered(second))
    found = [(question, a[question], b[question]) for question in a if question in b]
    if not found:
        raise UserError(
            _("{first} and {second} have no question in common: judge answers to the same questions.").format(
                first=first, second=second
            )
        )
    return found
