"""Facts as questions and answers. Every relation has seen forms (used in conversations) and held-out forms (used only to measure).

An answer names its subject again before it gives the object: "Where does Anna live?" "Anna lives in Lakeside." That is good manners
and makes the answer the same kind of sentence as the pretraining text, so that what was read can be said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from fledge.world import lexicon
from fledge.world.ask_en import ASK_EN
from fledge.world.ask_zh import ASK_ZH
from fledge.world.facts import RELATIONS, STEP, Entity, Fact, World

PRONOUNS = {"f": {"he": "she", "his": "her"}, "m": {"he": "he", "his": "his"}}
KIN = {
    ("spouse", "f"): ("妻子", "wife"), ("spouse", "m"): ("丈夫", "husband"),
    ("father", "m"): ("爸爸", "father"), ("mother", "f"): ("妈妈", "mother"),
    ("older", "f"): ("姐姐", "older sister"), ("older", "m"): ("哥哥", "older brother"),
    ("younger", "f"): ("妹妹", "younger sister"), ("younger", "m"): ("弟弟", "younger brother"),
}  # fmt: skip
"""(relation, gender of the relative) -> the relative's word."""
UNITS = {"price": {"zh": "枚金币", "en": " coins"}, "legs": {"zh": "条腿", "en": " legs"}}


@dataclass(frozen=True)
class QuestionForms:
    """Templates of one relation in one language. `follow` asks about what was just spoken of, with a pronoun."""

    seen: tuple[str, ...]
    held_out: tuple[str, ...]
    answers: tuple[str, ...]
    follow: tuple[str, ...]


@cache
def forms(relation: str, lang: str) -> QuestionForms:
    """The templates of a relation in a language."""
    table = ASK_ZH if lang == "zh" else ASK_EN
    same = {**dict.fromkeys(STEP, "direction"), "coat": "looks"}
    return QuestionForms(**table[same.get(relation, relation if relation in table else "relative")])


def with_article(noun: str) -> str:
    """ "a pear", "an old bridge"."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def subject_slots(world: World, subject: Entity, relation: str, lang: str) -> dict[str, str]:
    """What a question template needs. `subject` may be a stranger: only its names and gender are read. The word for a relative
    follows the relative's gender; that of somebody unknown is the first that KIN has."""
    name = subject.name(lang)
    slots = {"s": name, "m": subject.measure}
    if relation in STEP:
        zh, en = lexicon.DIRECTIONS[relation]
        slots |= {"d": en, "D": capital(en)} if lang == "en" else {"d": zh}
    if lang == "en":
        a, many = with_article(name), subject.many or name
        slots |= {"a": a, "A": capital(a), "many": many, "Many": capital(many)}
    if subject.kind == "person":
        slots |= PRONOUNS[subject.gender] if lang == "en" else {"he": "他" if subject.gender == "m" else "她"}
    genders = [gender for kin, gender in KIN if kin == relation]
    if genders:
        known = world.entities.get(world.get(subject.id, relation) or "")
        slots["kin"] = KIN[relation, known.gender if known else genders[0]][0 if lang == "zh" else 1]
    return slots


def object_slots(world: World, object: str, lang: str) -> dict[str, str]:
    """What an answer template needs besides the subject."""
    entity = world.entities.get(object)
    name = world.name(object, lang)
    if entity is None or lang == "zh":
        return {"o": name}
    return {"o": entity.many if entity.kind == "food" else name, "oa": with_article(name)}


def question(world: World, subject: Entity, relation: str, lang: str, template: str) -> str:
    """A question template, filled. An English `follow` template keeps its small first letter."""
    return template.format(**subject_slots(world, subject, relation, lang))


def answer(world: World, fact: Fact, lang: str, variant: int = 0) -> str:
    """The answer sentence of a fact; `variant` picks one of the relation's answer forms."""
    slots = subject_slots(world, world.entities[fact.subject], fact.relation, lang) | object_slots(
        world, fact.object, lang
    )
    return forms(fact.relation, lang).answers[variant].format(**slots)


def short_answer(world: World, fact: Fact, lang: str) -> str:
    """Only the object: "Lakeside." "3 coins." """
    unit = UNITS.get(fact.relation, {}).get(lang, "")
    return capital(spoken(world, fact, lang)[0]) + unit + ("。" if lang == "zh" else ".")


def spoken(world: World, fact: Fact, lang: str) -> tuple[str, ...]:
    """The strings that count as the object in an answer, the usual one first: ("onions", "onion")."""
    entity = world.entities.get(fact.object)
    if entity is None:
        return (fact.object,)
    if lang == "en" and entity.many:
        return (entity.many, entity.en) if entity.kind == "food" else (entity.en, entity.many)
    return (entity.name(lang),)


def spellings(world: World, kind: str) -> dict[str, list[str]]:
    """Entity id -> its names in both languages, for all entities of a kind."""
    return {e.id: [name for name in (e.zh, e.en, e.many) if name] for e in world.of_kind(kind)}


def all_questions(world: World, fact: Fact, lang: str, held_out: bool) -> Iterator[str]:
    """Every question about a fact in its seen or its held-out forms."""
    templates = forms(fact.relation, lang).held_out if held_out else forms(fact.relation, lang).seen
    for template in templates:
        yield question(world, world.entities[fact.subject], fact.relation, lang, template)


def num_objects(world: World, relation: str) -> int:
    """How many objects are possible answers: 1 over it is the chance of a blind guess among them."""
    kind = RELATIONS[relation].object
    if kind != "number":
        return len(world.of_kind(kind))
    return len({fact.object for fact in world.facts if fact.relation == relation})
