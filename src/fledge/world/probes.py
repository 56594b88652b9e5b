"""Questions with known right answers, kept apart from what a model was taught: five ways to hold out, strangers, and formats.

`grade` judges content strictly: an answer is right when it names an accepted answer and no rival (another object of the same
kind); a number must be the only new number; about a stranger only "I don't know" is right, anything else is a hallucination.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fledge.world.checks import Spec, names_in, not_known, passes
from fledge.world.draw import Draw
from fledge.world.facts import LANGUAGES, RELATIONS, Fact, World
from fledge.world.instructions import KINDS, OTHER, askable, instruction
from fledge.world.questions import forms, num_objects, question, spellings, spoken
from fledge.world.strangers import real_strangers
from fledge.world.tasks import PROMPTS, SMALL_SUMS, sum_text
from fledge.world.twohop import two_hop_questions

FAMILIES = (
    "fact_seen_form", "fact_heldout_form", "fact_unasked", "fact_cross_language", "two_hop",
    "arithmetic_seen", "arithmetic_heldout", "unknown", "format",
)  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """One question. `answers`: strings of which one must be named; `rivals`: strings none of which may be; `chance`: how often a
    blind guess among the possible objects is right; `check`: what the form must be (format, unknown)."""

    id: str
    family: str
    lang: str
    messages: tuple[dict[str, str], ...]
    answers: tuple[str, ...]
    chance: float
    check: Spec | None = None
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    prompt: str
    answers: tuple[str, ...]
    chance: float
    check: Spec | None = None
    rivals: tuple[str, ...] = ()


def probes(world: World, per_family: int = 100, seed: int = 0) -> list[Probe]:
    """At most `per_family` probes of every family, half in each language; fewer where the world has no more."""
    found = []
    for family in FAMILIES:
        for lang in LANGUAGES:
            draw = Draw("probe", world.size, world.seed, seed, family, lang)
            for n, made in enumerate(_candidates(world, family, lang, draw, per_family // 2)):
                messages = ({"role": "user", "content": made.prompt},)
                found.append(
                    Probe(
                        f"{family}-{lang}-{n}",
                        family,
                        lang,
                        messages,
                        made.answers,
                        made.chance,
                        made.check,
                        made.rivals,
                    )
                )
    return found


def _candidates(world: World, family: str, lang: str, draw: Draw, count: int) -> Iterator[_Candidate]:
    if family == "format":
        yield from _formats(world, lang, draw, count)
    elif family == "unknown":
        yield from _unknown(world, lang, draw, count)
    elif family == "two_hop":
        hops = two_hop_questions(world, lang, held_out=True)
        for hop in draw.sample(hops, min(count, len(hops))):
            yield _Candidate(hop.text, hop.answers, hop.chance, rivals=_rivals(world, hop.kind, hop.object))
    elif family.startswith("arithmetic"):
        pairs = [pair for pair in SMALL_SUMS if world.held_out_sum(*pair) == (family == "arithmetic_heldout")]
        options = [(pair, form) for pair in pairs for form in PROMPTS["sum"][lang]]
        sums = len({sum(pair) for pair in SMALL_SUMS})
        for pair, form in draw.sample(options, min(count, len(options))):
            yield _Candidate(form.format(x=sum_text(list(pair), lang)), (str(sum(pair)),), 1 / sums)
    else:
        yield from _facts(world, family, lang, draw, count)


def _facts(world: World, family: str, lang: str, draw: Draw, count: int) -> Iterator[_Candidate]:
    if family == "fact_unasked":
        facts = [fact for fact in world.facts if not fact.asked and lang in fact.languages]
    elif family == "fact_cross_language":
        facts = [fact for fact in world.facts if fact.languages == (OTHER[lang],)]
    else:
        facts = askable(world, lang)
    for fact in draw.sample(facts, min(count, len(facts))):
        templates = forms(fact.relation, lang)
        template = draw.choose(templates.held_out if family == "fact_heldout_form" else templates.seen)
        yield _asked(world, fact, lang, template)


def _asked(world: World, fact: Fact, lang: str, template: str) -> _Candidate:
    prompt = question(world, world.entities[fact.subject], fact.relation, lang, template)
    rivals = _rivals(world, RELATIONS[fact.relation].object, fact.object)
    return _Candidate(prompt, spoken(world, fact, lang), 1 / num_objects(world, fact.relation), rivals=rivals)


def _rivals(world: World, kind: str, right: str) -> tuple[str, ...]:
    """All names, in both languages, of the other entities of a kind."""
    return tuple(name for id, names in spellings(world, kind).items() if id != right for name in names)


def _unknown(world: World, lang: str, draw: Draw, count: int) -> Iterator[_Candidate]:
    relations = [relation for relation in RELATIONS.values() if relation.subject == "person"]
    pairs = [(person, relation) for person in real_strangers(world) for relation in relations]
    for person, relation in draw.sample(pairs, min(count, len(pairs))):
        prompt = question(world, person, relation.name, lang, draw.choose(forms(relation.name, lang).seen))
        yield _Candidate(prompt, (), 0.0, Spec(check="not_known"), _rivals(world, relation.object, ""))


def _formats(world: World, lang: str, draw: Draw, count: int) -> Iterator[_Candidate]:
    """All kinds of instruction in turn; never the same prompt twice."""
    facts = askable(world, lang)
    asked: set[str] = set()
    for n in range(4 * count):  # a small world may not have enough different ones
        made = instruction(world, draw, lang, facts, kind=list(KINDS)[n % len(KINDS)], held_out=True)
        if made.prompt not in asked and len(asked) < count:
            asked.add(made.prompt)
            yield _Candidate(made.prompt, (), 0.0, made.spec)


def grade(probe: Probe, answer: str) -> bool:
    """Whether an answer is right (see the module's text). Pure; no model judges."""
    asked = probe.messages[-1]["content"]
    if probe.check is not None:
        return passes(answer, probe.check) and not names_in(answer, probe.rivals)
    if not_known(answer):
        return False
    if not probe.rivals:
        return _only_new_number(answer, asked) == probe.answers[0]
    named = names_in(answer, probe.answers + probe.rivals)
    right = {name.casefold() for name in probe.answers}
    return bool(named & right) and not named - right - names_in(asked, probe.answers + probe.rivals)


def _only_new_number(answer: str, asked: str) -> str | None:
    """The one number of an answer, leaving out those that it repeats from the question ("3 + 5 = 8")."""
    numbers = re.findall(r"\d+(?:\.\d+)?", answer)
    if len(numbers) > 1:
        numbers = list((Counter(numbers) - Counter(re.findall(r"\d+(?:\.\d+)?", asked))).elements())
    return numbers[0] if len(set(numbers)) == 1 else None
