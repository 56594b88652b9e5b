"""Price lists, sums and word puzzles: small enough that a small model can know every one of them."""

from __future__ import annotations

from fledge.world.facts import MAX_PRICE, World
from fledge.world.grammar import Word, Writer
from fledge.world.lexicon import DAYS
from fledge.world.sentences import person_words
from fledge.world.stories import choose_subject, fact_word, named, scene


def prices(w: Writer, world: World) -> None:
    """Two to four foods with their prices; then often what two of them cost together, or how much dearer one is."""
    w.say(scene(w.lang, "list"))
    comma, stop = ("，", "。") if w.lang == "zh" else (", ", ".")
    listed: list[tuple[str, int]] = []
    for item in range(4):
        if item:
            if item > 1 and w.draw.choose([True, False]):
                break
            w.add(comma)
        food, word = named(w, world, "food", tuple(id for id, _ in listed))
        price = fact_word(w, world, food.id, "price")
        listed.append((food.id, int(price.text)))
        w.say("{x} {n}", x=word, n=price)
    w.add(stop)
    sums = [(x, y) for x in listed for y in listed if x != y and not world.held_out_sum(x[1], y[1])]
    more = [(x, y) for x, y in sums if x[1] > y[1] + 1]
    options = {"end": 2} | ({"total": 4} if sums else {}) | ({"more": 2} if more else {})
    what = w.draw.choose(list(options), list(options.values()))
    if what == "end":
        return
    w.add(" " if w.lang == "en" else "")
    (x, y), bits = w.pick(sums if what == "total" else more)
    names = {"x": x, "y": y}
    slots: dict[str, Word | str] = {}
    for slot, (id, _) in names.items():
        thing = world.entities[id]
        slots[slot] = Word(thing.name(w.lang), "choice", bits if slot == "x" else 0.0)
    slots |= {"a": Word(str(x[1]), "state"), "b": Word(str(y[1]), "state"), "c": Word(str(x[1] + y[1]), "arithmetic")}
    w.say(scene(w.lang, what), slots, d=Word(str(x[1] - y[1]), "arithmetic"))


def sums(w: Writer, world: World) -> None:
    """One to three sums or differences up to 24, in figures or in a little story; held-out pairs never occur."""
    for number in range(3):
        if number:
            if w.draw.choose([True, False]):
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
        slots = {"day": Word(day[0 if w.lang == "zh" else 1], "choice", day_bits), "n": Word(str(degrees), "choice", bits)}
        w.say(scene(w.lang, "weather"), slots, p=place)


def game(w: Writer, world: World) -> None:
    """Two people draw cards from 1 to 9; the higher card wins."""
    one, s = named(w, world, "person")
    two, t = named(w, world, "person", (one.id,))
    (a, a_bits), (b, b_bits) = w.pick(range(1, 10)), w.pick(range(1, 10))
    w.say(scene(w.lang, "game"), s=s, t=t, a=Word(str(a), "choice", a_bits), b=Word(str(b), "choice", b_bits))
    if a == b:
        w.say(scene(w.lang, "tie"))
    else:
        w.say(scene(w.lang, "won"), winner=Word((one if a > b else two).name(w.lang), "arithmetic"))


_PUZZLE_KINDS = ("animal", "food", "colour", "job", "month")


def puzzle(w: Writer, world: World) -> None:
    """Find the word of another kind, or count words."""
    comma = "、" if w.lang == "zh" else ", "
    kind, kind_bits = w.pick(_PUZZLE_KINDS)
    if w.draw.choose([True, False], [2, 1]):
        other, other_bits = w.pick([k for k in _PUZZLE_KINDS if k != kind])
        at, at_bits = w.pick(range(4))
        words: list[Word] = []
        for i in range(4):
            options = [e for e in world.of_kind(other if i == at else kind) if e.name(w.lang) not in {x.text for x in words}]
            thing, bits = w.pick(options)
            extra = kind_bits * (i == (at == 0)) + (other_bits + at_bits) * (i == at)
            words.append(Word(thing.name(w.lang), "name", bits + extra))
        answer = Word(words[at].text, "state")
        _list(w, "odd", words, comma, odd=answer)
    else:
        thing, bits = w.pick(world.of_kind(kind))
        n, n_bits = w.pick(range(2, 8))
        words = [Word(thing.name(w.lang), "name", bits + kind_bits)] + [Word(thing.name(w.lang), "state") for _ in range(n - 1)]
        _list(w, "count", words, comma, n=Word(str(n), "arithmetic", n_bits))


def _list(w: Writer, name: str, words: list[Word], comma: str, **slots: Word) -> None:
    """Say a scene whose {list} is a row of words."""
    form = scene(w.lang, name)
    which = w.draw.choose(form.templates, form.weights)
    for part in which:
        if isinstance(part, str):
            w.add(part)
        elif part.name == "list":
            for i, word in enumerate(words):
                if i:
                    w.add(comma)
                w.word(word)
        else:
            w.word(slots[part.name])
