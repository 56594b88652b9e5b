"""Rows: every schema that learners already have, read into five plain types.

| kind         | type            | schemas that give one                                                                    |
|--------------|-----------------|------------------------------------------------------------------------------------------|
| `text`       | `TextRow`       | `{text}`, `{content}`, a string, a plain text file                                       |
| `chat`       | `ChatRow`       | MiniMind `{conversations}`, OpenAI `{messages}`, ShareGPT, Alpaca, Dolly, and a question |
|              |                 | beside its answer: `{question, answer}`, `{prompt, completion}`, … (`PAIRS`)             |
| `preference` | `PreferenceRow` | `{chosen, rejected}` as message lists, or as strings beside a `prompt`                   |
| `judged`     | `JudgedRow`     | `{messages, label}` (KTO: one answer, good or bad)                                       |
| `task`       | `TaskRow`       | MiniMind `{conversations, gt}`, `{question, answer}` with `#### answer` (GSM8K); beside  |
|              |                 | `gt` or instead of it a rule: `{conversations, check}`                                   |

The schema is detected row by row, so one file may mix them. A row that cannot be read raises `BadRow` with the reason; the
reader counts it and goes on. A blank question or answer is such a row: a model would learn to say nothing.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Literal

from fledge.data.turns import BadRow, Message, answered, asked, conversation, messages_of, turns_of, what
from fledge.lang import _

Kind = Literal["text", "chat", "preference", "judged", "task"]

PAIRS = {  # schema -> where a question stands and where its answer
    "question-answer": ("question", "answer"),
    "prompt-completion": ("prompt", "completion"),
    "prompt-response": ("prompt", "response"),
    "query-response": ("query", "response"),
    "input-output": ("input", "output"),
}
SCHEMA_KEYS = (
    "text", "conversations", "messages", "instruction", "question", "prompt", "query", "chosen", "rejected", "content",
)  # fmt: skip
KINDS: dict[
    str, tuple[Kind, ...]
] = {  # schema -> as what a row of it may be read, most likely first; others: chat, task
    "text": ("text",),
    "content": ("text",),
    "preference": ("preference",),
    "kto": ("judged",),
}


@dataclass(frozen=True)
class TextRow:
    """One document. `spans` are (start, end, tag) in characters: what kind of knowledge a stretch of the text is."""

    text: str
    spans: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True)
class ChatRow:
    messages: list[Message]
    tools: list[dict] | None = None


@dataclass(frozen=True)
class PreferenceRow:
    """`prompt + chosen` is better than `prompt + rejected`; both go on after the prompt with an assistant turn."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    tools: list[dict] | None = None


@dataclass(frozen=True)
class JudgedRow:
    messages: list[Message]
    good: bool
    tools: list[dict] | None = None


@dataclass(frozen=True)
class TaskRow:
    """A prompt to be answered by the model; `answers` is what a verifier looks for (empty when the file gives none), and
    `check` names a rule with its arguments: `{"check": "begins", "word": "Sure"}`."""

    messages: list[Message]
    answers: list[str]
    tools: list[dict] | None = None
    check: dict[str, Any] | None = None


Row = TextRow | ChatRow | PreferenceRow | JudgedRow | TaskRow


def as_row(value: Any) -> Any:
    """A string in the place of a row is a text."""
    return {"text": value} if isinstance(value, str) else value


def schema_of(raw: Any) -> str:
    """Name the schema of a raw row by its keys."""
    if not isinstance(raw, dict):
        raise BadRow(_("a row is a JSON object, this one is {what}").format(what=what(raw)))
    if "chosen" in raw or "rejected" in raw:
        return "preference"
    if "conversations" in raw:
        turns = raw["conversations"]
        first = turns[0] if isinstance(turns, list) and turns else None
        return "sharegpt" if isinstance(first, dict) and "from" in first else "minimind"
    if "messages" in raw:
        return "kto" if isinstance(raw.get("label"), bool) else "openai"
    if "instruction" in raw:
        return "dolly" if "response" in raw and "output" not in raw else "alpaca"
    for schema, (question, answer) in PAIRS.items():
        if question in raw and answer in raw:
            return schema
    if "text" in raw:
        return "text"
    for schema, (question, __) in PAIRS.items():
        if question in raw and question in SCHEMA_KEYS:  # its reader says that the answer is missing
            return schema
    if "content" in raw and not {"role", "from"} & raw.keys():
        return "content"
    raise _unknown(raw)


def _unknown(raw: dict) -> BadRow:
    if {"role", "content"} <= raw.keys() or {"from", "value"} <= raw.keys():
        return BadRow(
            _(
                'this is one message of a conversation: put all messages of one into a list, as a row {"messages": [...]}'
            ),
        )
    keys, known = ", ".join(list(map(str, raw))[:6]), ", ".join(SCHEMA_KEYS)
    if not keys:
        return BadRow(_("this row has no keys: {}"))
    near = [match for key in raw for match in difflib.get_close_matches(str(key).lower(), SCHEMA_KEYS, 1, 0.75)]
    meant = _(" Did you mean '{near}'?").format(near=near[0]) if near else ""
    return BadRow(
        _("no known schema has these keys: {keys} (known: {known}).{meant}").format(
            keys=keys, known=known, meant=meant
        ),
    )


def parse(raw: Any, kind: Kind) -> Row:
    """Read one raw row (a dict as it stands in the file, or a row type) as `kind`; `BadRow` says why it cannot be."""
    if isinstance(raw, BadRow):
        raise raw
    if isinstance(raw, TextRow | ChatRow | PreferenceRow | JudgedRow | TaskRow):
        if type(raw) is not _TYPES[kind]:
            name = type(raw).__name__
            raise BadRow(_("a {name} row, where {kind} rows are needed").format(name=name, kind=kind))
        return raw
    raw = as_row(raw)
    if kind == "text" and isinstance(raw, dict) and "text" in raw:
        return _text(raw)
    schema = schema_of(raw)
    reader = _READERS[kind].get(schema)
    if reader is None:
        fits = next((k for k, readers in _READERS.items() if schema in readers), kind)
        raise BadRow(
            _("a row with the {schema} schema is {fits} data, and {kind} rows are needed here").format(
                schema=schema, fits=fits, kind=kind
            ),
        )
    return reader(raw)


def parse_any(raw: Any) -> Row:
    """Read a raw row as what its schema is for, whatever the job; `BadRow` says why nothing can."""
    if isinstance(raw, BadRow):
        raise raw
    raw = as_row(raw)
    kinds: tuple[Kind, ...] = KINDS.get(schema_of(raw), ("task",) if {"gt", "check"} & raw.keys() else ("chat", "task"))
    try:
        return parse(raw, kinds[0])
    except BadRow as first:
        try:
            return parse(raw, kinds[-1])
        except BadRow:
            raise first from None


def conversations_of(row: Row) -> list[tuple[str, list[Message], list[dict] | None]]:
    """(name, messages, tools) of everything in a row that is rendered; names where a row gives several."""
    match row:
        case ChatRow():
            return [("", row.messages, row.tools)]
        case PreferenceRow():
            pairs = (("chosen", row.chosen), ("rejected", row.rejected))
            return [(name, row.prompt + side, row.tools) for name, side in pairs]
        case JudgedRow():
            return [("good" if row.good else "bad", row.messages, row.tools)]
        case TaskRow():
            return [("prompt", row.messages, row.tools)]
    return []


def texts_of(row: Row) -> list[str]:
    """All text of a row."""
    if isinstance(row, TextRow):
        return [row.text]
    return [message["content"] for _, messages, _ in conversations_of(row) for message in messages]


def _text(raw: dict) -> TextRow:
    text = _document(raw, "text")
    spans = []
    for span in raw.get("spans") or ():
        match span:
            case [int(start), int(end), str(tag), *_] if 0 <= start <= end <= len(text):
                spans.append((start, end, tag))
            case _:
                raise BadRow(_("'spans' must be a list of [start, end, tag], start and end in characters of the text"))
    return TextRow(text, tuple(spans))


def _content(raw: dict) -> TextRow:
    return TextRow(_document(raw, "content"))


def _document(raw: dict, key: str) -> str:
    text = raw[key]
    if not isinstance(text, str):
        raise BadRow(_("'{key}' must be a string, it is {what}").format(key=key, what=what(text)))
    if not text.strip():
        raise BadRow(_("'{key}' is empty").format(key=key))
    return text


def _chat(raw: dict) -> ChatRow:
    if "gt" in raw:
        raise BadRow(_("a row with 'gt' is a task: its last turn is a placeholder and not an answer to imitate"))
    messages, tools = conversation(raw)
    return ChatRow(answered(messages), tools)


def _kto_chat(raw: dict) -> ChatRow:
    if not raw["label"]:
        raise BadRow(_("its answer is marked as bad (label false): it is not imitated"))
    return _chat(raw)


def _kto(raw: dict) -> JudgedRow:
    chat = _chat(raw)
    return JudgedRow(chat.messages, raw["label"], chat.tools)


def _alpaca(raw: dict) -> ChatRow:
    """`instruction` and `input` make the question; LLaMA-Factory's `system` and `history` come before it."""
    return _instructed(raw, "input", "output")


def _dolly(raw: dict) -> ChatRow:
    return _instructed(raw, "context", "response")


def _instructed(raw: dict, extra: str, output: str) -> ChatRow:
    question = "\n".join(part for key in ("instruction", extra) if (part := _string(raw, key)).strip())
    answer = _string(raw, output)
    if not question:
        raise BadRow(_("'instruction' is missing or empty"))
    if not answer.strip():
        raise BadRow(_("'{output}' is missing or empty").format(output=output))
    turns = [{"role": "system", "content": raw["system"]}] if raw.get("system") else []
    for pair in raw.get("history") or []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadRow(_("'history' must be a list of [question, answer]"))
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return ChatRow(answered(messages_of(turns)[0]))


def _pair(raw: dict) -> ChatRow:
    """One question and its answer: strings, or lists of messages as TRL has them."""
    keys = PAIRS[schema_of(raw)]
    turns = []
    for key, role in zip(keys, ("user", "assistant")):
        value = raw.get(key)
        if not (value.strip() if isinstance(value, str) else value):
            raise BadRow(_("'{key}' is missing or empty").format(key=key))
        turns += turns_of(value, role, key)
    messages, tools = messages_of(turns, raw.get("tools"))
    return ChatRow(answered(messages), tools)


def _question_task(raw: dict) -> TaskRow:
    """GSM8K: the number after `####` is what is checked; without one the whole answer is."""
    messages = _pair(raw).messages
    answer = messages[-1]["content"].rpartition("####")[2].strip()
    return TaskRow(messages[:-1], [answer])


def _task(raw: dict) -> TaskRow:
    """MiniMind rlaif and agent_rl: the last assistant turn is a placeholder and is dropped; `gt` is the truth."""
    messages, tools = conversation(raw, placeholder=True)
    if not any(m["role"] == "user" for m in messages):
        raise BadRow(_("no user turn: there is nothing to answer"))
    truth = raw.get("gt")
    truths = truth if isinstance(truth, list) else [] if truth is None else [truth]
    check = raw.get("check")
    if check is not None and not (isinstance(check, dict) and isinstance(check.get("check"), str)):
        raise BadRow(_('\'check\' must name a rule, as {{"check": "exact"}}, it is {what}').format(what=what(check)))
    return TaskRow(asked(messages), [str(t) for t in truths], tools, check)


def _preference(raw: dict) -> PreferenceRow:
    sides = {key: turns_of(raw.get(key) or "", "assistant", key) for key in ("chosen", "rejected")}
    prompt = turns_of(raw["prompt"], "user", "prompt") if raw.get("prompt") else []
    chosen, tools = messages_of(prompt + sides["chosen"], raw.get("tools"))
    rejected, __ = messages_of(prompt + sides["rejected"])
    for key, messages in (("chosen", chosen), ("rejected", rejected)):
        if not messages[-1]["content"].strip() and "tool_calls" not in messages[-1]:
            raise BadRow(_("'{key}' is missing or empty").format(key=key))
    if chosen == rejected:
        raise BadRow(_("'chosen' equals 'rejected': there is nothing to learn from it"))
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    if not same:
        raise BadRow(_("no prompt: neither 'prompt' nor first turns that 'chosen' and 'rejected' share"))
    if not all(side[same:] and side[same]["role"] == "assistant" for side in (chosen, rejected)):
        raise BadRow(_("'chosen' and 'rejected' must differ first in an assistant turn"))
    return PreferenceRow(asked(chosen[:same]), chosen[same:], rejected[same:], tools)


def _string(raw: dict, key: str) -> str:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRow(_("'{key}' must be a string, it is {what}").format(key=key, what=what(value)))
    return value or ""


_TYPES: dict[str, type] = {
    "text": TextRow,
    "chat": ChatRow,
    "preference": PreferenceRow,
    "judged": JudgedRow,
    "task": TaskRow,
}
_READERS: dict[str, dict[str, Any]] = {
    "text": {"text": _text, "content": _content},
    "chat": {
        "minimind": _chat, "sharegpt": _chat, "openai": _chat, "kto": _kto_chat, "alpaca": _alpaca, "dolly": _dolly,
        **dict.fromkeys(PAIRS, _pair),
    },
    "preference": {"preference": _preference},
    "judged": {"kto": _kto},
    "task": {"minimind": _task, "sharegpt": _task, "openai": _task, "question-answer": _question_task},
}  # fmt: skip
