"""Tasks whose answers a program can check, in graded difficulty: the ground that reinforcement learning stands on.

Families: copy, reverse, sort, count, sum (with carry), two_hop (over facts), path (shortest way on the map). A reward has three
parts, so that leaving one out shows what a model then learns to exploit: `truth` alone is won by saying everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from fledge.world.checks import one_sentence
from fledge.world.draw import Draw
from fledge.world.facts import MAX_PRICE, World
from fledge.world.twohop import two_hop_questions

Row = dict[str, object]
SMALL_SUMS = tuple((a, b) for a in range(2, MAX_PRICE + 1) for b in range(2, MAX_PRICE + 1))
"""The sums that prices make: the same that the pretraining text has."""
CHAT_LEVELS = 2
"""Conversations show levels 1 and 2 of every family but two_hop; the rest is left for reinforcement learning."""

PROMPTS = {
    "copy": {"zh": ("重复一遍：{x}", "照着说一遍：{x}"), "en": ("Repeat: {x}", "Say this again: {x}")},
    "reverse": {
        "zh": ("倒过来说：{x}", "把顺序反过来：{x}"),
        "en": ("Say in reverse: {x}", "Turn the order around: {x}"),
    },
    "sort": {
        "zh": ("从小到大排列：{x}", "把这些数从小到大排好：{x}"),
        "en": ("Sort from small to large: {x}", "Put these numbers in order: {x}"),
    },
    "count": {
        "zh": ("“{w}”出现了几次？{x}", "数一数有几个“{w}”：{x}"),
        "en": ('How many times is "{w}" here? {x}', 'Count the word "{w}": {x}'),
    },
    "sum": {"zh": ("{x}等于几？", "{x}是多少？"), "en": ("What is {x}?", "How much is {x}?")},
    "path": {
        "zh": ("从{a}到{b}怎么走最近？", "从{a}去{b}要经过哪些地方？"),
        "en": ("What is the shortest way from {a} to {b}?", "Which places are on the shortest way from {a} to {b}?"),
    },
}


def _join(words: list[str], lang: str) -> str:
    return ("、" if lang == "zh" else ", ").join(words)


def _words(world: World, draw: Draw, lang: str, count: int) -> list[str]:
    kind = draw.choose(["food", "animal", "colour"])
    return [thing.name(lang) for thing in draw.sample(world.of_kind(kind), min(count, len(world.of_kind(kind))))]


def _copy(world: World, draw: Draw, lang: str, level: int) -> tuple[dict[str, str], list[str]]:
    text = _join(_words(world, draw, lang, level + 1), lang)
    return {"x": text}, [text]


def _reverse(world: World, draw: Draw, lang: str, level: int) -> tuple[dict[str, str], list[str]]:
    words = _words(world, draw, lang, level + 1)
    return {"x": _join(words, lang)}, [_join(words[::-1], lang)]


def _sort(world: World, draw: Draw, lang: str, level: int) -> tuple[dict[str, str], list[str]]:
    numbers = draw.sample(range(1, 10 if level < 3 else 100), level + 1)
    return {"x": _join([str(n) for n in numbers], lang)}, [_join([str(n) for n in sorted(numbers)], lang)]


def _count(world: World, draw: Draw, lang: str, level: int) -> tuple[dict[str, str], list[str]]:
    words = _words(world, draw, lang, 2 + level // 3)
    row = [draw.choose(words) for _ in range(1 + 2 * level)]
    wanted = draw.choose(row)
    return {"w": wanted, "x": _join(row, lang)}, [str(row.count(wanted))]


def _addends(draw: Draw, level: int) -> list[int]:
    """Level 1: below ten together; 2: from ten to 24, as prices make; 3: two digits, no carry; 4: a carry; 5: three numbers."""
    if level <= 2:
        return list(draw.choose([pair for pair in SMALL_SUMS if (sum(pair) < 10) == (level == 1)]))
    if level == 5:
        return [10 + draw.below(40) for _ in range(3)]
    a = draw.below(9) + 1
    b = draw.below(10 - a) if level == 3 else 10 - a + draw.below(a)
    return [10 * (1 + draw.below(4)) + one for one in (a, b)]


def _sum(world: World, draw: Draw, lang: str, level: int) -> tuple[dict[str, str], list[str]]:
    numbers = _addends(draw, level)
    while any(world.held_out_sum(a, b) for a, b in pairwise(numbers)):
        numbers = _addends(draw, level)
    return {"x": sum_text(numbers, lang)}, [str(sum(numbers))]


def sum_text(numbers: list[int], lang: str) -> str:
    """ "3加5" or "3 + 5"."""
    return ("加" if lang == "zh" else " + ").join(map(str, numbers))


def _path(world: World, draw: Draw, lang: str, level: int) -> tuple[dict[str, str], list[str]]:
    places = [place.id for place in world.of_kind("place")]
    start = draw.choose(places)
    away = {place: len(world.path(start, place)) - 1 for place in places}
    steps = min(level, max(away.values()))
    goal = draw.choose([place for place in places if away[place] == steps])
    ways = [_join([world.name(place, lang) for place in way], lang) for way in shortest_paths(world, start, goal)]
    return {"a": world.name(start, lang), "b": world.name(goal, lang)}, ways


def shortest_paths(world: World, start: str, goal: str) -> list[list[str]]:
    """All shortest ways on the map, both ends included, in the order of the directions."""
    if start == goal:
        return [[start]]
    distance = len(world.path(start, goal)) - 1
    nearer = [place for place in world.neighbours(start).values() if len(world.path(place, goal)) == distance]
    return [[start, *rest] for place in nearer for rest in shortest_paths(world, place, goal)]


_MAKERS: dict[str, Callable[[World, Draw, str, int], tuple[dict[str, str], list[str]]]] = {
    "copy": _copy, "reverse": _reverse, "sort": _sort, "count": _count, "sum": _sum, "path": _path,
}  # fmt: skip
FAMILIES = (*_MAKERS, "two_hop")


def task(world: World, family: str, level: int, lang: str, draw: Draw) -> Row:
    """One task: `conversations` (the assistant's turn is an empty placeholder, as MiniMind's RL reader expects) and `gt`, the
    accepted answers. A two_hop task has no levels: it is drawn from the questions that no probe asks."""
    if family == "two_hop":
        hop = draw.choose(two_hop_questions(world, lang, held_out=False))
        prompt, truths = hop.text, list(hop.answers)
    else:
        slots, truths = _MAKERS[family](world, draw, lang, level)
        prompt = draw.choose(PROMPTS[family][lang]).format(**slots)
    return {
        "conversations": [{"role": "user", "content": prompt}, {"role": "assistant", "content": ""}],
        "gt": truths,
        "family": family,
        "level": level,
        "lang": lang,
    }


def tasks(
    world: World,
    count: int,
    *,
    seed: int = 0,
    families: tuple[str, ...] = FAMILIES,
    levels: tuple[int, ...] = (1, 2, 3, 4, 5),
) -> Iterator[Row]:
    """`count` tasks; task i is a function of (world, seed, i) alone."""
    for i in range(count):
        draw = Draw("task", world.size, world.seed, seed, i)
        yield task(world, draw.choose(families), draw.choose(levels), draw.choose(("zh", "en")), draw)


def reward(task: Row, answer: str) -> dict[str, float]:
    """The parts of a task's reward, each 0..1.

    truth: an accepted answer stands in the text as whole words (it may be one of many claims).
    format: the text is that answer's kind of thing and nothing else: one number, or one list of as many items; for two_hop
    one sentence will do.
    length: 1 up to the longest accepted answer and 8 (two_hop: 40) characters more, then falling to 0 at four times that.
    """
    truths = [str(truth) for truth in task["gt"]]  # type: ignore[attr-defined]
    text = answer.strip()
    spoken = task["family"] == "two_hop"
    limit = max(map(len, truths)) + (40 if spoken else 8)
    shapes = {_shape(truth) for truth in truths}
    return {
        "truth": float(any(_stands_in(truth, text) for truth in truths)),
        "format": float(_shape(text) in shapes or (spoken and one_sentence(text))),
        "length": min(1.0, max(0.0, (4 * limit - len(text)) / (3 * limit))) if text else 0.0,
    }


def _stands_in(truth: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(truth)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None


def _shape(text: str) -> tuple[str, ...]:
    """The kind of every item of a list: ("number", "number"). A final full stop does not matter."""
    items = re.split(r"、|, ", text.removesuffix("。").removesuffix("."))
    return tuple(
        "number" if i.isdigit() else "word" if re.fullmatch(r"[^\W\d_]+(?: [^\W\d_]+)?", i) else "other" for i in items
    )
