"""Strangers: a name that nobody has read before, and that is said again.

The first time it costs the bits of its drawing; after that it is known from the text, and whoever has learnt to copy pays nothing.
"""

from __future__ import annotations

from fledge.world.facts import RELATIONS, World
from fledge.world.grammar import Forms, Word, Writer
from fledge.world.sentences import ask_in_vain
from fledge.world.stories import named, scene
from fledge.world.strangers import made_name

_MOST = 3
_RELATIONS = [r.name for r in RELATIONS.values() if r.subject == "person" != r.object]


def guest(w: Writer, world: World) -> None:
    """A visit, or a question about somebody whom nobody knows."""
    w.draw.choose(list(SORTS), list(SORTS.values()))(w, world)


def _stranger(w: Writer, world: World) -> Word:
    name, bits = w.pick_by(lambda draw: made_name(draw, world, w.lang))
    return Word(name, "name", bits)


def _visit(w: Writer, world: World) -> None:
    """Who came, and one to three different sentences, each of which says the name again."""
    name = _stranger(w, world)
    w.say(scene(w.lang, "guest"), n=name, p=named(w, world, "place")[1])
    more = scene(w.lang, "guest_next")
    left = dict(zip(more.templates, more.weights))
    for sentence in range(_MOST):
        if sentence and w.draw.choose([True, False]):
            break
        form = w.draw.choose(list(left), list(left.values()))
        del left[form]
        w.add(" " if w.lang == "en" else "")
        w.say(Forms((form,), (1,)), n=Word(name.text, "state"))


def _in_vain(w: Writer, world: World) -> None:
    """A question about a stranger, and what those say who cannot answer."""
    name = _stranger(w, world)
    ask_in_vain(w, name.text, w.draw.choose(_RELATIONS), name.spend())
    w.add(" " if w.lang == "en" else "")
    w.say(scene(w.lang, "in_vain"), n=Word(name.text, "state"))


SORTS = {_visit: 1, _in_vain: 2}
