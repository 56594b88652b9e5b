"""Bits per byte and perplexity of a model on any text file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.data.encode import encode_texts
from fledge.data.readers import Quarantine, read_rows
from fledge.data.rows import TextRow
from fledge.errors import UserError
from fledge.evaluate.score import Score, token_nats
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer


def score_file(
    model: Any,
    tokenizer: Tokenizer,
    path: str | Path,
    *,
    window: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> Score:
    """Score the documents of a file, each from its own beginning (a .txt file is one document, JSONL one a line).

    `advance` is told the share of the file that was scored, batch by batch. UserError: a file that is missing, empty or
    no text.
    """
    texts = [row.text for row in read_rows(path, "text", Quarantine()) if isinstance(row, TextRow) and row.text]
    if not texts:
        raise UserError(_("{path} has no text to score.").format(path=path))
    sequences = [[tokenizer.endoftext_id, *ids.tolist()] for ids in encode_texts(tokenizer, texts)]
    tokens = sum(len(ids) - 1 for ids in sequences)
    nats = token_nats(
        model, sequences, window=window, advance=None if advance is None else lambda n: advance(n / tokens)
    )
    return Score(sum(float(part.sum()) for part in nats), tokens, sum(len(text.encode("utf-8")) for text in texts))
