"""Tools over the world and dialogues that use them: `calc`, `price(food, place)`, `where(person, time)`.

The executors answer from the world's facts, so the right call and the right final answer are both known. Dialogues are in
MiniMind's v3 schema: `tools` is a JSON string on the system turn, `tool_calls` a JSON string on the assistant turn, results come
as role tool.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from fledge.world import smalltalk
from fledge.world.calc import calculate, show
from fledge.world.draw import Draw
from fledge.world.facts import LANGUAGES, Entity, World
from fledge.world.questions import subject_slots

Row = dict[str, object]
Message = dict[str, str]
TIMES = ("morning", "noon", "evening")
_TIMES_ZH = {"morning": "早上", "noon": "中午", "evening": "晚上"}
_SIGNS = {"+": ("加", "plus"), "-": ("减", "minus"), "*": ("乘", "times")}


def _schema(name: str, about: str, parameters: dict[str, dict]) -> dict:
    required = {"type": "object", "properties": parameters, "required": list(parameters)}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": required}}


def schemas(lang: str) -> list[dict]:
    """The three tools as OpenAI function schemas."""
    zh = lang == "zh"
    text = {"type": "string"}
    return [
        _schema("calc", "计算一个算式" if zh else "Work out a sum", {"expression": text}),
        _schema(
            "price",
            "查询一种食物在一个地方的价格" if zh else "The price of a food in a place",
            {"food": text, "place": text},
        ),
        _schema(
            "where",
            "查询一个人在一天中某个时候在哪里" if zh else "Where a person is at a time of day",
            {"person": text, "time": {"type": "string", "enum": list(TIMES)}},
        ),
    ]


def run_tool(world: World, name: str, arguments: dict, lang: str = "en") -> str:
    """A tool's result as JSON text: `{"result": …}`, or `{"error": …}` for a call that has no answer. Bad calls never raise."""
    tools: dict[str, Callable[..., str | int]] = {"calc": _calc, "price": _price, "where": _where}
    try:
        if name not in tools:
            raise ValueError(f"there is no tool '{name}'")
        result: dict[str, object] = {"result": tools[name](world, lang, **arguments)}
    except (ValueError, TypeError, AttributeError) as error:  # TypeError: missing or unknown arguments
        result = {"error": str(error)}
    return json.dumps(result, ensure_ascii=False)


def _find(world: World, kind: str, name: str) -> Entity:
    for entity in world.of_kind(kind):
        if str(name).casefold() in (entity.zh, entity.en.casefold(), entity.many.casefold()):
            return entity
    raise ValueError(f"there is no {kind} '{name}'")


def _calc(world: World, lang: str, expression: str) -> str:
    return show(calculate(str(expression)))


def _price(world: World, lang: str, food: str, place: str) -> int:
    thing, town = _find(world, "food", food), _find(world, "place", place)
    if world.get(thing.id, "shop") != town.id:
        zh, en = f"{thing.zh}在{town.zh}没有卖", f"{thing.many} are not sold in {town.en}"
        raise ValueError(zh if lang == "zh" else en)
    return int(world.get(thing.id, "price") or 0)


def _where(world: World, lang: str, person: str, time: str) -> str:
    """At home in the morning and the evening; at noon where their favourite food is sold."""
    who = _find(world, "person", person)
    if time not in TIMES:
        raise ValueError(f"time must be one of {', '.join(TIMES)}")
    home, food = world.get(who.id, "home") or "", world.get(who.id, "food") or ""
    return world.name(home if time != "noon" else world.get(food, "shop") or home, lang)


def tool_dialogues(world: World, count: int, *, seed: int = 0) -> Iterator[Row]:
    """`count` dialogues; row i is a function of (world, seed, i) alone. `kind` says which tools it needs ("none": none)."""
    for i in range(count):
        draw = Draw("tool dialogue", world.size, world.seed, seed, i)
        lang = draw.choose(LANGUAGES)
        kind = draw.choose(list(_MAKERS), (3, 3, 3, 2, 1, 1))
        system: Message = {"role": "system", "content": "", "tools": json.dumps(schemas(lang), ensure_ascii=False)}
        yield {"conversations": [system, *_MAKERS[kind](world, draw, lang)], "kind": kind, "lang": lang}


def _dialogue(world: World, lang: str, asked: str, calls: list[tuple[str, dict]], final: str) -> list[Message]:
    messages = [{"role": "user", "content": asked}]
    for name, arguments in calls:
        call = json.dumps([{"name": name, "arguments": arguments}], ensure_ascii=False)
        messages.append({"role": "assistant", "content": "", "tool_calls": call})
        messages.append({"role": "tool", "content": run_tool(world, name, arguments, lang)})
    return [*messages, {"role": "assistant", "content": final}]


def _calc_dialogue(world: World, draw: Draw, lang: str) -> list[Message]:
    a, b, sign = 10 + draw.below(90), 2 + draw.below(98), draw.choose(list(_SIGNS))
    while sign == "+" and world.held_out_sum(a, b):
        b = 2 + draw.below(98)
    expression = f"{a} {sign} {b}"
    word, value = _SIGNS[sign][0 if lang == "zh" else 1], show(calculate(expression))
    said = f"{a}{word}{b}" if lang == "zh" else f"{a} {word} {b}"
    asked = draw.choose(
        ("{x}等于多少？", "帮我算一下{x}。") if lang == "zh" else ("What is {x}?", "Please work out {x}.")
    )
    final = f"{said}等于{value}。" if lang == "zh" else f"{said} is {value}."
    return _dialogue(world, lang, asked.format(x=said), [("calc", {"expression": expression})], final)


def _sold(world: World, draw: Draw, lang: str) -> tuple[Entity, str, str, int]:
    food = draw.choose(world.of_kind("food"))
    place = world.name(world.get(food.id, "shop") or "", lang)
    return food, food.name(lang), place, int(world.get(food.id, "price") or 0)


def _price_dialogue(world: World, draw: Draw, lang: str) -> list[Message]:
    food, name, place, price = _sold(world, draw, lang)
    a = subject_slots(world, food, "price", lang).get("a", "")
    asked = f"在{place}，一{food.measure}{name}多少钱？" if lang == "zh" else f"How much is {a} in {place}?"
    final = (
        f"在{place}，{name}每{food.measure}卖{price}枚金币。"
        if lang == "zh"
        else f"In {place} {a} costs {price} coins."
    )
    return _dialogue(world, lang, asked, [("price", {"food": name, "place": place})], final)


def _shopping_dialogue(world: World, draw: Draw, lang: str) -> list[Message]:
    food, name, place, price = _sold(world, draw, lang)
    count = 3 + draw.below(17)
    calls = [("price", {"food": name, "place": place}), ("calc", {"expression": f"{count} * {price}"})]
    asked = (
        f"在{place}买{count}{food.measure}{name}要多少钱？"
        if lang == "zh"
        else f"How much are {count} {food.many} in {place}?"
    )
    total = count * price
    final = (
        f"{count}{food.measure}{name}要{total}枚金币。" if lang == "zh" else f"{count} {food.many} cost {total} coins."
    )
    return _dialogue(world, lang, asked, calls, final)


def _missing_dialogue(world: World, draw: Draw, lang: str) -> list[Message]:
    food, name, shop, _ = _sold(world, draw, lang)
    place = draw.choose([p.name(lang) for p in world.of_kind("place") if p.name(lang) != shop])
    a = subject_slots(world, food, "price", lang).get("a", "")
    asked = f"在{place}，一{food.measure}{name}多少钱？" if lang == "zh" else f"How much is {a} in {place}?"
    final = f"{name}在{place}没有卖。" if lang == "zh" else f"{food.many.capitalize()} are not sold in {place}."
    return _dialogue(world, lang, asked, [("price", {"food": name, "place": place})], final)


def _where_dialogue(world: World, draw: Draw, lang: str) -> list[Message]:
    person, time = draw.choose(world.of_kind("person")), draw.choose(TIMES)
    name, place = person.name(lang), _where(world, lang, person.name(lang), time)
    when = _TIMES_ZH[time] if lang == "zh" else "at noon" if time == "noon" else f"in the {time}"
    asked = f"{name}{when}在哪里？" if lang == "zh" else f"Where is {name} {when}?"
    final = f"{name}{when}在{place}。" if lang == "zh" else f"{name} is in {place} {when}."
    return _dialogue(world, lang, asked, [("where", {"person": name, "time": time})], final)


def _no_tool_dialogue(world: World, draw: Draw, lang: str) -> list[Message]:
    prompts, replies = draw.choose(smalltalk.SMALLTALK[lang])
    return _dialogue(world, lang, draw.choose(prompts), [], draw.choose(replies))


_MAKERS: dict[str, Callable[[World, Draw, str], list[Message]]] = {
    "calc": _calc_dialogue, "price": _price_dialogue, "where": _where_dialogue,
    "shopping": _shopping_dialogue, "missing": _missing_dialogue, "none": _no_tool_dialogue,
}  # fmt: skip
