"""Text → token ids: large texts in pieces, many pieces at once, and the tag of every token.

A 100 MB document is cut where every byte-level BPE with a GPT-2 or Qwen2 split pattern starts a new word anyway, so
that the pieces give the very tokens of the whole and memory stays bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fledge.data.rows import TextRow

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

PIECE_CHARACTERS = 100_000
BATCH_PIECES = 32

# Sure word boundaries of the GPT-2 and Qwen2 patterns: around a single line break; between a
# letter and white space or CJK punctuation (which begins the next word).
_AFTER_LINE = re.compile(r"(?<=\S)\n(?=\S)")
_AFTER_LETTER = re.compile(r"[^\W\d_](?=[\s，。、；：？！])")


def encode_texts(tokenizer: Tokenizer, texts: list[str]) -> list[np.ndarray]:
    """The ids of every text, uint32."""
    pieces = [(number, piece) for number, text in enumerate(texts) for piece in split_text(text)]
    parts: list[list[np.ndarray]] = [[] for _ in texts]
    for batch in _batches(pieces):
        for (number, _), ids in zip(batch, tokenizer.encode_batch([piece for _, piece in batch])):
            parts[number].append(np.array(ids, np.uint32))
    return [np.concatenate(p) if p else np.empty(0, np.uint32) for p in parts]


def split_text(text: str, size: int = PIECE_CHARACTERS) -> Iterator[str]:
    """Cut a text into pieces of about `size` characters at sure word boundaries; the pieces joined are the text."""
    start = 0
    while len(text) - start > 2 * size:
        at = next(
            (m for p in (_AFTER_LINE, _AFTER_LETTER) if (m := p.search(text, start + size, start + 2 * size))), None
        )
        end = at.end() if at else start + size
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def tag_tokens(row: TextRow, ids: np.ndarray, byte_lengths: np.ndarray, tag_names: list[str]) -> np.ndarray:
    """The tag number of every token, uint8: that of the span which holds the token's first byte; 0 where there is none.

    New names are appended to `tag_names`. Of overlapping spans the later one counts.
    """
    tags = np.zeros(len(ids), np.uint8)
    if not row.spans:
        return tags
    lengths = byte_lengths[ids]
    if lengths.sum() != len(row.text.encode("utf-8")):
        raise ValueError("tags need a tokenizer whose tokens spell every byte of the text")
    first_byte = np.cumsum(lengths) - lengths
    byte_of = np.concatenate([[0], np.cumsum([len(c.encode("utf-8")) for c in row.text])])  # of every character
    edges = np.searchsorted(first_byte, byte_of[[(start, end) for start, end, _ in row.spans]]).tolist()
    for (low, high), (_, _, name) in zip(edges, row.spans):
        if name not in tag_names:
            if len(tag_names) == 256:
                raise ValueError("more than 255 different tags")
            tag_names.append(name)
        tags[low:high] = tag_names.index(name)
    return tags


def _batches(pieces: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Pieces in batches of at most BATCH_PIECES × PIECE_CHARACTERS characters."""
    batch: list[tuple[int, str]] = []
    characters = 0
    for piece in pieces:
        if batch and characters + len(piece[1]) > BATCH_PIECES * PIECE_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(piece)
        characters += len(piece[1])
    if batch:
        yield batch
