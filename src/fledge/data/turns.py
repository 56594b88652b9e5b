"""The turns of a conversation: every spelling that files have, as OpenAI messages.

Messages come out with `role` (system, user, assistant, tool), `content`, and where there is one `reasoning_content` and
`tool_calls`. What is none raises `BadRow` with the reason.
"""

from __future__ import annotations

import json
from typing import Any

from fledge.errors import UserError
from fledge.lang import _
from fledge.tokenizer.messages import normalise_messages

Message = dict[str, Any]

ROLES = {  # other spellings of a role, as files in the wild have them
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool", "function_response": "tool",
}  # fmt: skip
CALLS = ("function_call", "tool_call")  # ShareGPT's role of a turn that is a tool call


class BadRow(ValueError):
    """This row cannot be read; the message, in the user's language, is the reason that the quarantine file shows."""


def turns_of(value: Any, role: str, key: str) -> list:
    """A list of turns as it is; a string, or one turn, as a list of one."""
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, list):
        raise BadRow(
            _("'{key}' must be a list of messages or a string, it is {what}").format(key=key, what=what(value)),
        )
    return turns


def conversation(raw: dict, placeholder: bool = False) -> tuple[list[Message], list[dict] | None]:
    """The messages and tools of a MiniMind, ShareGPT or OpenAI row; `placeholder`: without its last assistant turn."""
    key = "conversations" if "conversations" in raw else "messages"
    turns = raw[key]
    if not isinstance(turns, list) or not turns:
        raise BadRow(
            _("'{key}' must be a list of messages, it is {what}").format(key=key, what=what(turns)),
        )
    if raw.get("system") and key == "conversations":  # ShareGPT keeps the system prompt beside the turns
        turns = [{"role": "system", "content": raw["system"]}, *turns]
    if placeholder and isinstance(turns[-1], dict) and _role(turns[-1]) == "assistant":
        turns = turns[:-1]
    return messages_of(turns, raw.get("tools"))


def messages_of(turns: list, tools: Any = None) -> tuple[list[Message], list[dict] | None]:
    """Turns of any spelling as OpenAI messages, with the tools that stood on them (MiniMind) or beside them."""
    try:
        messages, found = normalise_messages([_turn(turn) for turn in turns], tools or None)
    except UserError as error:
        raise BadRow(str(error)) from None
    for message in messages:
        if message["role"] == "assistant":
            _think(message)
    return messages, [t if "function" in t else {"type": "function", "function": t} for t in found or []] or None


def answered(messages: list[Message]) -> list[Message]:
    """The messages, if every question and every answer says something: a blank answer would be learned."""
    if not any(message["role"] == "assistant" for message in messages):
        raise BadRow(_("no assistant turn: there is nothing to learn from it"))
    for number, message in enumerate(messages, 1):
        if message["role"] == "assistant" and not message["content"].strip() and "tool_calls" not in message:
            raise BadRow(_("the answer in message {number} is blank").format(number=number))
    return asked(messages)


def asked(messages: list[Message]) -> list[Message]:
    """The messages, if no message of the user is blank."""
    for number, message in enumerate(messages, 1):
        if message["role"] == "user" and not message["content"].strip():
            raise BadRow(_("the question in message {number} is blank").format(number=number))
    return messages


def what(value: Any) -> str:
    """What a value is, as the end of a sentence."""
    names: dict[type, str] = {
        dict: _("an object"),
        list: _("a list") if value else _("an empty list"),
        str: _("a string"),
        bool: "true/false",
        type(None): _("missing"),
    }
    return names.get(type(value), _("a number"))


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
