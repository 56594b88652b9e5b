"""A number with its uncertainty: how far n answers, or n documents, pin it down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Z_95 = 1.959964  # standard normal quantile of 0.975


def wilson(count: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927), 95 % by default; (0, 1) when nothing was asked.

    Unlike p ± z·sqrt(p(1-p)/n) it stays inside [0, 1] and is honest at 0 and at n of n.
    """
    if n == 0:
        return 0.0, 1.0
    p, z2 = count / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Rate:
    """`count` of `n`, beside what blind guessing would get."""

    count: int
    n: int
    chance: float

    @property
    def value(self) -> float:
        return self.count / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.count, self.n)

    def to_dict(self) -> dict[str, Any]:
        low, high = self.interval
        value = self.value if self.n else None
        return {"value": value, "low": low, "high": high, "count": self.count, "n": self.n, "chance": self.chance}


class Bits:
    """What a model paid for some kind of text, beside the floor: the bits that even full knowledge of the world costs."""

    def __init__(self) -> None:
        self._parts: list[tuple[float, float, int]] = []  # of every document: the model's bits, the floor's, bytes

    def add(self, bits: float, floor_bits: float, num_bytes: int) -> None:
        """Add one document (or its share of this kind)."""
        self._parts.append((bits, floor_bits, num_bytes))

    @property
    def bytes(self) -> int:
        return sum(num_bytes for _, _, num_bytes in self._parts)

    @property
    def bpb(self) -> float:
        """The model's bits per byte."""
        return sum(bits for bits, _, _ in self._parts) / self.bytes

    @property
    def floor(self) -> float:
        """The world's bits per byte."""
        return sum(floor for _, floor, _ in self._parts) / self.bytes

    @property
    def half_width(self) -> float:
        """95 % interval of `bpb` as ± : documents are the sample (delta method for a ratio of two sums)."""
        n = len(self._parts)
        if n < 2:
            return math.inf
        bpb = self.bpb
        squares = sum((bits - bpb * num_bytes) ** 2 for bits, _, num_bytes in self._parts)
        return Z_95 * math.sqrt(squares * n / (n - 1)) / self.bytes

    def to_dict(self) -> dict[str, Any]:
        return {
            "bpb": self.bpb,
            "plus_minus": self.half_width if math.isfinite(self.half_width) else None,
            "floor": self.floor,
            "above_floor": self.bpb / self.floor - 1 if self.floor > 0 else None,
            "bytes": self.bytes,
            "n": len(self._parts),
        }
