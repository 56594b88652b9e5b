"""The questions of a data file in any schema, whether they were answered or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fledge.data.readers import Bad, check_file, raw_rows
from fledge.data.rows import PAIRS
from fledge.data.turns import BadRow, Message, asked, messages_of, turns_of
from fledge.errors import UserError
from fledge.lang import _

QUESTIONS = tuple(question for question, _answer in PAIRS.values())


def read_questions(path: str | Path, limit: int = 0) -> list[list[Message]]:
    """Of every row the messages up to its last question, the first of each kind once, at most `limit` (0: all). A row without a
    question is left out; UserError when none has one."""
    path = check_file(path)
    found: dict[str, list[Message]] = {}
    bad: list[Bad] = []
    for line, raw in raw_rows(path, "chat"):
        try:
            messages = question_of(raw)
        except BadRow as error:
            bad.append(Bad(path.name, line, str(error)))
            continue
        found.setdefault(repr([(message["role"], message["content"]) for message in messages]), messages)
        if limit and len(found) == limit:
            break
    if not found:
        reason = f" ({bad[0].line}: {bad[0].reason})" if bad else ""
        raise UserError(_("{path} holds no question{reason}.").format(path=path, reason=reason))
    return list(found.values())


def question_of(raw: Any) -> list[Message]:
    """The messages of a raw row up to its last turn of the user; BadRow when there is none."""
    if isinstance(raw, BadRow):
        raise raw
    if not isinstance(raw, dict):
        raise BadRow(_("no question"))
    turns: list[Any] = []
    if isinstance(raw.get("system"), str) and raw["system"].strip():
        turns.append({"role": "system", "content": raw["system"]})
    if isinstance(raw.get("instruction"), str):
        parts = [part for key in ("instruction", "input", "context") if (part := raw.get(key))]
        turns.append({"role": "user", "content": "\n".join(map(str, parts))})
    else:
        keys = ("conversations", "messages", "chosen", *QUESTIONS, "text")
        key = next((key for key in keys if raw.get(key)), None)
        if key is None:
            raise BadRow(_("no question"))
        turns += turns_of(raw[key], "user", key)
    messages = messages_of(turns)[0]
    while messages and messages[-1]["role"] != "user":
        messages.pop()
    if not messages:
        raise BadRow(_("no question"))
    return asked(messages)


def text_of(messages: list[Message]) -> str:
    """The last question."""
    return str(messages[-1]["content"])
