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
    """A visit, or a question about somebody whom nobody knows, and one to three different sentences that say the name again."""
    name, bits = w.pick_by(lambda draw: made_name(draw, world, w.lang))
    first = Word(name, "name", bits)
    if w.draw.choose((True, False), (1, 2)):
        w.say(scene(w.lang, "guest"), n=first, p=named(w, world, "place")[1])
        more = scene(w.lang, "guest_next")
    else:
        ask_in_vain(w, name, w.draw.choose(_RELATIONS), first.spend())
        more = scene(w.lang, "in_vain")
    left = dict(zip(more.templates, more.weights))
    for sentence in range(_MOST):
        if sentence and w.draw.choose([True, False], [2, 1]):
            break
        form = w.draw.choose(list(left), list(left.values()))
        del left[form]
        w.add(" " if w.lang == "en" else "")
        w.say(Forms((form,), (1,)), n=Word(name, "state"))
