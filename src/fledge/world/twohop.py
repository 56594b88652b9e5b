"""Questions over two facts: "What is the job of Anna's husband?" No conversation asks them; half are tasks, half are probes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fledge.world.draw import Draw
from fledge.world.facts import RELATIONS, Size, World
from fledge.world.questions import answer, forms, num_objects, short_answer, spoken, subject_slots

_KIN = {"zh": "{s}的{kin}", "en": "{s}'s {kin}"}
_HOME = {"zh": "{s}住的地方", "en": "the town where {s} lives"}
FIRST = {"spouse": _KIN, "father": _KIN, "mother": _KIN, "older": _KIN, "younger": _KIN, "home": _HOME}
SECOND = {"person": ("job", "food", "colour", "pet", "month"), "place": ("sight",)}


@dataclass(frozen=True)
class TwoHop:
    """`answers` are the accepted names of `object`, an entity of kind `kind`; `chance` is a blind guess among its kind.
    `steps` says both facts, `reply` only the object."""

    text: str
    answers: tuple[str, ...]
    object: str
    kind: str
    chance: float
    steps: tuple[str, str]
    reply: str


def two_hop_questions(world: World, lang: str, *, held_out: bool) -> list[TwoHop]:
    """All two-hop questions whose two facts are told in `lang` and asked alone; `held_out` picks the half kept for measuring."""
    return _questions(world.size, world.seed, lang, held_out)


@lru_cache(maxsize=16)
def _questions(size: Size, seed: int, lang: str, held_out: bool) -> list[TwoHop]:
    world = World.build(size, seed)  # size and seed are all that a world is
    found = []
    for fact in world.facts:
        if fact.relation not in FIRST or not (fact.asked and lang in fact.languages):
            continue
        middle = world.entities[fact.object]
        phrase = FIRST[fact.relation][lang].format(
            **subject_slots(world, world.entities[fact.subject], fact.relation, lang)
        )
        for relation in SECOND[middle.kind]:
            second = world.fact(middle.id, relation)
            if second is None or not (second.asked and lang in second.languages):
                continue
            if (Draw("two hop", world.seed, fact.subject, fact.relation, relation).below(2) == 0) != held_out:
                continue
            slots = subject_slots(world, middle, relation, lang) | {"s": phrase}
            text = forms(relation, lang).seen[0].format(**slots)
            kind, chance = RELATIONS[relation].object, 1 / num_objects(world, relation)
            steps = answer(world, fact, lang), answer(world, second, lang)
            reply = short_answer(world, second, lang)
            found.append(TwoHop(text, spoken(world, second, lang), second.object, kind, chance, steps, reply))
    return found


def traces(world: World, lang: str, *, thinking: bool = True) -> list[dict[str, object]]:
    """Conversations on the half that is not kept for measuring: the question, both facts as thoughts, and the answer; or without
    the thoughts, to compare with."""
    gap = "" if lang == "zh" else " "
    rows: list[dict[str, object]] = []
    for asked in two_hop_questions(world, lang, held_out=False):
        said = {"role": "assistant", "content": asked.reply}
        if thinking:
            said["reasoning_content"] = gap.join(asked.steps)
        rows.append({"conversations": [{"role": "user", "content": asked.text}, said]})
    return rows
