"""The world's only source of randomness: a small generator that gives the same numbers on every machine, and counts bits.

SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014) seeded by a hash of what is
being drawn. So document 17 is a pure function of (world, split, 17): documents can be written in any order, by any number of
workers, on any Python. Every choice adds -log2 of its probability to `bits`: when the choices that led to a text are the only
ones that can lead to it, `bits` is exactly -log2 p(text).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")
_MASK = (1 << 64) - 1


@lru_cache(maxsize=4096)
def surprise(weight: int, total: int) -> float:
    """Bits of an option that has `weight` of `total`."""
    return math.log2(total / weight)


class Draw:
    """A seeded sequence of choices. `bits` is the sum of -log2 p over all choices so far."""

    def __init__(self, *key: object) -> None:
        digest = hashlib.sha256("/".join(map(str, key)).encode("utf-8")).digest()
        self._state = int.from_bytes(digest[:8], "big")
        self.bits = 0.0

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def _below(self, n: int) -> int:
        """A number in 0..n-1, every one exactly equally likely (numbers past the last whole multiple of n are drawn again)."""
        limit = (1 << 64) - (1 << 64) % n
        while (z := self._next()) >= limit:
            pass
        return z % n

    def below(self, n: int) -> int:
        """A number in 0..n-1; adds log2 n bits."""
        if n > 1:
            self.bits += surprise(1, n)
        return self._below(n)

    def choose(self, options: Sequence[T], weights: Sequence[int] | None = None) -> T:
        """One of `options`; `weights` are whole numbers (equal when absent). One option alone costs no bits."""
        if weights is None:
            return options[self.below(len(options))]
        total = sum(weights)
        at = self._below(total)
        for option, weight in zip(options, weights):
            if at < weight:
                self.bits += surprise(weight, total)
                return option
            at -= weight
        raise AssertionError("weights changed while drawing")

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options, in the order drawn; adds the bits of that order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def shuffle(self, options: Sequence[T]) -> list[T]:
        """All options in a random order."""
        return self.sample(options, len(options))
