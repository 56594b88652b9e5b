"""Every schema gives the same plain rows; what cannot be read says why."""

from __future__ import annotations

import json

import pytest

from fledge.data.rows import ChatRow, JudgedRow, PreferenceRow, TaskRow, TextRow, parse, parse_any, texts_of
from fledge.data.turns import BadRow

USER, ANSWER = {"role": "user", "content": "你好"}, {"role": "assistant", "content": "Hello!"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}


@pytest.mark.parametrize(
    "raw",
    [
        {"conversations": [USER, ANSWER]},
        {"messages": [USER, ANSWER], "extra": 1},
        {"conversations": [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "Hello!"}]},
        {"instruction": "你好", "input": "", "output": "Hello!"},
        {"question": "你好", "answer": "Hello!"},
        {"instruction": "", "input": "你好", "output": "Hello!"},
        {"instruction": "你好", "context": "", "response": "Hello!", "category": "open_qa"},
        {"prompt": "你好", "completion": "Hello!"},
        {"prompt": [USER], "completion": [ANSWER]},
        {"prompt": "你好", "response": "Hello!"},
        {"query": "你好", "response": "Hello!"},
        {"input": "你好", "output": "Hello!"},
        {"messages": [USER, ANSWER], "label": True},
        {
            "messages": [
                {"role": "human", "content": [{"type": "text", "text": "你好"}]},
                {**ANSWER, "tool_calls": None},
            ]
        },
    ],
    ids=[
        "minimind",
        "openai",
        "sharegpt",
        "alpaca",
        "question",
        "input-only",
        "dolly",
        "completion",
        "trl",
        "response",
        "query",
        "pair",
        "kto",
        "aliases",
    ],
)
def test_chat_schemas_agree(raw):
    assert parse(raw, "chat") == ChatRow([USER, ANSWER])


def test_alpaca_input_system_and_history_come_before_the_answer():
    raw = {"instruction": "Add.", "input": "1 2", "output": "3", "system": "Be brief.", "history": [["Hi", "Hello"]]}
    roles = [(m["role"], m["content"]) for m in parse(raw, "chat").messages]
    assert roles == [
        ("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Add.\n1 2"), ("assistant", "3"),
    ]  # fmt: skip


MINIMIND_V3 = {
    "conversations": [
        {"role": "system", "content": "S", "reasoning_content": "", "tools": json.dumps([TOOL]), "tool_calls": ""},
        {"role": "user", "content": "1+2?", "reasoning_content": "", "tools": "", "tool_calls": ""},
        {"role": "assistant", "content": "", "tool_calls": '[{"name": "add", "arguments": {"a": 1, "b": 2}}]'},
        {"role": "tool", "content": '{"result": 3}'},
        {"role": "assistant", "content": "3", "reasoning_content": "easy"},
    ]
}
MINIMIND_V25 = {
    "conversations": [
        {"role": "system", "content": "S", "functions": [TOOL["function"]]},
        {"role": "user", "content": "1+2?"},
        {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": '{"a": 1, "b": 2}'}]},
        {"role": "tool", "content": {"result": 3}},
        {"role": "assistant", "content": "<think>\neasy\n</think>\n\n3"},
    ]
}
SHAREGPT = {
    "system": "S",
    "tools": json.dumps([TOOL["function"]]),
    "conversations": [
        {"from": "human", "value": "1+2?"},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1, "b": 2}}'},
        {"from": "observation", "value": '{"result": 3}'},
        {"from": "gpt", "value": "<think>easy</think>3"},
    ],
}


@pytest.mark.parametrize("raw", [MINIMIND_V3, MINIMIND_V25, SHAREGPT], ids=["v3", "v2.5", "sharegpt"])
def test_tool_dialogues_agree(raw):
    assert parse(raw, "chat") == ChatRow(
        [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "1+2?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": '{"result": 3}'},
            {"role": "assistant", "content": "3", "reasoning_content": "easy"},
        ],
        [TOOL],
    )


def test_preference_pairs_are_split_where_they_part():
    first = [USER, ANSWER, {"role": "user", "content": "more"}]
    good, bad = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
    assert parse({"chosen": [*first, good], "rejected": [*first, bad]}, "preference") == PreferenceRow(
        first, [good], [bad]
    )
    assert parse({"prompt": "你好", "chosen": "good", "rejected": "bad"}, "preference") == PreferenceRow(
        [USER], [good], [bad]
    )


def test_tasks_drop_the_placeholder_and_keep_the_truth():
    rlaif = {"conversations": [USER, {"role": "assistant", "content": "无"}]}
    assert parse(rlaif, "task") == TaskRow([USER], [])
    assert parse({**rlaif, "gt": ["59", 3]}, "task") == TaskRow([USER], ["59", "3"])
    assert parse({"question": "你好", "answer": "1+1=<<1+1=2>>2\n#### 2"}, "task") == TaskRow([USER], ["2"])


def test_judged_rows_keep_their_label_and_bad_answers_are_not_imitated():
    raw = {"messages": [USER, ANSWER], "label": False}
    assert parse(raw, "judged") == JudgedRow([USER, ANSWER], False)
    with pytest.raises(BadRow, match="marked as bad"):
        parse(raw, "chat")


def test_texts_may_be_called_content_or_be_plain_strings():
    assert parse({"content": "abc", "title": "t"}, "text") == parse("abc", "text") == TextRow("abc")


def test_a_turn_of_thought_and_a_tool_call_says_something():
    call = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert parse({"messages": [USER, call]}, "chat").messages[1]["tool_calls"] == [CALL]


def test_a_row_is_read_as_what_its_schema_is_for():
    rows = {
        TextRow: {"content": "abc"}, ChatRow: {"prompt": "a", "completion": "b"},
        JudgedRow: {"messages": [USER, ANSWER], "label": False},
        TaskRow: {"conversations": [USER, ANSWER], "gt": "1"},
        PreferenceRow: {"prompt": "a", "chosen": "b", "rejected": "c"},
    }  # fmt: skip
    assert [type(parse_any(raw)) for raw in rows.values()] == list(rows)
    placeholder = {"role": "assistant", "content": ""}
    assert type(parse_any({"conversations": [USER, placeholder]})) is TaskRow, "for the model to answer"
    texts = [texts_of(parse_any(raw)) for raw in rows.values()]
    assert texts == [["abc"], ["a", "b"], ["你好", "Hello!"], ["你好"], ["a", "b", "a", "c"]]
    with pytest.raises(BadRow, match="'completion' is missing or empty"):
        parse_any({"prompt": "q", "completion": " "})


def test_text_spans_are_kept():
    assert parse({"text": "abc", "spans": [[0, 1, "name", 2.5]]}, "text") == TextRow("abc", ((0, 1, "name"),))


@pytest.mark.parametrize(
    "kind, raw, reason",
    [
        ("chat", {"mesages": [USER, ANSWER]}, r"no known schema has these keys: mesages .*Did you mean 'messages'\?"),
        ("chat", {"conversations": [{"role": "asistant", "content": "x"}]}, r"unknown role 'asistant'.*'assistant'\?"),
        ("chat", {"conversations": [{"content": "x"}]}, "Message 1 has no role"),
        ("chat", {"conversations": [{"role": "user"}, ANSWER]}, r"Message 1 \(role user\) has no content"),
        ("chat", {"conversations": [USER]}, "no assistant turn"),
        ("chat", {"conversations": [USER, {"role": "assistant", "content": ""}]}, "the answer in message 2 is blank"),
        (
            "chat",
            {"conversations": [USER, {"role": "assistant", "content": "  \n"}]},
            "the answer in message 2 is blank",
        ),
        ("chat", {"messages": [USER, ANSWER, USER, {**ANSWER, "content": ""}]}, "the answer in message 4 is blank"),
        ("chat", {"messages": [USER, {**ANSWER, "content": " "}, USER, ANSWER]}, "the answer in message 2 is blank"),
        ("chat", {"messages": [{**USER, "content": " "}, ANSWER]}, "the question in message 1 is blank"),
        ("chat", {"messages": [USER, {**ANSWER, "content": "", "reasoning_content": "hm"}]}, "message 2 is blank"),
        ("judged", {"messages": [USER, {**ANSWER, "content": " "}], "label": True}, "the answer in message 2 is blank"),
        ("task", {"conversations": [{**USER, "content": ""}, ANSWER], "gt": "1"}, "the question in message 1 is blank"),
        ("chat", {"instruction": "", "input": "", "output": "y"}, "'instruction' is missing or empty"),
        ("chat", {"instruction": None, "output": "y"}, "'instruction' is missing or empty"),
        ("chat", {"instruction": " ", "context": "", "response": "y"}, "'instruction' is missing or empty"),
        ("chat", {"instruction": "x", "context": "c", "response": " "}, "'response' is missing or empty"),
        ("chat", {"question": " ", "answer": "y"}, "'question' is missing or empty"),
        ("chat", {"question": "x"}, "'answer' is missing or empty"),
        ("chat", {"prompt": "x"}, "'completion' is missing or empty"),
        (
            "chat",
            {"prompt": "x", "completion": 3},
            "'completion' must be a list of messages or a string, it is a number",
        ),
        ("chat", USER, "this is one message of a conversation: put all messages of one into a list"),
        ("chat", {"from": "human", "value": "hi"}, "this is one message of a conversation"),
        (
            "chat",
            {"sentence": "x", "label": 1},
            r"no known schema has these keys: sentence, label \(known: [a-z, ]+\)\.$",
        ),
        ("text", {}, "this row has no keys"),
        ("text", {"content": 3}, "'content' must be a string, it is a number"),
        ("text", {"content": ""}, "'content' is empty"),
        ("text", {"txet": "abc"}, r"Did you mean 'text'\?"),
        ("text", {"Text": "abc"}, r"Did you mean 'text'\?"),
        ("chat", {"conversations": [USER, ANSWER], "gt": ["1"]}, "'gt' is a task"),
        ("chat", {"conversations": []}, "'conversations' must be a list of messages"),
        ("chat", {"conversations": ["hello"]}, "Message 1 must be an object"),
        ("chat", {"instruction": "x", "output": ""}, "'output' is missing"),
        ("chat", {"instruction": "x", "output": "y", "history": ["z"]}, "'history' must be"),
        ("chat", {"instruction": 3, "output": "y"}, "'instruction' must be a string, it is a number"),
        ("chat", {"text": "abc"}, "is text data, and chat rows are needed"),
        ("chat", {"conversations": [USER, ANSWER], "tools": "[{"}, "not JSON"),
        ("chat", ["a"], "this one is a list"),
        ("text", {"text": 3}, "'text' must be a string"),
        ("text", {"text": " \n"}, "'text' is empty"),
        ("text", {"text": "abc", "spans": [[0, 9, "x"]]}, "'spans' must be"),
        ("text", {"conversations": [USER, ANSWER]}, "is chat data, and text rows are needed"),
        ("preference", {"chosen": [USER, ANSWER]}, "'rejected' is missing"),
        ("preference", {"prompt": "x", "chosen": " ", "rejected": "b"}, "'chosen' is missing"),
        (
            "preference",
            {"prompt": "x", "chosen": "a", "rejected": [{**ANSWER, "content": ""}]},
            "'rejected' is missing",
        ),
        ("preference", {"chosen": [USER, ANSWER], "rejected": [USER, ANSWER]}, "nothing to learn"),
        ("preference", {"chosen": "a", "rejected": "b"}, "no prompt"),
        ("preference", {"chosen": [USER, USER], "rejected": [USER, ANSWER]}, "differ first in an assistant turn"),
        ("task", {"conversations": [ANSWER]}, "must have at least one message|no user turn"),
    ],
)
def test_bad_rows_say_why(kind, raw, reason):
    with pytest.raises(BadRow, match=reason):
        parse(raw, kind)
