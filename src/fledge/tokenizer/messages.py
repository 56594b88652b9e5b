"""One form for conversations: OpenAI's message dicts, checked, whatever schema they came in.

Accepted: tools and tool calls as lists (OpenAI) or as JSON strings (MiniMind v3), arguments as an object or a JSON
string, tools on the system message (`tools` in MiniMind v3, `functions` in v2.5), content as text or as a list of text
parts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lang import say

ROLES = ("system", "user", "assistant", "tool")


def normalise_messages(
    messages: Sequence[Mapping[str, Any]], tools: str | Sequence[Mapping[str, Any]] | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Return `(messages, tools)` in one form; the input is not changed.

    Every message has `role` and `content` (a string); an assistant's may have `reasoning_content` (a string) and
    `tool_calls` (a list of `{"type": "function", "function": {"name", "arguments": dict}}`). Tools found on a message
    are added to `tools`; no tools is None. Raises UserError naming the message (counted from 1) and what is wrong.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        kind = type(messages).__name__
        raise UserError(
            say(f"对话应该是一个消息列表，不是 {kind}。", f"A conversation must be a list of messages, not {kind}.")
        )
    if not messages:
        raise UserError(
            say("对话是空的：至少要有一条消息。", "A conversation must have at least one message; this one is empty.")
        )
    all_tools = list(_objects(tools, "Tools")) if tools else []
    out = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            kind = type(message).__name__
            raise UserError(
                say(
                    f"第 {number} 条消息应该是带 role 和 content 的对象，不是 {kind}。",
                    f"Message {number} must be an object with role and content, not {kind}.",
                )
            )
        role = message.get("role")
        if role not in ROLES:
            raise UserError(_unknown_role(role, number))
        clean: dict[str, Any] = {"role": role, "content": _content(message, number)}
        if role == "assistant":
            reasoning = message.get("reasoning_content")
            if reasoning:
                if not isinstance(reasoning, str):
                    kind = type(reasoning).__name__
                    raise UserError(
                        say(
                            f"第 {number} 条消息的 reasoning_content 应该是文字，不是 {kind}。",
                            f"Message {number}: reasoning_content must be text, not {kind}.",
                        )
                    )
                clean["reasoning_content"] = reasoning
            if message.get("tool_calls"):
                calls = _objects(message["tool_calls"], _place(number, "tool_calls"))
                clean["tool_calls"] = [_tool_call(call, number) for call in calls]
        for key in ("tools", "functions"):
            if message.get(key):
                all_tools += _objects(message[key], _place(number, key))
        for key in ("name", "tool_call_id"):  # our template ignores them; a foreign one may print them
            if isinstance(message.get(key), str):
                clean[key] = message[key]
        out.append(clean)
    return out, all_tools or None


def _unknown_role(role: object, number: int) -> str:
    if role is None:
        return say(
            f"第 {number} 条消息没有 role；用 {'、'.join(ROLES)} 之一。",
            f"Message {number} has no role; use one of {', '.join(ROLES)}.",
        )
    near = suggest(str(role), ROLES)
    return say(
        f"第 {number} 条消息的 role 是 {role!r}，没有这个角色；用 {'、'.join(ROLES)} 之一。{near}",
        f"Message {number} has the unknown role {role!r}; use one of {', '.join(ROLES)}.{near}",
    )


def _place(number: int, key: str) -> str:
    return say(f"第 {number} 条消息的 {key}", f"Message {number}: {key}")


def _content(message: Mapping[str, Any], number: int) -> str:
    """Return the text of a message; only an assistant that thinks or calls a tool may say nothing."""
    content = message.get("content")
    if content is None:
        if message["role"] == "assistant" and (message.get("tool_calls") or message.get("reasoning_content")):
            return ""
        raise UserError(
            say(
                f"第 {number} 条消息（role 是 {message['role']}）没有 content；给它一段文字。",
                f"Message {number} (role {message['role']}) has no content; give it a text.",
            )
        )
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = []
        for part in content:
            if not (isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)):
                kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
                raise UserError(
                    say(
                        f"第 {number} 条消息的 content 里有类型为 {kind!r} 的部分；这里只能用文字。",
                        f"Message {number}: only text content can be used here, not a part of type {kind!r}.",
                    )
                )
            parts.append(part["text"])
        return "".join(parts)
    kind = type(content).__name__
    raise UserError(
        say(
            f"第 {number} 条消息的 content 应该是文字，不是 {kind}。",
            f"Message {number}: content must be text, not {kind}.",
        )
    )


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Return a list of objects that may have come as a JSON string; one object alone counts as a list of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UserError(
                say(
                    f"{where} 是字符串，但不是合法的 JSON（{error}）。",
                    f"{where} is a string that is not JSON ({error}).",
                )
            ) from None
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, Mapping) for v in value):
        raise UserError(say(f"{where} 应该是 JSON 对象的列表。", f"{where} must be a list of JSON objects."))
    return [dict(item) for item in value]


def _tool_call(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise UserError(
            say(
                f"第 {number} 条消息里的工具调用没有函数名（name）。",
                f"Message {number}: a tool call must have a function name.",
            )
        )
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except ValueError:
            name = function["name"]
            raise UserError(
                say(
                    f"第 {number} 条消息调用 {name!r} 时给的 arguments 不是合法的 JSON。",
                    f"Message {number}: the arguments of the call to {name!r} are not valid JSON.",
                )
            ) from None
    return {
        **({"id": call["id"]} if "id" in call else {}),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }
