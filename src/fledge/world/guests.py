"""Strangers: a name that nobody has read before, and that is said again.

The first time it costs the bits of its drawing; after that it is known from the text, and whoever has learnt to copy pays nothing.
"""

from __future__ import annotations

from fledge.world.facts import RELATIONS, World
from fledge.world.grammar import Forms, Word, Writer
from fledge.world.sentences import ask_in_vain
from fledge.world.stories import named, scene
from fledge.world.strangers import made_names

_MOST = 3
_RELATIONS = [r.name for r in RELATIONS.values() if r.subject == "person" != r.object]


def guest(w: Writer, world: World) -> None:
    """A visit, a roll call, the rooms of an inn, or a question about somebody whom nobody knows."""
    w.draw.choose(list(SORTS), list(SORTS.values()))(w, world)


def _stranger(w: Writer, world: World) -> tuple[str, float]:
    return w.pick(made_names(world, w.lang))


def _visit(w: Writer, world: World) -> None:
    """Who came, and one to three different sentences, each of which says the name again."""
    name, bits = _stranger(w, world)
    w.say(scene(w.lang, "guest"), n=Word(name, "name", bits), p=named(w, world, "place")[1])
    more = scene(w.lang, "guest_next")
    left = dict(zip(more.templates, more.weights))
    for sentence in range(_MOST):
        if sentence and w.draw.choose([True, False]):
            break
        form = w.draw.choose(list(left), list(left.values()))
        del left[form]
        w.add(" " if w.lang == "en" else "")
        w.say(Forms((form,), (1,)), n=Word(name, "state"))


def _roll(w: Writer, world: World) -> None:
    """Three to five names are called, and answer in the same order."""
    comma, stop = ("、", "。") if w.lang == "zh" else (", ", ".")
    names: list[str] = []
    w.say(scene(w.lang, "roll"))
    while len(names) < 3 or (len(names) < 5 and w.draw.choose([True, False])):
        w.add(comma if names else "")
        name, bits = _stranger(w, world)
        w.word(Word(name, "name", bits))
        names.append(name)
    w.add(stop + " " * (w.lang == "en"))
    w.say(scene(w.lang, "here"))
    for at, name in enumerate(names):
        w.add(comma if at else "")
        w.word(Word(name, "state"))
    w.add(stop)


def _rooms(w: Writer, world: World) -> None:
    """Two or three guests, and the room of each in the same order."""
    comma, stop = ("，", "。") if w.lang == "zh" else (", ", ".")
    names: list[str] = []

    def listed() -> None:
        while len(names) < 2 or (len(names) < 3 and w.draw.choose([True, False])):
            if names:
                w.add("、" if w.lang == "zh" else ", ")
            name, bits = _stranger(w, world)
            w.word(Word(name, "name", bits))
            names.append(name)

    w.say(scene(w.lang, "rooms"), p=named(w, world, "place")[1], list=listed)
    for at, name in enumerate(names):
        w.add(comma if at else " " if w.lang == "en" else "")
        room, bits = w.pick(range(1, 10))
        w.say(scene(w.lang, "room"), n=Word(name, "state"), r=Word(str(room), "choice", bits))
    w.add(stop)


def _in_vain(w: Writer, world: World) -> None:
    """A question about a stranger, and what those say who cannot answer."""
    name, bits = _stranger(w, world)
    ask_in_vain(w, name, w.draw.choose(_RELATIONS), bits)
    w.add(" " if w.lang == "en" else "")
    w.say(scene(w.lang, "in_vain"), n=Word(name, "state"))


SORTS = {_visit: 2, _roll: 2, _rooms: 1, _in_vain: 2}
