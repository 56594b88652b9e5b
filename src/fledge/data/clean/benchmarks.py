"""Benchmark contamination: a row that contains 13 units in a row of a test item was probably copied from it.

13-grams as in GPT-3 (Brown et al. 2020, appendix C). A unit is a word in English and a character in Chinese (units.py);
13 characters are about 8 words: stricter than in English, and a phrase such as 下列各句中没有语病的一句是 is 13 long. So
a gram that stands in more than `COMMON` items is taken for a phrase of the benchmark and not for an item, as GPT-3 did
with grams that were frequent in its training text. Items of fewer than 13 units cannot be checked; they are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fledge.data.clean.units import Hashes, ngrams, unit_hashes
from fledge.data.readers import check_file, raw_rows
from fledge.data.turns import BadRow
from fledge.errors import UserError
from fledge.lang import _, commas

GRAM = 13
COMMON = 10


@dataclass(frozen=True)
class Benchmarks:
    """The grams of all items, sorted, and beside each the item it came from."""

    grams: Hashes
    item_of: np.ndarray
    items: list[tuple[str, int]]  # file, line
    short: int  # items without a gram

    @classmethod
    def read(cls, paths: list[Path]) -> Benchmarks:
        """Every string in every row of the files is taken for test data. UserError when they hold no item of 13 units."""
        items: list[tuple[str, int]] = []
        grams, owners = [], []
        short = 0
        for path in paths:
            for line, strings in _items(check_file(path)):
                found = [ngrams(unit_hashes(text), GRAM) for text in strings]
                own = np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)
                short += not own.size
                grams.append(own)
                owners.append(np.full(own.size, len(items), np.int64))
                items.append((path.name, line))
        if short == len(items):
            raise UserError(
                _("--against: no item of {paths} is {gram} words or characters long.").format(
                    paths=commas(p.name for p in paths), gram=GRAM
                )
            )
        unique, first, counts = np.unique(np.concatenate(grams), return_index=True, return_counts=True)
        kept = counts <= COMMON
        return cls(unique[kept], np.concatenate(owners)[first[kept]], items, short)

    def match(self, units: Hashes) -> tuple[str, int, int] | None:
        """(file, line, unit at which it begins) of the first item that the text contains a gram of."""
        grams = ngrams(units, GRAM)
        if not grams.size:
            return None
        at = np.minimum(np.searchsorted(self.grams, grams), self.grams.size - 1)
        hits = np.flatnonzero(self.grams[at] == grams)
        if not hits.size:
            return None
        file, line = self.items[int(self.item_of[at[hits[0]]])]
        return file, line, int(hits[0])


def _items(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, all strings) of every item; plain text is read by its paragraphs, and the first line of a table may be an item."""
    head = path.suffix.lower() == ".csv"
    for line, raw in raw_rows(path, "text"):
        if isinstance(raw, BadRow):
            continue
        if head:
            yield 1, list(raw)
            head = False
        if path.suffix.lower() in (".txt", ".md") and set(raw) == {"text"}:
            yield from ((number, [part]) for number, part in enumerate(raw["text"].split("\n\n"), line))
        else:
            yield line, list(_strings(raw))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
