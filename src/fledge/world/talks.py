"""Encyclopaedia lines, talks between people of the world, riddles, and the same thing said in both languages."""

from __future__ import annotations

from collections.abc import Sequence

from fledge.world.facts import RELATIONS, SUBJECTS, Entity, Fact, World, subject_weights
from fledge.world.grammar import Word, Writer
from fledge.world.sentences import KINDS, PLAIN, a, clause, refer
from fledge.world.stories import choose_subject, named, scene

_AFTER = {"end": 6, "sentence": 3, "clause": 2}
_MAX_CLAUSES = 4


def choose_fact(w: Writer, facts: Sequence[Fact]) -> Fact:
    """One of the facts of a subject by the weight of its relation."""
    return w.draw.choose(facts, [RELATIONS[fact.relation].weight for fact in facts])


def any_subject(w: Writer, world: World, without: tuple[str, ...] = ()) -> tuple[Entity, float]:
    """A subject of any kind by its share of mentions, and its bits."""
    kind, bits = w.pick(list(SUBJECTS), list(SUBJECTS.values()))
    subject, more = choose_subject(w, world, kind, without)
    return subject, bits + more


def facts(w: Writer, world: World) -> None:
    """One to four facts about one subject: "Mia lives in Lakeside and works as a baker. She was born in May."."""
    subject, bits = any_subject(w, world)
    left = world.told(subject.id, w.lang)
    slots, how = refer(subject, w.lang, "name", bits), "name"
    stop, space, joint = ("。", "", "，") if w.lang == "zh" else (".", " ", " and ")
    joined = False
    for clauses in range(1, _MAX_CLAUSES + 1):
        fact = choose_fact(w, left)
        left.remove(fact)
        kind = clause(w, world, fact, slots, "v" if joined else KINDS[how], joined)
        if not left or clauses == _MAX_CLAUSES:
            break
        options = [after for after in _AFTER if after != "clause" or (kind == "v" and not joined)]
        after = w.draw.choose(options, [_AFTER[option] for option in options])
        if after == "end":
            break
        joined = after == "clause"
        if joined:
            w.add(joint)
        else:
            w.add(stop + space)
            slots, how = refer(subject, w.lang, "pronoun"), "pronoun"
    w.add(stop)


def _asked(world: World, subject: str, lang: str, languages: int = 1) -> list[Fact]:
    return [fact for fact in world.told(subject, lang) if fact.asked and len(fact.languages) >= languages]


def _question(w: Writer, world: World, without: tuple[str, ...] = (), languages: int = 1) -> Fact:
    """Ask about somebody or something by name. Facts that are never asked, or told in too few languages, are left out."""
    kind, bits = w.pick(list(SUBJECTS), list(SUBJECTS.values()))
    silent = tuple(thing.id for thing in world.of_kind(kind) if not _asked(world, thing.id, w.lang, languages))
    subject, more = choose_subject(w, world, kind, (*without, *silent))
    fact = choose_fact(w, _asked(world, subject.id, w.lang, languages))
    clause(w, world, fact, refer(subject, w.lang, "ask", bits + more), KINDS["ask"])
    return fact


def _answer(w: Writer, world: World, fact: Fact, how: str) -> None:
    clause(w, world, fact, refer(world.entities[fact.subject], w.lang, how), KINDS[how])
    w.add("。" if w.lang == "zh" else ".")


def ask(w: Writer, world: World) -> None:
    """A question and its answer: "Where does Mia live? She lives in Lakeside."."""
    fact = _question(w, world)
    w.add("" if w.lang == "zh" else " ")
    _answer(w, world, fact, "pronoun")


def talk(w: Writer, world: World) -> None:
    """Two people: perhaps a greeting, one or two questions (about others, or about the one who answers), perhaps thanks."""
    one, s = named(w, world, "person")
    two, t = named(w, world, "person", (one.id,))
    colon = "：" if w.lang == "zh" else ": "
    turns = 0

    def turn(who: Entity, word: Word) -> None:
        nonlocal turns
        w.add("\n" if turns else "")
        w.word(word if turns < 2 else Word(who.name(w.lang), "state"))
        w.add(colon)
        turns += 1

    if w.draw.choose([True, False], [1, 2]):
        turn(one, s)
        w.say(scene(w.lang, "hello"), t=t)
        turn(two, t)
        w.say(scene(w.lang, "back"), s=Word(s.text, "state"))
    first: Fact | None = None
    for asker, other in ((one, two), (two, one)):
        turn(asker, s)
        own = _asked(world, other.id, w.lang)
        if len(own) > 0 and w.draw.choose([True, False], [1, 2]):
            fact = choose_fact(w, own)
            clause(w, world, fact, refer(other, w.lang, "you"), KINDS["you"])
            how = "I"
        else:
            fact = _question(w, world, (one.id, two.id, first.subject if first else ""))
            how = "pronoun"
        turn(other, t)
        _answer(w, world, fact, how)
        if first or w.draw.choose([True, False], [2, 1]):
            break
        first = fact
    if w.draw.choose([True, False], [1, 2]):
        turn(asker, s)
        w.say(scene(w.lang, "end"))


def riddle(w: Writer, world: World) -> None:
    """Two or three clues about an animal, who speaks them; then its name."""
    w.say(scene(w.lang, "riddle"))
    animals = world.of_kind("animal")
    animal = w.draw.choose(animals, subject_weights("animal", len(animals)))  # what it is shows in the clues
    name = Word(animal.zh if w.lang == "zh" else a(animal.en).capitalize(), "state")
    left = world.told(animal.id, w.lang)
    stop, space = ("。", "") if w.lang == "zh" else (".", " ")
    for clue in range(3):
        if clue == 2 and w.draw.choose([True, False]):
            break
        fact = choose_fact(w, left)
        left.remove(fact)
        clause(w, world, fact, refer(animal, w.lang, "I"), KINDS["I"])
        w.add(stop + space)
    w.say(scene(w.lang, "answer"), one=name)


def pair(w: Writer, world: World) -> None:
    """In one language and then in the other: a word, a sentence about a fact, or a question and its answer."""
    first, second = (w.lang, "en" if w.lang == "zh" else "zh")
    labels = {"zh": "中文：", "en": "English: "}
    what = w.draw.choose(("word", "sentence", "question"), (2, 3, 2))
    w.add(labels[first])
    if what == "word":
        kinds = sorted({thing.kind for thing in world.entities.values()})
        kind, bits = w.pick(kinds)
        thing, more = w.pick(world.of_kind(kind))
        w.word(Word(thing.name(first), "name", bits + more))
        w.add("\n" + labels[second])
        w.word(Word(thing.name(second), "state"))
        return
    if what == "question":
        fact = _question(w, world, languages=2)
        subject = world.entities[fact.subject]
    else:
        subject, bits = any_subject(w, world)
        fact = choose_fact(w, [fact for fact in world.told(subject.id, "en") if len(fact.languages) == 2])
        clause(w, world, fact, refer(subject, first, "name", bits), PLAIN)
        w.add("。" if first == "zh" else ".")
    w.add("\n" + labels[second])
    w.lang = second
    clause(w, world, fact, refer(subject, second, "name"), PLAIN)
    w.add("。" if second == "zh" else ".")
