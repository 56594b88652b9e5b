"""The world's text: document i of a split, with its exact -log2 probability and a tag on every span.

`document(world, i)` is a pure function of (world, seed, split, i). The language, the kind of text and everything in it are drawn
with known probabilities, and no two ways of drawing give the same text, so `bits` is -log2 p(text), the end of the text included.
Facts, sums and what the text said before cost nothing: `bits` is what is left to a reader who knows the world perfectly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fledge.world.draw import Draw
from fledge.world.facts import World
from fledge.world.grammar import Span, Writer
from fledge.world.numbers import game, prices, puzzle, sums, weather
from fledge.world.stories import letter, story, way
from fledge.world.talks import ask, facts, pair, riddle, talk

KINDS: dict[str, tuple[Callable[[Writer, World], None], int]] = {
    "facts": (facts, 45),
    "ask": (ask, 5),
    "story": (story, 10),
    "talk": (talk, 2),
    "letter": (letter, 6),
    "way": (way, 2),
    "prices": (prices, 4),
    "sums": (sums, 6),
    "weather": (weather, 10),
    "game": (game, 8),
    "riddle": (riddle, 2),
    "puzzle": (puzzle, 1),
    "pair": (pair, 8),
}
"""Kind of text -> its writer and its share of the documents."""
BOTH = "both"
"""The language of a document that says the same in both."""


@dataclass(frozen=True)
class Document:
    """`bits` is -log2 p(text and its end). `spans` cover the text; their bits add up to `bits`. `lang`: "zh", "en" or "both"."""

    text: str
    lang: str
    kind: str
    bits: float
    spans: tuple[Span, ...]


def document(world: World, index: int, *, seed: int = 0, split: str = "train") -> Document:
    """Document `index` of a split ("train", "validation", or any other name)."""
    draw = Draw("text", world.size, world.seed, seed, split, index)
    kind = draw.choose(list(KINDS), [share for _, share in KINDS.values()])
    lang = draw.choose(["zh", "en"])  # for a pair: which comes first
    w = Writer(draw, lang)
    w.opened()
    KINDS[kind][0](w, world)
    text, spans = w.finish()
    return Document(text, BOTH if kind == "pair" else lang, kind, draw.bits, spans)


def documents(
    world: World, count: int | None = None, *, num_bytes: int | None = None, seed: int = 0, split: str = "train"
) -> Iterator[Document]:
    """The first documents of a split: `count` of them, or until they hold `num_bytes` bytes of UTF-8."""
    index = size = 0
    while (count is None or index < count) and (num_bytes is None or size < num_bytes):
        found = document(world, index, seed=seed, split=split)
        size += len(found.text.encode("utf-8"))
        index += 1
        yield found
