"""Tools between a model's turns: what it calls is read from its tokens' text, run, and its result written after them.

A call is `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as the chat template writes it and Qwen3 and Hermes learn it.
What cannot be read or run gives a result too, one that says what was wrong: to recover from it is part of the task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fledge.data.turns import Message
from fledge.errors import UserError
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer
    from fledge.world.facts import World

Toolbox = Callable[[str, dict[str, Any]], str]
"""(name of a tool, its arguments) -> its result as text. It never raises for a bad call."""

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


def calls_in(text: str) -> list[dict[str, Any] | str]:
    """The tool calls of a turn in order: {"name", "arguments"}, or why one cannot be read (in English: a model reads it)."""
    return [_call(match[1]) for match in _CALL.finditer(text)]


def _call(text: str) -> dict[str, Any] | str:
    try:
        call = json.loads(text)
    except ValueError as error:
        return f"the call is not JSON: {error}"
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return "a call needs a name"
    if not isinstance(call.get("arguments", {}), dict):
        return "arguments must be an object"
    return {"name": call["name"], "arguments": call.get("arguments", {})}


def results_of(text: str, toolbox: Toolbox) -> list[Message]:
    """The tool turns that answer a turn of the assistant; [] when it calls nothing."""
    found = calls_in(text)
    outputs = [
        json.dumps({"error": call}) if isinstance(call, str) else toolbox(call["name"], call["arguments"])
        for call in found
    ]
    return [{"role": "tool", "content": output} for output in outputs]


def world_toolbox(world: World) -> Toolbox:
    """The tools of the world: calc (MiniMind's data call it calculate_math), price, where. They answer in the language of the
    names that they are asked about."""
    from fledge.world.tools import run_tool

    def run(name: str, arguments: dict[str, Any]) -> str:
        name = "calc" if name == "calculate_math" else name
        chinese = any(0x3400 <= ord(letter) <= 0x9FFF for value in arguments.values() for letter in str(value))
        return run_tool(world, name, arguments, "zh" if chinese else "en")

    return run


def ids_after(tokenizer: Tokenizer, turns: list[Message]) -> list[int]:
    """What the template writes between an assistant's end token and its next turn, when `turns` (of tools) come between.

    The assistant's own tokens are not among it, so an episode grows without a token of it being made again.
    """
    before: list[Message] = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "."}]
    ids, own = tokenizer.render_ids(before)
    longer = tokenizer.prompt_ids([*before, *turns])
    end = len(own) - own[::-1].index(True)  # behind the end token of the assistant's turn
    if longer[:end] != ids[:end]:
        raise UserError(
            _("The chat template rewrites earlier turns when a tool answers: episodes with tools cannot grow with it.")
        )
    return longer[end:]
