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
from fledge.lang import _, commas

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
        raise UserError(_("A conversation must be a list of messages, not {kind}.").format(kind=kind))
    if not messages:
        raise UserError(_("A conversation must have at least one message; this one is empty."))
    all_tools = list(_objects(tools, "Tools")) if tools else []
    out = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            kind = type(message).__name__
            raise UserError(
                _("Message {number} must be an object with role and content, not {kind}.").format(
                    number=number, kind=kind
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
                        _("Message {number}: reasoning_content must be text, not {kind}.").format(
                            number=number, kind=kind
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
        return _("Message {number} has no role; use one of {roles}.").format(number=number, roles=commas(ROLES))
    near = suggest(str(role), ROLES)
    return _("Message {number} has the unknown role {role!r}; use one of {roles}.{near}").format(
        number=number, role=role, roles=commas(ROLES), near=near
    )


def _place(number: int, key: str) -> str:
    return _("Message {number}: {key}").format(number=number, key=key)


def _content(message: Mapping[str, Any], number: int) -> str:
    """Return the text of a message; only an assistant that thinks or calls a tool may say nothing."""
    content = message.get("content")
    if content is None:
        if message["role"] == "assistant" and (message.get("tool_calls") or message.get("reasoning_content")):
            return ""
        raise UserError(
            _("Message {number} (role {role}) has no content; give it a text.").format(
                number=number, role=message["role"]
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
                    _("Message {number}: only text content can be used here, not a part of type {kind!r}.").format(
                        number=number, kind=kind
                    )
                )
            parts.append(part["text"])
        return "".join(parts)
    kind = type(content).__name__
    raise UserError(_("Message {number}: content must be text, not {kind}.").format(number=number, kind=kind))


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Return a list of objects that may have come as a JSON string; one object alone counts as a list of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UserError(
                _("{where} is a string that is not JSON ({error}).").format(where=where, error=error)
            ) from None
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, Mapping) for v in value):
        raise UserError(_("{where} must be a list of JSON objects.").format(where=where))
    return [dict(item) for item in value]


def _tool_call(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    function = call.get("function", call)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise UserError(_("Message {number}: a tool call must have a function name.").format(number=number))
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except ValueError:
            name = function["name"]
            raise UserError(
                _("Message {number}: the arguments of the call to {name!r} are not valid JSON.").format(
                    number=number, name=name
                )
            ) from None
    return {
        **({"id": call["id"]} if "id" in call else {}),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def split_thinking(text: str) -> tuple[str, str]:
    """(what a model thought, what it answered): `<think>…</think>` at the beginning of its text, whose first tag may already stand
    in the prompt. A tag that is never closed holds everything: the model ran out of room, and there is no answer."""
    inside, closed, rest = text.partition("</think>")
    opened = inside.lstrip().startswith("<think>")
    if not opened and (not closed or "<think>" in inside):
        return "", text
    return inside.lstrip().removeprefix("<think>").strip(), rest.strip() if closed else ""
