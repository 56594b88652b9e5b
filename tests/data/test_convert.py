"""Converted and read again, a conversation is what it was."""

from __future__ import annotations

import json

import pytest

from fledge.cli import main
from fledge.data.convert import WRITERS
from fledge.data.readers import read_rows

TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
ROWS = {
    "plain": {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]},
    "system, two questions": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+1?"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "4"},
        ]
    },
    "thinking": {
        "messages": [
            {"role": "user", "content": "6·7?"},
            {"role": "assistant", "content": "42", "reasoning_content": "6, 12, 18 … 42"},
        ]
    },
    "tools": {
        "messages": [
            {"role": "user", "content": "1+2?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "3"},
            {"role": "assistant", "content": "It is 3."},
        ],
        "tools": TOOLS,
    },
}


@pytest.mark.parametrize("to", WRITERS)
@pytest.mark.parametrize("name", ROWS)
def test_nothing_is_lost_on_the_way(tmp_path, capsys, name, to):
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text(json.dumps(ROWS[name], ensure_ascii=False), encoding="utf-8")
    code = main(["data", "convert", str(given), "-o", str(out), "--to", to])
    if (name, to) == ("tools", "alpaca"):
        assert code == 2 and "which Alpaca does not have" in capsys.readouterr().err
        return
    assert code == 0
    (before,), (after,) = list(read_rows(given, "chat")), list(read_rows(out, "chat"))
    rows = [[m for m in row.messages if m["role"] != "system" or m["content"]] for row in (before, after)]
    assert rows[0] == rows[1] and before.tools == after.tools
    key = {"minimind": "conversations", "openai": "messages", "sharegpt": "conversations", "alpaca": "instruction"}[to]
    assert key in json.loads(out.read_text(encoding="utf-8"))


def test_what_cannot_be_read_is_counted_and_a_file_that_is_there_stays(tmp_path, capsys):
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"instruction": "Say hi", "output": "hi"})] * 2 + ['{"instruction": "no answer"}']
    given.write_text("\n".join(lines), encoding="utf-8")
    assert main(["data", "convert", str(given), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "2 rows in" in said and "1 of 3 rows could not be read; the first is in.jsonl line 3" in said
    assert main(["data", "convert", str(given), "-o", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
