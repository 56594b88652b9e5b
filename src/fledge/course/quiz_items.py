"""The items of a quiz, and how they are read from a topic's `quiz.yaml`: every mistake in it is named with its item."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from fledge.book import Topic
from fledge.course.sources import read_yaml
from fledge.errors import UserError, suggest
from fledge.lang import Text, say

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
                say(
                    f"{self.topic.name} 的测验里没有题目 '{name}'。",
                    f"the quiz of {self.topic.name} has no item '{name}'.",
                )
                + (suggest(name, names) or say(f"题目有：{', '.join(names)}", f" There are: {', '.join(names)}"))
            )
        return self.items[names.index(name)]


def has_quiz(topic: Topic) -> bool:
    return (topic.path / "quiz.yaml").is_file()


def load(topic: Topic) -> Quiz:
    """The quiz of a topic; UserError names the item and what is wrong with it."""
    try:
        return _load(topic, (topic.path / "quiz.yaml").stat().st_mtime_ns)
    except FileNotFoundError:
        raise UserError(say(f"{topic.name} 还没有测验。", f"{topic.name} has no quiz yet.")) from None


@functools.cache
def _load(topic: Topic, changed: int) -> Quiz:
    """`changed` is a key: the file is read again when it is another one."""
    path = topic.path / "quiz.yaml"
    rows = read_yaml(path)
    if not isinstance(rows, list) or not rows:
        raise UserError(
            say(f"'{path}' 里不是题目的列表：每道题要以 `- id: …` 开头。", f"'{path}' holds no list of items.")
        )
    file = path.as_posix()
    return Quiz(
        topic,
        tuple(_item(row, say(f"'{file}' 第 {n} 题", f"'{file}', item {n}")) for n, row in enumerate(rows, start=1)),
    )


def _item(row: Any, where: str) -> Item:
    _only(row, where, "id kind question options answer tolerance why traps items")
    name = row.get("id")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UserError(
            say(
                f"{where}：'id' 要写成小写英文单词，用连字符连接，现在是 {name!r}。",
                f"{where}: 'id' must be words in lower case with hyphens, not {name!r}.",
            )
        )
    where = say(f"{where}（{name}）", f"{where} ({name})")
    kind = row.get("kind")
    if kind not in KINDS:
        raise UserError(
            say(
                f"{where}：'kind' 只能是 {'、'.join(KINDS)} 之一，现在是 {kind!r}。",
                f"{where}: 'kind' must be one of {', '.join(KINDS)}, not {kind!r}.",
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
                say(
                    f"{where}：'items' 里要有 3 到 6 样东西来排序，现在有 {len(texts)} 样。",
                    f"{where}: 'items' must hold 3 to 6 things to order, not {len(texts)}.",
                )
            )
        options = tuple(Option(_text(text, _field(where, "items")), why, True, None) for text in texts)
        return Item(name, kind, question, options, why=why)
    answer, tolerance = (_number(row.get(key), _field(where, key)) for key in ("answer", "tolerance"))
    traps = []
    for number, trap in enumerate(_list(row.get("traps"), _field(where, "traps")), start=1):
        here = say(f"{where}第 {number} 个陷阱", f"{where}, trap {number}")
        _only(trap, here, "value why lab")
        value = _number(trap.get("value"), _field(here, "value"))
        if abs(value - answer) <= tolerance:
            raise UserError(
                say(
                    f"{here}：{value} 在答案的误差范围之内，会被判为对，要换一个数。",
                    f"{here}: {value} is within the tolerance of the answer, so it would be right.",
                )
            )
        traps.append(Trap(value, _text(trap.get("why"), _field(here, "why")), _lab(trap, here)))
    return Item(name, kind, question, answer=answer, tolerance=tolerance, traps=tuple(traps), why=why)


def _options(rows: Any, kind: str, where: str) -> tuple[Option, ...]:
    options = []
    for number, row in enumerate(_list(rows, _field(where, "options")), start=1):
        here = say(f"{where}第 {number} 个选项", f"{where}, option {number}")
        _only(row, here, "zh en correct why lab")
        correct = row.get("correct", False)
        if not isinstance(correct, bool):
            raise UserError(
                say(
                    f"{here}：'correct' 只能是 true 或 false，现在是 {correct!r}。",
                    f"{here}: 'correct' must be true or false, not {correct!r}.",
                )
            )
        text = _text({key: row.get(key) for key in ("zh", "en")}, here)
        options.append(Option(text, _text(row.get("why"), _field(here, "why")), correct, _lab(row, here)))
    right = sum(option.correct for option in options)
    if not 2 <= len(options) <= len(LETTERS):
        raise UserError(
            say(
                f"{where}：要有 2 到 {len(LETTERS)} 个选项，现在有 {len(options)} 个。",
                f"{where}: there must be 2 to {len(LETTERS)} options, not {len(options)}.",
            )
        )
    if kind == "single" and right != 1:
        raise UserError(
            say(
                f"{where}：单选题要有且只有一个正确的选项，现在有 {right} 个。",
                f"{where}: exactly one option must be correct, not {right}.",
            )
        )
    if not 1 <= right < len(options):
        raise UserError(
            say(
                f"{where}：正确的选项和错误的选项都至少要有一个。",
                f"{where}: at least one option must be correct and one wrong.",
            )
        )
    return tuple(options)


def _field(where: str, key: str) -> str:
    return say(f"{where}的 '{key}'", f"{where}: '{key}'")


def _only(row: Any, where: str, names: str) -> None:
    if not isinstance(row, dict):
        raise UserError(
            say(f"{where}：要写成一行行 `key: value` 的样子。", f"{where} is no list of `key: value` pairs.")
        )
    for key in row:
        if key not in names.split():
            raise UserError(
                say(f"{where}：不认识 '{key}'，改掉或删掉它。", f"{where} has a key '{key}' that means nothing.")
                + suggest(str(key), names.split())
            )


def _text(value: Any, where: str) -> Text:
    if not isinstance(value, dict) or set(value) != {"zh", "en"}:
        raise UserError(
            say(
                f"{where}：要有中文和英文两种文字，写成 {{zh: …, en: …}}。",
                f"{where} needs a text in both languages: {{zh: …, en: …}}.",
            )
        )
    for language, text in value.items():
        if not isinstance(text, (str, int, float)) or isinstance(text, bool) or not str(text).strip():
            raise UserError(say(f"{where}：'{language}' 里没有文字。", f"{where} has no text in '{language}'."))
    return Text(str(value["zh"]).strip(), str(value["en"]).strip())


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise UserError(say(f"{where}：要写成列表，至少有一项。", f"{where} must be a list."))
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, str):  # YAML reads 1e-6 as a string
        value = parse_number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(say(f"{where}：应该是一个数。", f"{where} must be a number."))
    return float(value)


def _lab(row: dict[str, Any], where: str) -> str | None:
    lab = row.get("lab")
    if lab is not None and not isinstance(lab, str):
        raise UserError(
            say(
                f"{where}：'lab' 应该是实验的名字，现在是 {lab!r}。",
                f"{where}: 'lab' must be the name of a lab, not {lab!r}.",
            )
        )
    return lab


def parse_number(said: str) -> float | None:
    """2, 0.5, 1e-3 or 1/3; None when it is no finite number."""
    top, slash, bottom = said.partition("/")
    try:
        value = float(top) / float(bottom) if slash else float(top)
    except (ValueError, ZeroDivisionError):
        return None
    return value if value - value == 0 else None
