"""Recipes: a task in one YAML file, with how its rows are made, the settings that suit it, and how one sees whether it worked.

A recipe takes its rows from a file that the user names, by templates of question and answer over the file's columns, or from
the small world (`made.py`). `measures.py` marks every answer from 0 to 1. `fledge recipe run` does the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fledge.data.readers import check_file, raw_rows
from fledge.data.turns import BadRow
from fledge.errors import UserError, suggest
from fledge.lang import Text, _, commas

FOLDER = Path(__file__).parent
_SLOT = re.compile(r"\{(\w+)\}")
Chat = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Recipe:
    """Attributes:
    question, answer: templates; `{column}` is what a row of the file has there. Empty for a recipe of the world.
    passage: of a text each row shows so many characters, {passage}, and as many that follow, {next}; 0: the file has columns.
    world: the function of `made.py` that makes its rows.
    fill: values for slots of the form {{name}} inside the file's own texts, which the user may change.
    measure: of `measures.py`; max_new_tokens: that an answer may have.
    settings: of `fledge train sft`.
    """

    name: str
    about: Text
    measure: str
    settings: dict[str, Any]
    question: str = ""
    answer: str = ""
    passage: int = 0
    world: str = ""
    fill: dict[str, str] = field(default_factory=dict)
    max_new_tokens: int = 32


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_recipe(name: str) -> Recipe:
    """The recipe of that name; UserError with the nearest one."""
    import yaml

    if name not in names():
        raise UserError(
            _("there is no recipe '{name}'; the recipes are {names}.{near}").format(
                name=name, names=commas(names()), near=suggest(name, names())
            )
        )
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return Recipe(name=name, **content | {"about": Text(**content["about"])})


def rows_of_file(recipe: Recipe, path: str, fill: dict[str, str]) -> list[Chat]:
    """The conversations that the recipe makes of a file's rows. UserError when the file lacks a column, or no row is usable."""
    slots = set(_SLOT.findall(recipe.question + recipe.answer))
    rows, first = [], ""
    for line, raw in _passages(path, recipe.passage) if recipe.passage else raw_rows(check_file(path), "chat"):
        if not isinstance(raw, dict):
            first = first or f"{line}: {raw if isinstance(raw, BadRow) else _('no object')}"
            continue
        if missing := slots - raw.keys():
            columns = ", ".join(list(map(str, raw))[:8])
            first = first or _("{line}: it has {columns}, and not {missing}").format(
                line=line, columns=columns, missing=", ".join(sorted(missing))
            )
            continue
        question, answer = (_said(text, raw, fill) for text in (recipe.question, recipe.answer))
        if question and answer:
            rows.append(chat(question, answer))
    if not rows:
        raise UserError(
            _("{path} has no row for the recipe '{recipe}' (line {first}).").format(
                path=path, recipe=recipe.name, first=first
            )
        )
    return rows


def _passages(path: str, length: int) -> Iterator[tuple[int, Any]]:
    """Two neighbouring pieces of a text at a time, of about `length` characters each and cut behind a word or a sentence."""
    for line, raw in raw_rows(check_file(path), "text"):
        if not (isinstance(raw, dict) and isinstance(raw.get("text"), str)):
            yield line, raw
            continue
        pieces = re.findall(rf".{{{length}}}[^\s。！？，；]{{0,40}}[\s。！？，；]?", raw["text"], re.DOTALL)
        for passage, following in zip(pieces[0::2], pieces[1::2]):
            yield line, {"passage": passage, "next": following}


def chat(question: str, answer: str) -> Chat:
    return {"conversations": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def _said(template: str, raw: dict[str, Any], fill: dict[str, str]) -> str:
    """The template with the row's values, in which the slots {{name}} are filled."""

    def value(slot: re.Match[str]) -> str:
        found = raw[slot[1]]
        text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
        for name, word in fill.items():
            text = text.replace("{{" + name + "}}", word)
        return text

    return _SLOT.sub(value, template).strip()


def split(rows: list[Chat], share: float = 0.1, most: int = 200) -> tuple[list[Chat], list[Chat]]:
    """(to train on, held out): every tenth row, so that rows in the order of their classes leave some of each; one question is on
    one side only. UserError when nothing would be left on one of them."""
    step = max(2, round(1 / share), len(rows) // most)
    held = rows[step - 1 :: step]
    asked = {row["conversations"][0]["content"] for row in held}
    kept = [row for row in rows if row["conversations"][0]["content"] not in asked]
    if not held or not kept:
        raise UserError(
            _(
                "{count} rows are too few to hold some of them out: give {least} different ones, or a file with --test."
            ).format(count=len(rows), least=2 * step)
        )
    return kept, held
