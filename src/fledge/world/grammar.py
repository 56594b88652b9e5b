"""Templates with weighted forms and free choices, and the writer that renders them while keeping the account of bits.

A form is a line such as `3 {S} {has} [a small|a big*2] house in {o}`: the number is its weight, `{slot}` is filled by the caller,
`[a|b*2]` is a free choice (b twice as likely), `~s` is an English verb's ending. The writer cuts the text into spans, and every bit
that a choice cost lies on exactly one span: the word that was chosen, or the piece of template that shows the choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from fledge.world.draw import Draw

T = TypeVar("T")
TAGS = ("template", "choice", "name", "common", "rare", "arithmetic", "state")


@dataclass(frozen=True)
class Span:
    """Characters start..end of a text: the kind of knowledge that predicts them, and the bits that even full knowledge costs."""

    start: int
    end: int
    tag: str
    bits: float


class Word:
    """A filled slot. What choosing it cost is spent where it, or another form of it, is first written."""

    def __init__(self, text: str, tag: str, bits: float = 0.0, cost: list[float] | None = None) -> None:
        self.text, self.tag = text, tag
        self._cost = [bits] if cost is None else cost

    def like(self, text: str) -> Word:
        """The same choice in another form ("her" for "Mia"): whichever is written first carries the bits."""
        return Word(text, self.tag, cost=self._cost)

    def spend(self) -> float:
        bits, self._cost[0] = self._cost[0], 0.0
        return bits


Value = Word | str | Callable[[], None]  # what fills a slot


@dataclass(frozen=True)
class Slot:
    name: str


@dataclass(frozen=True)
class Choice:
    options: tuple[str, ...]
    weights: tuple[int, ...]


Template = tuple[str | Slot | Choice, ...]
_PIECES = re.compile(r"\{(\w+)\}|\[([^\]]*)\]|(~e?s)")


@dataclass(frozen=True)
class Forms:
    """Ways to say one thing, with whole-number weights."""

    templates: tuple[Template, ...]
    weights: tuple[int, ...]


@cache
def template(text: str) -> Template:
    """Compile one form (without its weight)."""
    parts: list[str | Slot | Choice] = []
    at = 0
    for match in _PIECES.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        slot, choice, ending = match.groups()
        parts.append(Slot(slot or ending) if choice is None else _choice(choice))
        at = match.end()
    return (*parts, text[at:]) if at < len(text) else tuple(parts)


def _choice(text: str) -> Choice:
    split = [option.rsplit("*", 1) for option in text.split("|")]
    options = tuple(o[0] for o in split)
    assert len(set(options)) == len(options), f"a choice offers one string twice: {text}"
    return Choice(options, tuple(int(o[1]) if len(o) == 2 else 1 for o in split))


@cache
def forms(text: str) -> Forms:
    """Compile lines of `weight form`. A `_` stands for a space (at the end of a form, where none is seen)."""
    lines = [line.strip().split(" ", 1) for line in text.strip().splitlines()]
    bodies = [body for _, body in lines]
    assert len(set(bodies)) == len(bodies), f"a form is given twice in: {text}"
    return Forms(tuple(template(body.replace("_", " ")) for body in bodies), tuple(int(w) for w, _ in lines))


class Writer:
    """Writes one document from a Draw."""

    def __init__(self, draw: Draw, lang: str) -> None:
        self.draw = draw
        self.lang = lang
        self._pieces: list[tuple[str, str, float]] = []
        self._spent = 0.0  # bits of the draw that already belong to a word or a span
        self._opening = 0.0

    def opened(self) -> None:
        """What was drawn so far (the language, the kind of text) shows at the very first span, whatever that is."""
        self._opening, self._spent = self.draw.bits, self.draw.bits

    def pick(self, options: Sequence[T], weights: Sequence[int] | None = None) -> tuple[T, float]:
        """An option and its bits, which the caller gives to the Word that shows it."""
        before = self.draw.bits
        option = self.draw.choose(options, weights)
        self._spent += self.draw.bits - before
        return option, self.draw.bits - before

    def add(self, text: str, tag: str = "template") -> None:
        """Write text of the template or of a free choice; it takes all bits that are not on a word yet."""
        if text:
            self._emit(text, tag, self.draw.bits - self._spent)
            self._spent = self.draw.bits

    def word(self, word: Word) -> None:
        """Write a slot's word with its own bits only."""
        self._emit(word.text, word.tag, word.spend())

    def say(self, form: Forms | str, slots: Mapping[str, Value] | None = None, **more: Value) -> None:
        """Draw one of the forms (a string is the only form) and write it. A slot's function writes the slot itself."""
        parts = template(form) if isinstance(form, str) else self.draw.choose(form.templates, form.weights)
        values: dict[str, Value] = {**(slots or {}), **more}
        for part in parts:
            if isinstance(part, str):
                self.add(part)
            elif isinstance(part, Choice):
                self.add(self.draw.choose(part.options, part.weights), "choice")
            elif isinstance(value := values[part.name], Word):
                self.word(value)
            elif callable(value):
                value()
            else:
                self.add(value)

    def _emit(self, text: str, tag: str, bits: float) -> None:
        bits, self._opening = bits + self._opening, 0.0
        if self._pieces and self._pieces[-1][1] == tag == "template":
            last = self._pieces.pop()
            self._pieces.append((last[0] + text, tag, last[2] + bits))
        else:
            self._pieces.append((text, tag, bits))

    def finish(self) -> tuple[str, tuple[Span, ...]]:
        """The text and its spans. Bits that only the end of the text shows lie on the last span."""
        text, tag, bits = self._pieces.pop()
        self._pieces.append((text, tag, bits + self.draw.bits - self._spent))
        spans, at = [], 0
        for text, tag, bits in self._pieces:
            spans.append(Span(at, at + len(text), tag, bits))
            at += len(text)
        return "".join(piece[0] for piece in self._pieces), tuple(spans)
