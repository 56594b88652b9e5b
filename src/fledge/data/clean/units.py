"""A text as numbers: one 64-bit hash a unit, and one an n-gram.

A unit is a Chinese (or Japanese) character, or a run of letters and digits of any other script: the word in English,
the character in Chinese, and in mixed text each where it stands. Case, punctuation and white space do not count.
The hashes depend on the text alone, so that two runs, and two machines, find the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

SPACE, MARK, DIGIT, LATIN, HAN, KANA, OTHER = range(7)  # classes of characters
ODD = np.uint64(0x9E3779B97F4A7C15)


def _classes() -> NDArray[np.uint8]:
    """Class of every code point. Scripts by their Unicode blocks; what is in none of them is a mark."""
    table = np.full(0x110000, MARK, np.uint8)
    blocks = {
        SPACE: [(0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x2000, 0x200B), (0x2028, 0x2029), (0x3000, 0x3000)],
        DIGIT: [(0x30, 0x39), (0xFF10, 0xFF19)],
        LATIN: [
            (0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xB5, 0xB5), (0xBA, 0xBA), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x2AF),
            (0x300, 0x36F), (0x1E00, 0x1EFF), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A),
        ],
        HAN: [(0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)],
        KANA: [(0x3041, 0x3096), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9D)],
        OTHER: [(0x370, 0x1CFF), (0x1F00, 0x1FFF), (0x2C00, 0x2DFF), (0x3100, 0x31BF), (0xA000, 0xABFF), (0xAC00, 0xD7FF),
                (0xFB00, 0xFDFF), (0xFE70, 0xFEFE), (0x10000, 0x1CFFF), (0x1E000, 0x1E8FF)],
    }  # fmt: skip
    for kind, spans in blocks.items():
        for first, last in spans:
            table[first : last + 1] = kind
    return table


def _powers(count: int) -> Hashes:
    return np.cumprod(np.full(count, ODD, np.uint64), dtype=np.uint64)


CLASSES = _classes()
POWERS = _powers(64)


def codes_of(text: str) -> NDArray[np.uint32]:
    """The code points. Half a surrogate pair, which is no character, counts as one that is unknown."""
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)


def mix(values: Hashes) -> Hashes:
    """Spread 64-bit values over all bits (the finalizer of SplitMix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def unit_hashes(text: str) -> Hashes:
    """One hash a unit, in order: the sum of its code points times powers of an odd number, mixed."""
    codes = codes_of(text.lower())
    if not codes.size:
        return np.empty(0, np.uint64)
    kinds = CLASSES[codes]
    inside = kinds >= DIGIT
    alone = (kinds == HAN) | (kinds == KANA)
    starts = inside.copy()
    starts[1:] &= ~inside[:-1] | alone[1:] | alone[:-1]
    kept = np.flatnonzero(inside)
    if not kept.size:
        return np.empty(0, np.uint64)
    begins = np.flatnonzero(starts[kept])  # among the kept characters, where a unit begins
    sizes = np.empty_like(begins)
    sizes[:-1] = begins[1:] - begins[:-1]
    sizes[-1] = kept.size - begins[-1]
    place = np.arange(kept.size) - np.repeat(begins, sizes)
    longest = int(sizes.max())
    powers = POWERS[:longest] if longest <= POWERS.size else _powers(longest)
    return mix(np.add.reduceat(codes[kept].astype(np.uint64) * powers[place], begins))


def ngrams(units: Hashes, n: int) -> Hashes:
    """One hash for every `n` units in a row (none when there are fewer)."""
    count = units.size - n + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    total = np.zeros(count, np.uint64)
    for at in range(n):
        total = total * ODD + units[at : at + count]
    return mix(total)
