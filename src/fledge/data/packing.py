"""Packing: which stretches of which documents share a row.

The unit is the *pair* (input token, target token): an example of n tokens has n - 1 of them, and pair p of document d
reads token p and predicts token p + 1. A stretch of a document is (document, first pair, number of pairs). A cut
therefore never loses a
target: the second stretch's first input is the token that the first one predicted last.

Best fit (Ding et al. 2024, "Fewer Truncations Improve Language Modeling") over a window of stretches: a row begins
with the oldest, so that nothing waits for long and the order stays random; then always the longest that still fits.
When none does, either the shortest is cut and its rest goes back to the window (pretraining: rows are full), or the
row is closed (SFT).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

WINDOW = 512  # stretches to choose from


class Stretch(NamedTuple):
    document: int
    start: int
    size: int


class Packer:
    """Fills rows of `capacity` pairs from a window of stretches that the caller keeps supplied."""

    def __init__(self, capacity: int, crop: bool, window: int = WINDOW) -> None:
        self.capacity, self.crop, self.window = capacity, crop, window
        self.waiting: dict[int, Stretch] = {}  # by arrival number, oldest first
        self.sizes: list[tuple[int, int]] = []  # (size, -arrival), sorted: the longest that fits, the oldest of equals
        self.arrivals = 0

    def wanted(self) -> int:
        """How many stretches the window has room for."""
        return max(0, self.window - len(self.waiting))

    def add(self, stretch: Stretch) -> None:
        self.waiting[self.arrivals] = stretch
        insort(self.sizes, (stretch.size, -self.arrivals))
        self.arrivals += 1

    def row(self) -> list[Stretch]:
        """The stretches of the next row; empty when nothing is waiting."""
        row: list[Stretch] = []
        room = self.capacity
        while room and self.waiting:
            if not row:
                arrival = next(iter(self.waiting))
            elif self.sizes[0][0] <= room:
                arrival = -self.sizes[bisect_right(self.sizes, (room, 1)) - 1][1]
            elif self.crop:  # all are longer: cutting the shortest costs the fewest tokens their context
                arrival = -self.sizes[0][1]
            else:
                break
            stretch = self._take(arrival)
            if stretch.size > room:  # cut; the rest waits again
                self.add(Stretch(stretch.document, stretch.start + room, stretch.size - room))
                stretch = stretch._replace(size=room)
            row.append(stretch)
            room -= stretch.size
        return row

    def _take(self, arrival: int) -> Stretch:
        stretch = self.waiting.pop(arrival)
        del self.sizes[bisect_right(self.sizes, (stretch.size, -arrival)) - 1]
        return stretch

    def state_dict(self) -> dict:
        return {"arrivals": self.arrivals, "waiting": [[arrival, *s] for arrival, s in self.waiting.items()]}

    def load_state_dict(self, state: dict) -> None:
        self.arrivals = state["arrivals"]
        self.waiting = {arrival: Stretch(*s) for arrival, *s in state["waiting"]}
        self.sizes = sorted((s.size, -arrival) for arrival, s in self.waiting.items())


def stretches(
    sizes: np.ndarray, capacity: int, *, cut: bool, generator: np.random.Generator | None = None
) -> np.ndarray:
    """One pass over all documents as int64 [n, 3] of (document, first pair, number of pairs).

    Args:
        sizes: pairs of every document; documents with 0 pairs are left out.
        cut: documents longer than a row are cut into rows (True) or shortened to one (False).
        generator: shuffles, and draws the phase of every cut (so that the cuts lie elsewhere in every epoch); None:
            in order, cut at multiples of `capacity`.
    """
    documents = np.flatnonzero(sizes > 0)
    if not cut:
        table = np.stack([documents, np.zeros_like(documents), np.minimum(sizes[documents], capacity)], 1)
    else:
        short = documents[sizes[documents] <= capacity]
        parts = [np.stack([short, np.zeros_like(short), sizes[short]], 1)]
        for document in documents[sizes[documents] > capacity]:
            first = capacity if generator is None else int(generator.integers(1, capacity + 1))
            starts = np.concatenate([[0], np.arange(first, sizes[document], capacity)])
            ends = np.append(starts[1:], sizes[document])
            parts.append(np.stack([np.full_like(starts, document), starts, ends - starts], 1))
        table = np.concatenate(parts)
        if generator is None:
            table = table[np.lexsort((table[:, 1], table[:, 0]))]
    table = table.astype(np.int64)
    return table if generator is None else generator.permutation(table)


def fill(packer: Packer, source: Iterator[Stretch]) -> None:
    """Top the window up; at the end of the source it runs empty."""
    for _ in range(packer.wanted()):
        stretch = next(source, None)
        if stretch is None:
            return
        packer.add(stretch)
