"""From a conversation to text of which is known what the template wrote, what a user, and what the assistant will learn.

Two things must be exact. *Which tokens are learned*: the template marks what the assistant writes with
`{% generation %}`, and the marks travel through the rendering as two characters that no text contains, so the spans are
never searched for afterwards. *Who wrote a control token*: `<|im_end|>` ends a turn when the template writes it and is
eleven harmless characters when a user does; the user's are replaced by a code before rendering and put back after the
text has been cut at the template's.

The three characters are Unicode noncharacters (U+FDD0…): legal in a string, reserved for use inside one program. Should
a user's text hold them all the same, they are coded too, so it still comes back exactly.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fledge.errors import UserError
from fledge.lang import _

OPEN, CLOSE, CODE = "\ufdd0", "\ufdd1", "\ufdd2"  # span begins, span ends, coded text on both sides
GENERATION_TAG = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_MARKS = re.compile(f"[{OPEN}{CLOSE}]")
_CODED = re.compile(f"{CODE}([0-9]+){CODE}")


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`: the tag with which transformers marks what the assistant writes."""

    tags = {"generation"}  # noqa: RUF012 (jinja2's own interface)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

    def _mark(self, caller: Macro) -> str:
        return OPEN + caller() + CLOSE


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)


@lru_cache(maxsize=16)
def compile_template(source: str) -> jinja2.Template:
    """Compile a chat template with the settings of transformers; code from elsewhere, so it runs in a sandbox."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now)
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise UserError(
            _("The chat template has an error in line {line}: {message}.").format(
                line=error.lineno, message=error.message
            )
        ) from None


class Renderer:
    """A chat template and the control tokens it may write.

    `constants`: what every template may read beside the messages (`bos_token`, `eos_token`, …). `end`: the token that
    closes an assistant's turn. `special_tokens`: the control tokens that a user's text must not be able to write.
    """

    def __init__(self, source: str, special_tokens: list[str], end: str, constants: dict[str, str]):
        self.source = source
        self.end = end
        self.constants = constants
        self.has_generation_tag = bool(GENERATION_TAG.search(source))
        longest_first = sorted(special_tokens, key=len, reverse=True)
        self._forbidden = re.compile("|".join([f"[{OPEN}{CLOSE}{CODE}]", *map(re.escape, longest_first)]))

    def text(self, messages: list[dict], tools: list[dict] | None, prompt: bool, thinking: bool) -> str:
        """Return the conversation as the template writes it."""
        coded: list[str] = []
        rendered = self._render(self._encode(messages, coded), self._encode(tools, coded), prompt, thinking)
        return decode(_MARKS.sub("", rendered), coded)

    def prompt(self, messages: list[dict], tools: list[dict] | None, thinking: bool) -> tuple[list[str], list[str]]:
        """Return `(pieces, coded)` of the conversation so far and the header that asks for an answer.

        The pieces are cut where a tagged span begins or ends, exactly as in `spans`, so that the ids of a prompt are
        always the beginning of the ids of the conversation that follows from it.
        """
        coded: list[str] = []
        messages, tools = self._encode(messages, coded), self._encode(tools, coded)
        rendered = self._render(messages, tools, True, thinking)
        if not thinking and not self.has_generation_tag and messages[-1]["role"] != "assistant":
            # MiniMind v2.5's offers an empty think block that its answers never have: what was not trained is not asked.
            answered = self._render([*messages, {"role": "assistant", "content": "a"}], tools, False, None)
            if not answered.startswith(rendered):
                rendered = self._render(messages, tools, True, None)
        return _MARKS.split(rendered), coded

    def spans(self, messages: list[dict], tools: list[dict] | None) -> tuple[list[tuple[str, bool]], list[str]]:
        """Return `(pieces, coded)`: the rendered text cut into (text, does the assistant write it?), and the user's
        control strings, which stand in the text as codes (see `decode`)."""
        coded: list[str] = []
        messages, tools = self._encode(messages, coded), self._encode(tools, coded)
        rendered = self._render(messages, tools, False, False)
        if self.has_generation_tag:  # spans do not nest: the odd pieces are the assistant's
            return [(piece, i % 2 == 1) for i, piece in enumerate(_MARKS.split(rendered))], coded
        return self._spans_by_prefix(rendered, messages, tools), coded

    def _spans_by_prefix(self, rendered: str, messages: list, tools: Any) -> list[tuple[str, bool]]:
        """Find the spans of a template without generation tags: a turn begins where the prompt for it ends.

        That holds only if the template writes earlier turns the same whatever follows them; it is checked, and a
        template that does not keep it is refused. A turn ends with the first end-of-turn token after its beginning
        (a user's own is coded, so it cannot be mistaken for it). Of the headers that fit (with thinking, without), the
        longest is the prompt, so that Qwen3's empty think block, which the prompt already holds, is not learned.
        """
        pieces, at = [], 0
        for i, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            ways = (None, False, True) if i else ()
            prompts = [self._render(messages[:i], tools, True, thinking) for thinking in ways]
            fits = [len(prompt) for prompt in prompts if rendered.startswith(prompt)]
            end = rendered.find(self.end, max(fits)) if fits else -1
            if end < 0:
                raise UserError(
                    _(
                        "The chat template has no {{% generation %}} tags, and what the assistant writes in message "
                        "{number} cannot be told exactly from prefixes of the conversation; "
                        "add the tags to chat_template.jinja."
                    ).format(number=i + 1)
                )
            start, end = max(fits), end + len(self.end)
            pieces += [(rendered[at:start], False), (rendered[start:end], True)]
            at = end
        return [*pieces, (rendered[at:], False)]

    def _encode(self, value: Any, coded: list[str]) -> Any:
        """Replace control strings in every text of `value` by codes; `coded` collects what they stand for."""
        if isinstance(value, str):
            if not self._forbidden.search(value):
                return value

            def code(match: re.Match[str]) -> str:
                coded.append(match[0])
                return f"{CODE}{len(coded) - 1}{CODE}"

            return self._forbidden.sub(code, value)
        if isinstance(value, dict):
            return {self._encode(key, coded): self._encode(item, coded) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._encode(item, coded) for item in value]
        return value

    def _render(self, messages: Any, tools: Any, prompt: bool, thinking: bool | None) -> str:
        values = {**self.constants, "messages": messages, "tools": tools, "add_generation_prompt": prompt}
        if thinking is not None:
            values |= {"enable_thinking": thinking, "open_thinking": thinking}  # as Qwen3 and as MiniMind call it
        try:
            return compile_template(self.source).render(values)
        except jinja2.TemplateError as error:
            raise UserError(_("The chat template refuses this conversation: {error}").format(error=error)) from None


def decode(text: str, coded: list[str]) -> str:
    """Put the user's control strings back in the place of their codes."""
    return _CODED.sub(lambda match: coded[int(match[1])], text) if coded else text
