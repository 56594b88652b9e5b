"""How alike two instructions are: ROUGE-L, the longest common subsequence of their words (Lin, 2004)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNIT = re.compile(r"[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+")


def units(text: str) -> list[str]:
    """Words without case, and Chinese characters one by one."""
    return _UNIT.findall(text.lower())


def lcs(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    One row of the usual table is kept as the bits of a number: bit i is 0 where the row rises at `a[i]`. A unit of `b` moves
    every rise to the earliest match, which one addition does for the whole row at once (Hyyrö, 2004).
    """
    places: dict[str, int] = {}
    for i, unit in enumerate(a):
        places[unit] = places.get(unit, 0) | 1 << i
    full = (1 << len(a)) - 1
    row = full
    for unit in b:
        match = row & places.get(unit, 0)
        row = (row + match | row - match) & full
    return len(a) - row.bit_count()


def rouge_l(a: Sequence[str], b: Sequence[str]) -> float:
    """F1 of the longest common subsequence, from 0 to 1; 0 for an empty side."""
    return 2 * lcs(a, b) / (len(a) + len(b)) if a and b else 0.0


class Novel:
    """Texts that are all unlike each other: Self-Instruct keeps one whose ROUGE-L with each of the others is below 0.7."""

    def __init__(self, most: float) -> None:
        self.most, self._kept = most, list[list[str]]()

    def add(self, text: str, always: bool = False) -> bool:
        """Whether it is new enough, and so kept; `always` keeps it anyway."""
        own = units(text)
        if not always and (not own or any(self._near(own, other) for other in self._kept)):
            return False
        self._kept.append(own)
        return True

    def _near(self, a: list[str], b: list[str]) -> bool:
        shorter, longer = sorted((len(a), len(b)))
        bound = 2 * shorter / (shorter + longer) if longer else 0.0  # it can be no more
        return bound >= self.most and rouge_l(a, b) >= self.most
