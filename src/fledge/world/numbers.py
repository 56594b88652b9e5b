"""Price lists, sums and word puzzles: small enough that a small model can know every one of them."""

from __future__ import annotations

from fledge.world.facts import MAX_PRICE, World
from fledge.world.grammar import Word, Writer
from fledge.world.lexicon import DAYS
from fledge.world.sentences import person_words
from fledge.world.stories import choose_subject, fact_word, named, scene


def prices(w: Writer, world: World) -> None:
    """Two to four foods with their prices; with two, often what they cost together."""
    w.say(scene(w.lang, "list"))
    comma, stop = ("，", "。") if w.lang == "zh" else (", ", ".")
    listed: dict[str, int] = {}
    while len(listed) < 2 or (len(listed) < 4 and w.draw.choose([True, False])):
        if listed:
            w.add(comma)
        food, word = named(w, world, "food", tuple(listed))
        price = fact_word(w, world, food.id, "price")
        listed[food.id] = int(price.text)
        w.say("{x} {n}", x=word, n=price)
    w.add(stop)
    if len(listed) == 2 and not world.held_out_sum(*listed.values()) and w.draw.choose([True, False], [3, 1]):
        w.add(" " if w.lang == "en" else "")
        w.say(scene(w.lang, "total"), c=Word(str(sum(listed.values())), "arithmetic"))


def sums(w: Writer, world: World) -> None:
    """One to three sums or differences up to 20, in figures or in a little story; held-out pairs never occur."""
    for number in range(3):
        if number:
            if w.draw.choose([True, False], [2, 1]):
                break
            w.add("\n")
        what = w.draw.choose(["plus", "minus", "gets", "eats"], [4, 3, 2, 2])
        a, a_bits = w.pick(range(2, MAX_PRICE + 1))
        b, b_bits = w.pick([n for n in range(2, MAX_PRICE + 1) if not world.held_out_sum(a, n)])
        taken = what in ("minus", "eats")  # c - a = b: c is free and b follows
        slots: dict[str, Word | str] = {
            "a": Word(str(a), "choice", a_bits),
            "b": Word(str(b), "arithmetic") if taken else Word(str(b), "choice", b_bits),
            "c": Word(str(a + b), "choice", b_bits) if taken else Word(str(a + b), "arithmetic"),
        }
        if what in ("gets", "eats"):
            person, name = named(w, world, "person")
            food, bits = choose_subject(w, world, "food")
            slots |= person_words(person, w.lang)
            slots |= {"s": name, "m": food.measure}
            slots["things"] = Word(food.zh if w.lang == "zh" else food.many, "choice", bits)
        w.say(scene(w.lang, what), slots)


def weather(w: Writer, world: World) -> None:
    """The weather of a day in one or two places."""
    for report in range(2):
        if report:
            if w.draw.choose([True, False], [2, 1]):
                break
            w.add("\n")
        _, place = named(w, world, "place")
        day, day_bits = w.pick(DAYS)
        degrees, bits = w.pick(range(2, 32))
        slots = {
            "day": Word(day[0 if w.lang == "zh" else 1], "choice", day_bits),
            "n": Word(str(degrees), "choice", bits),
        }
        w.say(scene(w.lang, "weather"), slots, p=place)


def game(w: Writer, world: World) -> None:
    """Two people draw cards from 1 to 9; the higher card wins."""
    one, s = named(w, world, "person")
    _, t = named(w, world, "person", (one.id,))
    (a, a_bits), (b, b_bits) = w.pick(range(1, 10)), w.pick(range(1, 10))
    w.say(scene(w.lang, "game"), s=s, t=t, a=Word(str(a), "choice", a_bits), b=Word(str(b), "choice", b_bits))
    if a == b:
        w.say(scene(w.lang, "tie"))
    else:
        w.say(scene(w.lang, "won"), high=Word(str(max(a, b)), "arithmetic"))


_PUZZLE_KINDS = ("animal", "food", "colour", "job", "month")


def puzzle(w: Writer, world: World) -> None:
    """Find the word of another kind, or count words."""
    comma = "、" if w.lang == "zh" else ", "
    kind, kind_bits = w.pick(_PUZZLE_KINDS)
    said: list[str] = []

    def different_words() -> None:
        for i in range(4):
            if i:
                w.add(comma)
            options = [thing.name(w.lang) for thing in world.of_kind(other if i == at else kind)]
            text, bits = w.pick([text for text in options if text not in said])
            bits += kind_bits * (i == 0) + other_bits * (i == at)
            said.append(text)
            w.word(Word(text, "name", bits))

    def one_word() -> None:
        thing, bits = w.pick(world.of_kind(kind))
        while len(said) < 2 or (len(said) < 7 and w.draw.choose([True, False], [2, 1])):
            if said:
                w.add(comma)
            w.word(Word(thing.name(w.lang), "state") if said else Word(thing.name(w.lang), "name", kind_bits + bits))
            said.append(thing.name(w.lang))

    if w.draw.choose([True, False], [2, 1]):
        at = w.draw.below(4)
        other, other_bits = w.pick([k for k in _PUZZLE_KINDS if k != kind])
        w.say(scene(w.lang, "odd"), list=different_words, odd=lambda: w.word(Word(said[at], "state")))
    else:
        w.say(scene(w.lang, "count"), list=one_word, n=lambda: w.word(Word(str(len(said)), "arithmetic")))
