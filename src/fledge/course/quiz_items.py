"""The items of a quiz, and how they are read from a topic's `quiz.yaml`: every mistake in it is named with its item."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from fledge.course.book import Topic
from fledge.course.sources import read_yaml
from fledge.errors import UserError, suggest
from fledge.lang import Text, _, commas

KINDS = ("single", "multiple", "numeric", "order")
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Option:
    """One thing to choose; a wrong one may name the lab that refutes it."""

    text: Text
    why: Text
    correct: bool
    lab: str | None


@dataclass(frozen=True)
class Trap:
    """A number that a misconception gives."""

    value: float
    why: Text
    lab: str | None


@dataclass(frozen=True)
class Item:
    """One question. `options`: single, multiple, and order (in the right order, all correct). `answer`, `traps`: numeric."""

    id: str
    kind: str
    question: Text
    options: tuple[Option, ...] = ()
    answer: float = 0.0
    tolerance: float = 0.0
    traps: tuple[Trap, ...] = ()
    why: Text | None = None

    @property
    def correct(self) -> list[int]:
        """Positions in the file of what is right: of an order, all of them, in order."""
        return [number for number, option in enumerate(self.options) if option.correct]


@dataclass(frozen=True)
class Quiz:
    topic: Topic
    items: tuple[Item, ...]

    def item(self, name: str) -> Item:
        names = [item.id for item in self.items]
        if name not in names:
            raise UserError(
                _("the quiz of {topic} has no item '{name}'.").format(topic=self.topic.name, name=name)
                + (suggest(name, names) or _(" There are: {names}").format(names=", ".join(names)))
            )
        return self.items[names.index(name)]


def has_quiz(topic: Topic) -> bool:
    return (topic.path / "quiz.yaml").is_file()


def load(topic: Topic) -> Quiz:
    """The quiz of a topic; UserError names the item and what is wrong with it."""
    try:
        return _load(topic, (topic.path / "quiz.yaml").stat().st_mtime_ns)
    except FileNotFoundError:
        raise UserError(_("{topic} has no quiz yet.").format(topic=topic.name)) from None


@functools.cache
def _load(topic: Topic, changed: int) -> Quiz:
    """`changed` is a key: the file is read again when it is another one."""
    path = topic.path / "quiz.yaml"
    rows = read_yaml(path)
    if not isinstance(rows, list) or not rows:
        raise UserError(_("'{path}' holds no list of items.").format(path=path))
    file = path.as_posix()
    return Quiz(
        topic,
        tuple(_item(row, _("'{file}', item {n}").format(file=file, n=n)) for n, row in enumerate(rows, start=1)),
    )


def _item(row: Any, where: str) -> Item:
    _only(row, where, "id kind question options answer tolerance why traps items")
    name = row.get("id")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UserError(
            _("{where}: 'id' must be words in lower case with hyphens, not {name!r}.").format(where=where, name=name)
        )
    where = _("{where} ({name})").format(where=where, name=name)
    kind = row.get("kind")
    if kind not in KINDS:
        raise UserError(
            _("{where}: 'kind' must be one of {kinds}, not {kind!r}.").format(
                where=where, kinds=commas(KINDS), kind=kind
            )
        )
    question = _text(row.get("question"), _field(where, "question"))
    if kind in ("single", "multiple"):
        return Item(name, kind, question, _options(row.get("options"), kind, where))
    why = _text(row.get("why"), _field(where, "why"))
    if kind == "order":
        texts = _list(row.get("items"), _field(where, "items"))
        if not 3 <= len(texts) <= 6:
            raise UserError(
                _("{where}: 'items' must hold 3 to 6 things to order, not {num_texts}.").format(
                    where=where, num_texts=len(texts)
                )
            )
        options = tuple(Option(_text(text, _field(where, "items")), why, True, None) for text in texts)
        return Item(name, kind, question, options, why=why)
    answer, tolerance = (_number(row.get(key), _field(where, key)) for key in ("answer", "tolerance"))
    traps = []
    for number, trap in enumerate(_list(row.get("traps"), _field(where, "traps")), start=1):
        here = _("{where}, trap {number}").format(where=where, number=number)
        _only(trap, here, "value why lab")
        value = _number(trap.get("value"), _field(here, "value"))
        if abs(value - answer) <= tolerance:
            raise UserError(
                _("{here}: {value} is within the tolerance of the answer, so it would be right.").format(
                    here=here, value=value
                )
            )
        traps.append(Trap(value, _text(trap.get("why"), _field(here, "why")), _lab(trap, here)))
    return Item(name, kind, question, answer=answer, tolerance=tolerance, traps=tuple(traps), why=why)


def _options(rows: Any, kind: str, where: str) -> tuple[Option, ...]:
    options = []
    for number, row in enumerate(_list(rows, _field(where, "options")), start=1):
        here = _("{where}, option {number}").format(where=where, number=number)
        _only(row, here, "zh en correct why lab")
        correct = row.get("correct", False)
        if not isinstance(correct, bool):
            raise UserError(
                _("{here}: 'correct' must be true or false, not {correct!r}.").format(here=here, correct=correct)
            )
        text = _text({key: row.get(key) for key in ("zh", "en")}, here)
        options.append(Option(text, _text(row.get("why"), _field(here, "why")), correct, _lab(row, here)))
    right = sum(option.correct for option in options)
    if not 2 <= len(options) <= len(LETTERS):
        raise UserError(
            _("{where}: there must be 2 to {num_letters} options, not {num_options}.").format(
                where=where, num_letters=len(LETTERS), num_options=len(options)
            )
        )
    if kind == "single" and right != 1:
        raise UserError(_("{where}: exactly one option must be correct, not {right}.").format(where=where, right=right))
    if not 1 <= right < len(options):
        raise UserError(_("{where}: at least one option must be correct and one wrong.").format(where=where))
    return tuple(options)


def _field(where: str, key: str) -> str:
    return _("{where}: '{key}'").format(where=where, key=key)


def _only(row: Any, where: str, names: str) -> None:
    if not isinstance(row, dict):
        raise UserError(_("{where} is no list of `key: value` pairs.").format(where=where))
    for key in row:
        if key not in names.split():
            raise UserError(
                _("{where} has a key '{key}' that means nothing.").format(where=where, key=key)
                + suggest(str(key), names.split())
            )


def _text(value: Any, where: str) -> Text:
    if not isinstance(value, dict) or set(value) != {"zh", "en"}:
        raise UserError(_("{where} needs a text in both languages: {{zh: …, en: …}}.").format(where=where))
    for language, text in value.items():
        if not isinstance(text, (str, int, float)) or isinstance(text, bool) or not str(text).strip():
            raise UserError(_("{where} has no text in '{language}'.").format(where=where, language=language))
    return Text(str(value["zh"]).strip(), str(value["en"]).strip())


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise UserError(_("{where} must be a list.").format(where=where))
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, str):  # YAML reads 1e-6 as a string
        value = parse_number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(_("{where} must be a number.").format(where=where))
    return float(value)


def _lab(row: dict[str, Any], where: str) -> str | None:
    lab = row.get("lab")
    if lab is not None and not isinstance(lab, str):
        raise UserError(_("{where}: 'lab' must be the name of a lab, not {lab!r}.").format(where=where, lab=lab))
    return lab


def parse_number(said: str) -> float | None:
    """2, 0.5, 1e-3 or 1/3; None when it is no finite number."""
    top, slash, bottom = said.partition("/")
    try:
        value = float(top) / float(bottom) if slash else float(top)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value - value == 0 else None
