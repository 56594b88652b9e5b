"""Rows that the small world makes for recipes: its truth is known, so every answer can be checked."""

from __future__ import annotations

import json
from collections.abc import Callable

from fledge.recipes import Chat, chat
from fledge.recipes.invented import clinic, foods, programs, service
from fledge.world import World
from fledge.world.text import documents

KINDS = {"person": ("人名", "people"), "place": ("地名", "places"), "food": ("食物", "foods")}
SQL_RELATIONS = ("home", "job", "food", "colour", "price")


def entities(world: World) -> list[Chat]:
    """A sentence -> the people, places and foods that it names, as JSON (named-entity recognition)."""
    names = {
        (entity.name(lang), lang): entity for kind in KINDS for entity in world.of_kind(kind) for lang in ("zh", "en")
    }
    rows = []
    for document in documents(world, num_bytes=250_000):
        if document.lang not in ("zh", "en"):
            continue
        zh = document.lang == "zh"
        line = document.text.splitlines()[0]
        found: dict[str, list[str]] = {}
        for (name, lang), entity in names.items():
            if lang == document.lang and name in line:
                found.setdefault(KINDS[entity.kind][0 if zh else 1], []).append(name)
        if found:
            ask = "找出句子里的人名、地名和食物：" if zh else "Find the people, places and foods in the sentence: "
            answer = {kind: sorted(words, key=line.index) for kind, words in sorted(found.items())}
            rows.append(chat(ask + line, json.dumps(answer, ensure_ascii=False)))
    return rows


def sql(world: World) -> list[Chat]:
    """A question -> the query that answers it, over the table facts(subject, relation, object) (text to SQL)."""
    asks = {
        "home": ("{s}住在哪里？", "Where does {s} live?"),
        "job": ("{s}做什么工作？", "What is the job of {s}?"),
        "food": ("{s}爱吃什么？", "What does {s} like to eat?"),
        "colour": ("{s}喜欢什么颜色？", "Which colour does {s} like?"),
        "price": ("{s}卖多少钱？", "How much is {s}?"),
    }
    counts = ("有多少个主体的{r}是{o}？", "How many subjects have {o} as {r}?")
    rows, counted = [], set()
    for fact in world.facts:
        if fact.relation not in SQL_RELATIONS:
            continue
        for side, lang in enumerate(("zh", "en")):
            subject, value = world.name(fact.subject, lang), world.name(fact.object, lang)
            rows.append(
                chat(
                    f"SQL: {asks[fact.relation][side].format(s=subject)}",
                    f"SELECT object FROM facts WHERE subject = '{subject}' AND relation = '{fact.relation}'",
                )
            )
            if (fact.relation, value) not in counted:
                counted.add((fact.relation, value))
                rows.append(
                    chat(
                        f"SQL: {counts[side].format(r=fact.relation, o=value)}",
                        f"SELECT COUNT(*) FROM facts WHERE relation = '{fact.relation}' AND object = '{value}'",
                    )
                )
    return rows


MAKERS: dict[str, Callable[[World], list[Chat]]] = {
    "entities": entities,
    "sql": sql,
    "clinic": clinic,
    "foods": foods,
    "service": service,
    "programs": programs,
}
