"""Preference pairs whose true utility is known: helpful against wrong, rude, rambling, badly formed or off the topic.

An answer's utility is 1 less the cost of its one flaw, so a reward model can be judged against the truth and not only against
(noisy) pairs. `noise` swaps a pair with that probability, as tired annotators do; the row says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from fledge.world.draw import Draw
from fledge.world.facts import LANGUAGES, RELATIONS, Fact, World
from fledge.world.instructions import askable, instruction, seen_question
from fledge.world.questions import answer

Row = dict[str, object]

COST = {"truth": 1.0, "topic": 0.8, "politeness": 0.6, "format": 0.5, "brevity": 0.3}
"""Axis -> what the flaw takes from a utility of 1. From worst to least."""
_RUDE = {
    "zh": ("这都不知道？{a}", "真烦人。{a}", "{a}别再问了！", "你自己不会查吗？{a}"),
    "en": (
        "Don't you even know that? {a}",
        "How annoying. {a}",
        "{a} Now leave me alone!",
        "Can't you look it up? {a}",
    ),
}
_RAMBLE = {"zh": "说起来，", "en": "By the way, "}


def preferences(world: World, count: int, *, seed: int = 0, noise: float = 0.0) -> Iterator[Row]:
    """`count` pairs in MiniMind's schema: `chosen` and `rejected` are conversations with the same user turn.

    Also `axis` (the flaw of the worse answer), `lang`, `utility` [of chosen, of rejected] and `flipped` (swapped by noise).
    Row i is a function of (world, seed, noise, i) alone.
    """
    facts = {lang: askable(world, lang) for lang in LANGUAGES}
    return (_pair(world, Draw("preference", world.size, world.seed, seed, i), facts, noise) for i in range(count))


def worth(row: Row, text: str) -> float:
    """The utility of any answer to the question of a pair whose chosen answer is without a flaw (`utility` begins with 1).

    1 for that answer, 1 less the cost of the flaw where the right answer stands in `text` with rudeness or with more around it,
    and for the rejected answer what it is worth; anything else is neither true nor to the point.
    """
    chosen, rejected = row["chosen"][-1]["content"], row["rejected"][-1]["content"]  # type: ignore[index]
    said = text.strip()
    if said == chosen:
        return 1.0
    if said == rejected:
        return float(row["utility"][1])  # type: ignore[index]
    if said in {form.format(a=chosen) for forms in _RUDE.values() for form in forms}:
        return 1.0 - COST["politeness"]
    return 1.0 - COST["brevity"] if said.startswith(chosen) else 1.0 - COST["truth"]


def _pair(world: World, draw: Draw, facts: dict[str, list[Fact]], noise: float) -> Row:
    lang = draw.choose(LANGUAGES)
    axis = draw.choose(list(COST))
    better_utility, worse_utility = 1.0, 1.0 - COST[axis]
    if axis == "format":
        made = instruction(world, draw, lang, facts[lang])
        prompt, better, worse = made.prompt, made.answer, made.careless
    else:
        fact = draw.choose(facts[lang])
        prompt, better = seen_question(world, draw, fact, lang), answer(world, fact, lang)
        worse = _flawed(axis, world, draw, fact, lang, facts[lang])
        lesser = [other for other in COST if COST[other] < COST[axis] and other != "format"]
        if lesser and draw.below(4) == 0:  # neither answer is good; one is less bad
            small = draw.choose(lesser)
            better, better_utility = _flawed(small, world, draw, fact, lang, facts[lang]), 1.0 - COST[small]
    answers = [(better, better_utility), (worse, worse_utility)]
    flipped = draw.below(10**6) < round(noise * 10**6)
    if flipped:
        answers.reverse()
    chosen, rejected = (
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}] for text, _ in answers
    )
    utility = [round(u, 3) for _, u in answers]
    return {"chosen": chosen, "rejected": rejected, "axis": axis, "lang": lang, "utility": utility, "flipped": flipped}


def _flawed(axis: str, world: World, draw: Draw, fact: Fact, lang: str, facts: list[Fact]) -> str:
    right = answer(world, fact, lang)
    if axis == "truth":
        return answer(world, Fact(fact.subject, fact.relation, draw.choose(_wrong_objects(world, fact))), lang)
    others = [other for other in facts if other.subject != fact.subject]
    if axis == "topic":
        return answer(world, draw.choose(others), lang)
    if axis == "politeness":
        return draw.choose(_RUDE[lang]).format(a=right)
    more = [answer(world, other, lang) for other in draw.sample(others, 3)]
    if lang == "zh":
        return right + _RAMBLE["zh"] + "".join(more)
    return f"{right} {_RAMBLE['en']}I can tell you more. " + " ".join(more)


def _wrong_objects(world: World, fact: Fact) -> list[str]:
    """What might be answered and is not true. A relative keeps the gender that the question's word has."""
    relation = RELATIONS[fact.relation]
    if relation.object == "number":
        options = sorted({other.object for other in world.facts if other.relation == fact.relation}, key=int)
    else:
        gender = world.entities[fact.object].gender
        options = [e.id for e in world.of_kind(relation.object) if e.gender == gender and e.id != fact.subject]
    return [option for option in options if option != fact.object] or ["0"]
