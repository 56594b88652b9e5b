"""How good an answer is, from 0 to 1, beside the one that is wanted."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from functools import cache

from fledge.recipes.invented import COURTESY
from fledge.recipes.programs import code
from fledge.synth.similar import rouge_l, units

Measure = Callable[[str, str], float]
STEPS = 100_000  # of SQLite's machine: a query that takes more is none of ours
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
FUNCTIONS = {"count", "sum", "min", "max", "avg", "length", "lower", "upper", "like"}  # none makes anything large


def exact(answer: str, wanted: str) -> float:
    """The same words, whatever their case and punctuation."""
    return float(units(answer) == units(wanted))


def overlap(answer: str, wanted: str) -> float:
    """ROUGE-L with what is wanted."""
    return rouge_l(units(answer), units(wanted))


def entities(answer: str, wanted: str) -> float:
    """F1 of (kind, name) pairs in two JSON objects of lists; 0 for what is no such object."""
    own, its = _pairs(answer), _pairs(wanted)
    return 2 * len(own & its) / (len(own) + len(its)) if own and its else 0.0


def _pairs(text: str) -> set[tuple[str, str]]:
    found = re.search(r"\{.*\}", text, re.S)
    try:
        content = json.loads(found[0]) if found else {}
    except (ValueError, RecursionError):
        return set()
    if not isinstance(content, dict):
        return set()
    return {(str(k), str(word)) for k, words in content.items() if isinstance(words, list) for word in words}


def service(answer: str, wanted: str) -> float:
    """1 for what the wanted answer says, with a courteous end; half for the same without one; 0 when anything in it is wrong."""
    polite = [form for form in COURTESY.values() if form in wanted]
    right = units(_without(answer, polite)) == units(_without(wanted, polite))
    return 0.0 if not right else 1.0 if all(form in answer for form in polite) else 0.5


def _without(text: str, forms: list[str]) -> str:
    for form in forms:
        text = text.replace(form, "")
    return text


def sql(answer: str, wanted: str) -> float:
    """The query gives what the wanted one gives, when both are run on the world's facts. Only reading is possible there."""
    return float(_result(answer) == _result(wanted) != None)  # noqa: E711 (an error is None, and equals no result)


def _result(query: str) -> list[tuple[object, ...]] | None:
    database = _facts()
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return int(steps > STEPS // 1000)

    database.set_progress_handler(count, 1000)
    try:
        if not query.lstrip().lower().startswith("select"):
            return None
        return sorted(database.execute(query).fetchmany(1000), key=repr)
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        return None


@cache
def _facts() -> sqlite3.Connection:
    from fledge.world import World

    world = World.build("small", 0)
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("CREATE TABLE facts (subject TEXT, relation TEXT, object TEXT)")
    rows = [
        (world.name(f.subject, lang), f.relation, world.name(f.object, lang))
        for f in world.facts
        for lang in ("zh", "en")
    ]
    database.executemany("INSERT INTO facts VALUES (?, ?, ?)", rows)
    database.commit()
    database.set_authorizer(_allowed)
    return database


def _allowed(action: int, _: str | None, name: str | None, *rest: str | None) -> int:
    """A query of a model may read the table and count; it may open no file and build no huge value."""
    harmless = action in READING or (action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in FUNCTIONS)
    return sqlite3.SQLITE_OK if harmless else sqlite3.SQLITE_DENY


MEASURES: dict[str, Measure] = {
    "exact": exact,
    "overlap": overlap,
    "entities": entities,
    "sql": sql,
    "service": service,
    "code": code,
}
