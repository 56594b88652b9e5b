"""Rows that teach nothing: too short or long, in another language, repeating themselves, or mostly symbols.

The repetition rules are Gopher's (Rae et al. 2021, appendix A.1.1) with bounds of our own. Gopher's are made for English
web pages of at least 50 words: on real rows they dropped 0.9 % of GSM8K, airs of the Book of Odes, lists and code. Ours
lie where no good text of our sources came near, and every text that loops goes far beyond:

| share of the characters …         | Gopher      | most in good text               | here |
|-----------------------------------|-------------|---------------------------------|------|
| in lines that stood before        | 0.20        | 0.28 (a board game), 0.22 (曹操) | 0.30 |
| in sentences that stood before    | 0.20        | 0.37 (《诗经·黄鸟》)             | 0.50 |
| under one 2-, 3- or 4-gram        | 0.20 – 0.16 | 0.39 (the emperors of Tang)     | 0.50 |
| left when it is compressed (zlib) | –           | 0.25 (least); a loop has 0.07   | 0.15 |
| that are letters or digits        | –           | 0.3 (least; tables)             | 0.20 |

Hashtags (0.10 a word) and lines that end in an ellipsis (0.30) are counted as Gopher does.

Every text of a row is judged by itself, since an answer may quote its question and two answers share theirs. Left out
are Gopher's rules on mean word length, stop words, bullets and words without a letter: they drop Chinese, lists, tables
and code. A filter returns the reason as `(name, number)`, or None when the row may stay.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter

import numpy as np

from fledge.data.clean.units import CLASSES, DIGIT, HAN, KANA, LATIN, MARK, OTHER, SPACE, codes_of
from fledge.lang import _

Reason = tuple[str, float]
Counts = list[int]  # characters by class, units.SPACE … units.OTHER

MIN_VISIBLE = 50  # characters; a shorter text is not judged by its repetitions
MIN_PARTS = 8  # lines or sentences
MIN_UNITS = 100  # of an n-gram: words, or characters where a third of the letters is Chinese
REPEATED_LINES, REPEATED_SENTENCES, ONE_NGRAM = 0.30, 0.50, 0.50
COMPRESSED, COMPRESSED_BYTES = 0.15, 500
LETTERS = 0.20
HASHTAGS, BROKEN_LINES = 0.10, 0.30  # per word; of the lines
KANA_SHARE = 0.20  # of Chinese characters and kana: above it the text is Japanese
WEIGHT = {LATIN: 1, HAN: 3, KANA: 3, OTHER: 2}  # of a letter: its bytes in UTF-8

SPACES, DIGITS = b"\t\n\x0b\x0c\r ", b"0123456789"
LETTER_BYTES = bytes(range(0x41, 0x5B)) + bytes(range(0x61, 0x7B))
STOPS = ("。", "！", "？", ". ", "! ", "? ")
HASHTAG = re.compile(r"(?<!\S)#\w")
BREAKS_OFF = re.compile(r"(?:…|\.{3})[ \t]*$", re.M)


def counts_of(text: str) -> Counts:
    """How many characters of each class."""
    if text.isascii():
        data = text.encode()
        spaces, digits, letters = (
            len(data) - len(data.translate(None, kind)) for kind in (SPACES, DIGITS, LETTER_BYTES)
        )
        return [spaces, len(data) - spaces - digits - letters, digits, letters, 0, 0, 0]
    return np.bincount(CLASSES[codes_of(text)], minlength=7).tolist()


def visible(counts: Counts) -> int:
    return sum(counts) - counts[SPACE]


def language(counts: Counts) -> dict[str, float]:
    """Shares of zh, en and other by script and weight; all 0 without a letter. Much kana makes Chinese characters Japanese."""
    latin, han, kana, other = (counts[kind] * WEIGHT[kind] for kind in (LATIN, HAN, KANA, OTHER))
    total = latin + han + kana + other
    if not total:
        return {"zh": 0.0, "en": 0.0, "other": 0.0}
    if kana > KANA_SHARE * (han + kana):
        other, han = other + han, 0
    return {"zh": han / total, "en": latin / total, "other": (kana + other) / total}


def wrong_language(shares: dict[str, float], wanted: tuple[str, ...]) -> Reason | None:
    """Most letters are of no wanted language. Text without letters (numbers, signs) is of none and stays."""
    share = sum(shares[name] for name in wanted)
    return (_("mostly in another language"), 1 - share) if share < 0.5 and any(shares.values()) else None


def wrong_length(counts: Counts, least: int, most: int) -> Reason | None:
    """Visible characters of the row, against the limits (`most` 0: none)."""
    count = visible(counts)
    if count < max(1, least):
        return _("too short"), count
    return (_("too long"), count) if most and count > most else None


def repetition(text: str, counts: Counts) -> Reason | None:
    """The first of the rules that one text breaks."""
    seen = visible(counts)
    if seen < MIN_VISIBLE:
        return None
    letters = counts[LATIN] + counts[HAN] + counts[KANA] + counts[OTHER]
    if letters + counts[DIGIT] < LETTERS * seen:
        return _("mostly symbols"), 1 - (letters + counts[DIGIT]) / seen
    chinese = 3 * (counts[HAN] + counts[KANA]) >= letters
    return (
        _lines(text)
        or _sentences(text)
        or _loop(text, chinese)
        or (_marks(text) if counts[MARK] >= MIN_PARTS else None)
    )


def _lines(text: str) -> Reason | None:
    if text.count("\n") + 1 < MIN_PARTS:
        return None
    share = _again([line for line in text.split("\n") if line])
    return (_("repeated lines"), share) if share > REPEATED_LINES else None


def _sentences(text: str) -> Reason | None:
    """A model that loops, or a page that was pasted, often does so without a line break."""
    if text.count("\n") + sum(map(text.count, STOPS)) + 1 < MIN_PARTS:
        return None
    for stop in STOPS:
        text = text.replace(stop, "\n")
    share = _again([part for part in text.split("\n") if len(part) > 4])
    return (_("repeated sentences"), share) if share > REPEATED_SENTENCES else None


def _again(parts: list[str]) -> float:
    """Share of the characters in parts that stood before; 0 for few parts."""
    once = set(parts)
    if len(parts) < MIN_PARTS or len(once) == len(parts):
        return 0.0
    return 1 - sum(map(len, once)) / sum(map(len, parts))


def _loop(text: str, chinese: bool) -> Reason | None:
    """What repeats compresses well; which n-gram it is, is counted only then."""
    data = text.encode("utf-8", "replace")
    if len(data) < 3 * MIN_UNITS:
        return None
    rest = len(zlib.compress(data, 1)) / len(data)
    if rest > 0.45:
        return None
    if found := _ngrams(list("".join(text.split())) if chinese else text.split()):
        return found
    if rest < COMPRESSED and len(data) >= COMPRESSED_BYTES:
        return _("repeats itself (by its compressed size)"), 1 - rest
    return None


def _ngrams(words: list[str]) -> Reason | None:
    if len(words) < MIN_UNITS:
        return None
    total = sum(map(len, words))
    covered = sorted([len(word) * count for word, count in Counter(words).items() if count > 2])
    for n in (2, 3, 4):
        if sum(covered[-n:]) <= ONE_NGRAM * total:  # an n-gram covers no more than its n words do together
            continue
        grams = Counter(zip(*(words[at:] for at in range(n))))
        gram, count = max(grams.items(), key=lambda item: (item[1] * sum(map(len, item[0])), item[0]))
        share = _coverage(words, gram) / total if count > 2 else 0.0
        if share > ONE_NGRAM:
            return _("one phrase fills the text"), share
    return None


def _coverage(words: list[str], gram: tuple[str, ...]) -> int:
    """Characters under the occurrences of `gram`, none counted twice where they overlap."""
    n = len(gram)
    covered = end = 0
    for at in range(len(words) - n + 1):
        if words[at] == gram[0] and tuple(words[at : at + n]) == gram:
            covered += sum(map(len, words[max(at, end) : at + n]))
            end = at + n
    return covered


def _marks(text: str) -> Reason | None:
    """Hashtags, more than one to ten words; lines that break off…, more than three in ten (Gopher).

    `# Title`, `C#` and `#!/bin/sh` are no hashtags, and the remainder of `7 ÷ 2 = 3 ... 1` is no line that breaks off.
    """
    if "#" in text and (found := len(HASHTAG.findall(text))) >= 10:
        words = max(len(text.split()), len(text) / 5)  # Chinese has no spaces: five characters count as a word
        if found > HASHTAGS * words:
            return _("too many hashtags"), found / words
    if ("…" in text or "..." in text) and (found := len(BREAKS_OFF.findall(text))) >= MIN_PARTS:
        lines = sum(bool(line.strip()) for line in text.split("\n"))
        if found > BROKEN_LINES * lines:
            return _("lines that break off"), found / lines
    return None
