"""Rows: every schema that learners already have, read into five plain types.

| kind         | type         | schemas that give one                                                                  |
|--------------|--------------|----------------------------------------------------------------------------------------|
| `text`       | `Text`       | `{text}`, a plain text file                                                            |
| `chat`       | `Chat`       | MiniMind `{conversations}`, OpenAI `{messages}`, ShareGPT, Alpaca, `{question,answer}` |
| `preference` | `Preference` | `{chosen, rejected}` as message lists, or as strings beside a `prompt`                 |
| `judged`     | `Judged`     | `{messages, label}` (KTO: one answer, good or bad)                                     |
| `task`       | `Task`       | MiniMind `{conversations, gt}`, `{question, answer}` with `#### answer` (GSM8K)        |

The schema is detected row by row, so one file may mix them. Messages come out OpenAI-style: `role` (system, user,
assistant, tool), `content`, and where there is one `reasoning_content` and `tool_calls`. A row that cannot be read
raises `BadRow` with the reason; the reader counts it and goes on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from fledge.errors import UserError, suggest
from fledge.lang import say
from fledge.tokenizer.messages import normalise_messages

Kind = Literal["text", "chat", "preference", "judged", "task"]
Message = dict[str, Any]

ROLES = {  # other spellings of a role, as files in the wild have them
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool", "function_response": "tool",
}  # fmt: skip
CALLS = ("function_call", "tool_call")  # ShareGPT's role of a turn that is a tool call
JSON_ERRORS = {  # Python's words for a line that is not JSON
    "Expecting value": "这里应该有一个值",
    "Expecting property name enclosed in double quotes": "这里应该是用双引号括起来的键",
    "Expecting ':' delimiter": "这里应该是 ':'",
    "Expecting ',' delimiter": "这里应该是 ','",
    "Extra data": "后面有多余的内容",
    "Unterminated string starting at": "从这里开始的字符串没有结束",
    "Invalid control character at": "字符串里有没转义的控制字符",
    "Invalid \\escape": "反斜杠后面的字符不对",
    "Invalid \\uXXXX escape": "\\u 后面应该是四位十六进制数",
}
SCHEMA_KEYS = ("text", "conversations", "messages", "instruction", "question", "chosen", "rejected")


class BadRow(ValueError):
    """This row cannot be read; the message, in the user's language, is the reason that the quarantine file shows."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(say(zh, en))


def json_error(said: str) -> str:
    """What Python says of wrong JSON, in the user's language where it is known."""
    return say(JSON_ERRORS.get(said.rstrip(": "), said), said)


@dataclass(frozen=True)
class Text:
    """One document. `spans` are (start, end, tag) in characters: what kind of knowledge a stretch of the text is."""

    text: str
    spans: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True)
class Chat:
    messages: list[Message]
    tools: list[dict] | None = None


@dataclass(frozen=True)
class Preference:
    """`prompt + chosen` is better than `prompt + rejected`; both go on after the prompt with an assistant turn."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    tools: list[dict] | None = None


@dataclass(frozen=True)
class Judged:
    messages: list[Message]
    good: bool
    tools: list[dict] | None = None


@dataclass(frozen=True)
class Task:
    """A prompt to be answered by the model; `answers` is what a verifier looks for (empty when the file gives none)."""

    messages: list[Message]
    answers: list[str]
    tools: list[dict] | None = None


Row = Text | Chat | Preference | Judged | Task


def schema_of(raw: Any) -> str:
    """Name the schema of a raw row by its keys."""
    if not isinstance(raw, dict):
        raise BadRow(f"一行应该是一个 JSON 对象，但这一行{_a(raw)}", f"a row is a JSON object, this one is {_a(raw)}")
    if "chosen" in raw or "rejected" in raw:
        return "preference"
    if "conversations" in raw:
        turns = raw["conversations"]
        first = turns[0] if isinstance(turns, list) and turns else None
        return "sharegpt" if isinstance(first, dict) and "from" in first else "minimind"
    if "messages" in raw:
        return "kto" if isinstance(raw.get("label"), bool) else "openai"
    if "instruction" in raw:
        return "alpaca"
    if "question" in raw:
        return "question-answer"
    if "text" in raw:
        return "text"
    keys = ", ".join(list(map(str, raw))[:6]) or say("这一行没有任何键", "none")
    near = next((hint for key in raw if (hint := suggest(str(key), SCHEMA_KEYS))), "")
    known = ", ".join(SCHEMA_KEYS)
    zh = f"没有一种格式用这些键：{keys}（已知的键：{known}）。{near}"
    raise BadRow(zh, f"no known schema has these keys: {keys} (known: {known}).{near}")


def parse(raw: Any, kind: Kind) -> Row:
    """Read one raw row (a dict as it stands in the file, or a row type) as `kind`; `BadRow` says why it cannot be."""
    if isinstance(raw, Text | Chat | Preference | Judged | Task):
        if type(raw) is not _TYPES[kind]:
            zh = f"这是 {type(raw).__name__} 行，而这里要 {kind} 行"
            raise BadRow(zh, f"a {type(raw).__name__} row, where {kind} rows are needed")
        return raw
    if kind == "text" and isinstance(raw, dict) and "text" in raw:
        return _text(raw)
    schema = schema_of(raw)
    reader = _READERS[kind].get(schema)
    if reader is None:
        fits = next((k for k, readers in _READERS.items() if schema in readers), kind)
        zh = f"{schema} 格式的行是 {fits} 数据，而这里要 {kind} 行"
        raise BadRow(zh, f"a row with the {schema} schema is {fits} data, and {kind} rows are needed here")
    return reader(raw)


def _text(raw: dict) -> Text:
    text = raw["text"]
    if not isinstance(text, str):
        raise BadRow(f"'text' 应该是字符串，但它{_a(text)}", f"'text' must be a string, it is {_a(text)}")
    if not text.strip():
        raise BadRow("'text' 是空的", "'text' is empty")
    spans = []
    for span in raw.get("spans") or ():
        match span:
            case [int(start), int(end), str(tag), *_] if 0 <= start <= end <= len(text):
                spans.append((start, end, tag))
            case _:
                zh = "'spans' 应该是 [start, end, tag] 的列表，start 和 end 按文本的字符数"
                raise BadRow(zh, "'spans' must be a list of [start, end, tag], start and end in characters of the text")
    return Text(text, tuple(spans))


def _chat(raw: dict) -> Chat:
    if "gt" in raw:
        zh = "有 'gt' 的行是任务：它的最后一条消息只占位置，不是要模仿的回答"
        raise BadRow(zh, "a row with 'gt' is a task: its last turn is a placeholder and not an answer to imitate")
    messages, tools = _conversation(raw)
    if not any(m["role"] == "assistant" for m in messages):
        raise BadRow("没有 assistant 的消息：没有可以学的内容", "no assistant turn: there is nothing to learn from it")
    if not any(m["role"] == "assistant" and (m["content"] or "tool_calls" in m) for m in messages):
        raise BadRow("assistant 的消息全是空的", "every assistant turn is empty")
    return Chat(messages, tools)


def _kto_chat(raw: dict) -> Chat:
    if not raw["label"]:
        zh = "它的回答标成了差的（label 是 false）：不用来模仿"
        raise BadRow(zh, "its answer is marked as bad (label false): it is not imitated")
    return _chat(raw)


def _kto(raw: dict) -> Judged:
    chat = _chat(raw)
    return Judged(chat.messages, raw["label"], chat.tools)


def _alpaca(raw: dict) -> Chat:
    """`instruction` and `input` make the question; LLaMA-Factory's `system` and `history` come before it."""
    instruction, extra, output = (_string(raw, key) for key in ("instruction", "input", "output"))
    if not output.strip():
        raise BadRow("'output' 缺失或是空的", "'output' is missing or empty")
    turns = [{"role": "system", "content": raw["system"]}] if raw.get("system") else []
    for pair in raw.get("history") or []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadRow("'history' 应该是列表，每项是 [问题, 回答]", "'history' must be a list of [question, answer]")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    turns.append({"role": "user", "content": "\n".join(part for part in (instruction, extra) if part)})
    return Chat(_messages([*turns, {"role": "assistant", "content": output}])[0])


def _question(raw: dict) -> Chat:
    question, answer = _string(raw, "question"), _string(raw, "answer")
    if not answer.strip():
        raise BadRow("'answer' 缺失或是空的", "'answer' is missing or empty")
    return Chat(_messages([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])[0])


def _question_task(raw: dict) -> Task:
    """GSM8K: the number after `####` is what is checked; without one the whole answer is."""
    chat = _question(raw)
    answer = raw["answer"].rpartition("####")[2].strip()
    return Task(chat.messages[:-1], [answer])


def _task(raw: dict) -> Task:
    """MiniMind rlaif and agent_rl: the last assistant turn is a placeholder and is dropped; `gt` is the truth."""
    messages, tools = _conversation(raw, placeholder=True)
    if not any(m["role"] == "user" for m in messages):
        raise BadRow("没有 user 的消息：没有要回答的问题", "no user turn: there is nothing to answer")
    truth = raw.get("gt")
    truths = truth if isinstance(truth, list) else [] if truth is None else [truth]
    return Task(messages, [str(t) for t in truths], tools)


def _preference(raw: dict) -> Preference:
    for key in ("chosen", "rejected"):
        if not raw.get(key):
            raise BadRow(f"'{key}' 缺失或是空的", f"'{key}' is missing or empty")
    prompt = _turns(raw["prompt"], "user", "prompt") if raw.get("prompt") else []
    chosen, tools = _messages(prompt + _turns(raw["chosen"], "assistant", "chosen"), raw.get("tools"))
    rejected, _ = _messages(prompt + _turns(raw["rejected"], "assistant", "rejected"))
    if chosen == rejected:
        zh = "'chosen' 和 'rejected' 相同：没有可以学的内容"
        raise BadRow(zh, "'chosen' equals 'rejected': there is nothing to learn from it")
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    if not same:
        zh = "没有提示：既没有 'prompt'，'chosen' 和 'rejected' 的开头也没有相同的消息"
        raise BadRow(zh, "no prompt: neither 'prompt' nor first turns that 'chosen' and 'rejected' share")
    if not all(side[same:] and side[same]["role"] == "assistant" for side in (chosen, rejected)):
        zh = "'chosen' 和 'rejected' 的第一处不同应该在 assistant 的消息里"
        raise BadRow(zh, "'chosen' and 'rejected' must differ first in an assistant turn")
    return Preference(chosen[:same], chosen[same:], rejected[same:], tools)


def _turns(value: Any, role: str, key: str) -> list:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, list):
        zh = f"'{key}' 应该是消息列表或字符串，但它{_a(value)}"
        raise BadRow(zh, f"'{key}' must be a list of messages or a string, it is {_a(value)}")
    return turns


def _conversation(raw: dict, placeholder: bool = False) -> tuple[list[Message], list[dict] | None]:
    """The messages and tools of a MiniMind, ShareGPT or OpenAI row; `placeholder`: without its last assistant turn."""
    key = "conversations" if "conversations" in raw else "messages"
    turns = raw[key]
    if not isinstance(turns, list) or not turns:
        zh = f"'{key}' 应该是消息列表，至少有一条，但它{_a(turns)}"
        raise BadRow(zh, f"'{key}' must be a list of messages, it is {_a(turns)}")
    if raw.get("system") and key == "conversations":  # ShareGPT keeps the system prompt beside the turns
        turns = [{"role": "system", "content": raw["system"]}, *turns]
    if placeholder and isinstance(turns[-1], dict) and _role(turns[-1]) == "assistant":
        turns = turns[:-1]
    return _messages(turns, raw.get("tools"))


def _messages(turns: list, tools: Any = None) -> tuple[list[Message], list[dict] | None]:
    """Turns of any spelling as OpenAI messages, with the tools that stood on them (MiniMind) or beside them."""
    try:
        messages, found = normalise_messages([_turn(turn) for turn in turns], tools or None)
    except UserError as error:
        raise BadRow(str(error), str(error)) from None
    for message in messages:
        if message["role"] == "assistant":
            _think(message)
    return messages, [t if "function" in t else {"type": "function", "function": t} for t in found or []] or None


def _turn(turn: Any) -> Any:
    """ShareGPT's spelling, other names of roles, and a tool's JSON result put into OpenAI's form; the rest stays."""
    if not isinstance(turn, dict):
        return turn
    role = turn.get("role", turn.get("from"))
    content = turn["content"] if "content" in turn else turn.get("value")
    if role in CALLS:  # the call is the whole turn
        return {"role": "assistant", "content": "", "tool_calls": content}
    if isinstance(content, dict):
        content = json.dumps(content, ensure_ascii=False)
    return {**turn, "role": _role(turn), "content": content}


def _role(turn: dict) -> Any:
    role = turn.get("role", turn.get("from"))
    return ROLES.get(role.strip().lower(), role) if isinstance(role, str) else role


def _think(message: Message) -> None:
    """`<think>…</think>` written into the content becomes `reasoning_content`; an empty one is left out."""
    content = message["content"]
    if content.startswith("<think>") and "</think>" in content:
        inside, _, rest = content[len("<think>") :].partition("</think>")
        message["content"] = rest.lstrip("\n")
        if inside.strip() and "reasoning_content" not in message:
            message["reasoning_content"] = inside.strip("\n")


def _string(raw: dict, key: str) -> str:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRow(f"'{key}' 应该是字符串，但它{_a(value)}", f"'{key}' must be a string, it is {_a(value)}")
    return value or ""


def _a(value: Any) -> str:
    """What a value is, as the end of a sentence."""
    names: dict[type, tuple[str, str]] = {
        dict: ("是对象", "an object"),
        list: ("是列表" if value else "是空列表", "a list"),
        str: ("是字符串", "a string"),
        bool: ("是 true/false", "true/false"),
        type(None): ("是 null", "missing"),
    }
    return say(*names.get(type(value), ("是数字", "a number")))


_TYPES: dict[str, type] = {"text": Text, "chat": Chat, "preference": Preference, "judged": Judged, "task": Task}
_READERS: dict[str, dict[str, Any]] = {
    "text": {"text": _text},
    "chat": {
        "minimind": _chat, "sharegpt": _chat, "openai": _chat, "kto": _kto_chat,
        "alpaca": _alpaca, "question-answer": _question,
    },
    "preference": {"preference": _preference},
    "judged": {"kto": _kto},
    "task": {"minimind": _task, "sharegpt": _task, "openai": _task, "question-answer": _question_task},
}  # fmt: skip
