"""Conversations from any schema into another: MiniMind's, OpenAI's, ShareGPT's, Alpaca's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fledge.data.readers import Quarantine, read_rows
from fledge.data.rows import ChatRow
from fledge.data.turns import BadRow, Message
from fledge.errors import UserError
from fledge.lang import _
from fledge.records import dumps, write_atomic

SHAREGPT = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}


def convert(paths: list[str], out: Path, to: str) -> tuple[int, Quarantine]:
    """Write the conversations of `paths` to `out` (.jsonl) in the schema `to`: how many, and what was left out because it cannot be
    read, or said in that schema. UserError when nothing remains."""
    if out.suffix != ".jsonl":
        raise UserError(_("'{out}' must end in .jsonl: that is what is written.").format(out=out))
    found, lines = Quarantine(), []
    for path in paths:
        for row in read_rows(path, "chat", found):
            assert isinstance(row, ChatRow)
            try:
                lines.append(dumps(WRITERS[to](row)) + "\n")
            except BadRow as error:
                found.notes.append(f"{Path(path).name}: {error}")
    if not lines:
        raise UserError(_("none of the rows can be written as {to}: {reason}").format(to=to, reason=found.notes[-1]))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, "".join(lines))
    return len(lines), found


def _minimind(row: ChatRow) -> dict[str, Any]:
    """MiniMind's reader takes strings only: tools stand on the system turn, tool calls as JSON."""
    turns = [dict(message) for message in row.messages]
    for turn in turns:
        if "tool_calls" in turn:
            calls = [call.get("function", call) for call in turn["tool_calls"]]
            turn["tool_calls"] = json.dumps(calls, ensure_ascii=False)
    if row.tools:
        if turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": ""})
        turns[0]["tools"] = json.dumps(row.tools, ensure_ascii=False)
    return {"conversations": turns}


def _openai(row: ChatRow) -> dict[str, Any]:
    return {"messages": row.messages} | ({"tools": row.tools} if row.tools else {})


def _sharegpt(row: ChatRow) -> dict[str, Any]:
    turns = []
    for message in row.messages:
        if calls := message.get("tool_calls"):
            if message["content"]:
                turns.append({"from": "gpt", "value": _thinking(message)})
            if len(calls) > 1:
                raise BadRow(_("several tool calls in one turn, which ShareGPT does not have"))
            turns.append(
                {"from": "function_call", "value": json.dumps(calls[0].get("function", calls[0]), ensure_ascii=False)}
            )
        else:
            turns.append({"from": SHAREGPT[message["role"]], "value": _thinking(message)})
    return {"conversations": turns} | ({"tools": json.dumps(row.tools, ensure_ascii=False)} if row.tools else {})


def _alpaca(row: ChatRow) -> dict[str, Any]:
    """One question and its answer, with those before it as LLaMA-Factory's `history`."""
    turns = list(row.messages)
    system = turns.pop(0)["content"] if turns[0]["role"] == "system" else ""
    roles = [turn["role"] for turn in turns]
    if row.tools or roles != ["user", "assistant"] * (len(turns) // 2):
        raise BadRow(_("tools, or turns out of order, which Alpaca does not have"))
    said = [_thinking(turn) for turn in turns]
    pairs = [[said[i], said[i + 1]] for i in range(0, len(said), 2)]
    made: dict[str, Any] = {"instruction": pairs[-1][0], "input": "", "output": pairs[-1][1]}
    return made | ({"system": system} if system else {}) | ({"history": pairs[:-1]} if pairs[:-1] else {})


def _thinking(message: Message) -> str:
    """The content with what was thought before it, where the schema has no place for that."""
    thought = message.get("reasoning_content")
    return f"<think>\n{thought}\n</think>\n\n{message['content']}" if thought else str(message["content"])


WRITERS: dict[str, Callable[[ChatRow], dict[str, Any]]] = {
    "minimind": _minimind,
    "openai": _openai,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
}
