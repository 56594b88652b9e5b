"""Copies: exact ones by a hash of the normalised text, near ones by MinHash and locality-sensitive hashing.

Two texts are near copies when the sets of their shingles (5 units in a row: words in English, characters in Chinese)
share much: Jaccard = |A ∩ B| / |A ∪ B|. Under a random order of all shingles, both sets have the same smallest one with
just that probability (Broder 1997), so that the share of equal minima under 100 orders estimates it, ± 0.04 at 0.8.
To compare all pairs would take N² / 2 comparisons. The minima are therefore cut into 20 bands of 5; texts are compared
when one band agrees, which happens for 1 - (1 - J⁵)²⁰: 0.9996 of the pairs at Jaccard 0.8, 0.98 at 0.7, 0.05 at 0.3.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fledge.data.clean.units import Hashes, mix, ngrams

SHINGLE = 5
BANDS, ROWS = 20, 5
PERMUTATIONS = BANDS * ROWS
MIN_UNITS = 20  # of a text that may be a near copy: 你是谁 and 你叫什么 with one answer are two rows
BLOCK = 4096  # shingles permuted at once, so that a book does not take gigabytes
COMPARED = 256  # kept texts of one bucket that a new one is compared with

_ORDER = mix(np.arange(1, 2 * PERMUTATIONS + 1, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95))
FACTORS, SHIFTS = _ORDER[:PERMUTATIONS] | np.uint64(1), _ORDER[PERMUTATIONS:]

Signature = NDArray[np.uint16]


def exact_key(text: str) -> int:
    """64 bits of the text without regard to case and white space. Two of 10 million texts agree by chance once in 370,000 sets."""
    plain = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def signature(units: Hashes) -> Signature | None:
    """uint16[100]: the low bits of the smallest shingle under each order; None for a text without a shingle."""
    shingles = ngrams(units, SHINGLE)
    if not shingles.size:
        return None
    least = np.full(PERMUTATIONS, np.iinfo(np.uint64).max, np.uint64)
    for start in range(0, shingles.size, BLOCK):
        block = shingles[start : start + BLOCK, None]
        np.minimum(least, (block * FACTORS + SHIFTS).min(axis=0), out=least)
    return mix(least).astype(np.uint16)  # mixed: the smallest of many numbers has few different high bits


class NearCopies:
    """Signatures of all rows that came so far (200 bytes each), to be searched at the end."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.rows = array("q")

    def add(self, row: int, units: Hashes) -> None:
        """Remember the row of this number; a text of fewer than 20 units is not compared."""
        found = signature(units) if units.size >= MIN_UNITS else None
        if found is not None:
            self.rows.append(row)
            self._bytes += found.tobytes()

    def copies(self, least: float) -> Iterator[tuple[int, int, float]]:
        """(row, earlier row that stays, similarity): the rows to drop, in order.

        A row is compared with the rows before it that stay, so that a chain of small changes does not pull in a text
        that is far from the first, and a second cleaning finds nothing more.
        """
        signatures = np.frombuffer(self._bytes, np.uint16).reshape(-1, PERMUTATIONS)
        row_of, bucket_of = _shared_buckets(signatures)
        members: dict[int, list[int]] = {}
        edges = np.flatnonzero(np.diff(row_of, prepend=-1))
        for start, end in zip(edges, [*edges[1:], row_of.size]):
            row = int(row_of[start])
            buckets = bucket_of[start:end].tolist()
            others = sorted({other for bucket in buckets for other in members.get(bucket, ())})
            if others:
                equal = (signatures[others] == signatures[row]).mean(axis=1)
                best = int(equal.argmax())
                if equal[best] >= least:
                    yield self.rows[row], self.rows[others[best]], float(equal[best])
                    continue
            for bucket in buckets:
                if len(inside := members.setdefault(bucket, [])) < COMPARED:
                    inside.append(row)


def _shared_buckets(signatures: NDArray[np.uint16]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(row, bucket) of every band that at least two rows share, ordered by row."""
    rows, buckets, before = [], [], 0
    for band in range(BANDS):
        part = signatures[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
        _, bucket, sizes = np.unique(_key(part), return_inverse=True, return_counts=True)
        shared = np.flatnonzero(sizes[bucket] > 1)
        rows.append(shared)
        buckets.append(bucket[shared] + before)
        before += sizes.size
    row_of, bucket_of = np.concatenate(rows), np.concatenate(buckets)
    order = np.argsort(row_of, kind="stable")
    return row_of[order], bucket_of[order]


def _key(part: NDArray[np.uint64]) -> Hashes:
    """One number for the minima of a band."""
    total = np.zeros(len(part), np.uint64)
    for column in part.T:
        total = mix(total + column + np.uint64(1))
    return total
