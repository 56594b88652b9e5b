"""How well a model predicts a text: nats, from which bits per byte, bits per token and perplexity follow.

Every token is predicted exactly once. A text longer than the context is read through windows that overlap by half, and
each later window scores its new half only, so that no token has less than half a window of context (but those at the
beginning of the text). Windows that do not overlap would ask for tokens after a cut with almost no context.

The model computes in the precision that it was loaded in. Scores are there to be compared, so `fledge.load` and `fledge eval`
take fp32 unless told otherwise; `fledge chat` and `fledge generate` take the fastest. Log-probabilities are fp32 and their sum
fp64 in any case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.errors import UserError
from fledge.lang import say

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

TOKENS_A_BATCH = 8192
LOGITS_A_CHUNK = 2**24  # numbers; 64 MB in fp32


@dataclass(frozen=True)
class Score:
    """Surprise over a text. Bits per byte compares models of any tokenizer; perplexity only those of the same one."""

    nats: float
    tokens: int
    bytes: int

    @property
    def bpb(self) -> float:
        """Bits per UTF-8 byte."""
        return self.nats / math.log(2) / self.bytes

    @property
    def bits_per_token(self) -> float:
        return self.nats / math.log(2) / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(nats per token)."""
        return math.exp(self.nats / self.tokens)

    def __add__(self, other: Score) -> Score:
        return Score(self.nats + other.nats, self.tokens + other.tokens, self.bytes + other.bytes)


def score_text(
    model: Any,
    tokenizer: Tokenizer,
    text: str,
    *,
    window: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> Score:
    """Score a text after `<|endoftext|>`, which is how every text begins in training. UserError when it is empty."""
    ids = tokenizer.encode(text)
    if not ids:
        raise UserError(
            say("没有可以测量的文字：至少给一个字符。", "There is no text to score: give at least one character.")
        )
    nats = score_tokens(model, [tokenizer.endoftext_id, *ids], window=window, advance=advance)
    return Score(nats, len(ids), len(text.encode("utf-8")))


def score_tokens(
    model: Any, ids: Sequence[int], *, window: int | None = None, advance: Callable[[int], None] | None = None
) -> float:
    """The nats of `ids[1:]`, each predicted from what comes before it; `ids[0]` is context only."""
    return token_nats(model, [ids], window=window, advance=advance)[0].sum().item()


@torch.inference_mode()
def token_nats(
    model: Any,
    sequences: Sequence[Sequence[int]],
    *,
    window: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Tensor]:
    """-log p of every token but the first of each sequence: fp64 [n - 1] on the CPU.

    `window` is how many tokens the model sees at once (its whole context when None). `advance` is told how many tokens
    were scored, batch by batch.
    """
    window = min(window or model.config.max_position_embeddings, model.config.max_position_embeddings)
    if window < 2:
        raise UserError(
            say(
                f"窗口只有 {window} 个词元，太短，滑动不了：至少取 2。",
                f"A window of {window} token is too short to slide: take at least 2.",
            )
        )
    device = next(model.parameters()).device
    nats = [torch.zeros(max(0, len(ids) - 1), dtype=torch.float64) for ids in sequences]
    pieces = [
        (number, start, first, end)
        for number, ids in enumerate(sequences)
        for start, first, end in windows(len(ids) - 1, window)
    ]
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(sorted(pieces, key=lambda piece: piece[3] - piece[1])):
            longest = max(end - start for _, start, _, end in batch)
            ids_BT = torch.zeros(len(batch), longest, dtype=torch.long)
            targets_BT = torch.full((len(batch), longest), -100)
            for row, (number, start, first, end) in enumerate(batch):
                piece = torch.tensor(sequences[number][start : end + 1])
                ids_BT[row, : end - start] = piece[:-1]
                targets_BT[row, first - start : end - start] = piece[1 + first - start :]
            wanted_BT = targets_BT >= 0
            x_ND = model.hidden(ids_BT.to(device))[wanted_BT.to(device)]
            scored = _cross_entropy(model, x_ND, targets_BT[wanted_BT].to(device))
            for (number, _, first, end), part in zip(batch, scored.split([end - first for _, _, first, end in batch])):
                nats[number][first:end] = part
            if advance is not None:
                advance(len(scored))
    finally:
        model.train(was_training)
    return nats


def windows(num_targets: int, window: int) -> Iterator[tuple[int, int, int]]:
    """Cut predictions 0..num_targets-1 into (start, first, end): read inputs start..end-1, score first..end-1.

    Every prediction is scored in exactly one window; after the first window each has `window - window // 2` inputs or
    more. The last window ends with the text and is as long as the others.
    """
    end = 0
    while end < num_targets:
        first = end
        end = min(window, num_targets) if first == 0 else min(first + window // 2, num_targets)
        yield max(0, end - window), first, end


def _batches(pieces: list[tuple[int, int, int, int]]) -> Iterator[list[tuple[int, int, int, int]]]:
    """Neighbours of about one length, as many as fit when padded to the longest (they come sorted)."""
    batch: list[tuple[int, int, int, int]] = []
    for piece in pieces:
        if batch and (len(batch) + 1) * (piece[3] - piece[1]) > TOKENS_A_BATCH:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _cross_entropy(model: Any, x_ND: Tensor, targets_N: Tensor) -> Tensor:
    """-log p of N targets, fp64 on the CPU; the [N, V] logits exist only a chunk at a time."""
    rows = max(1, LOGITS_A_CHUNK // model.config.vocab_size)
    parts = [
        F.cross_entropy(model.head(x).float(), targets, reduction="none").cpu().double()
        for x, targets in zip(x_ND.split(rows), targets_N.split(rows))
    ]
    return torch.cat(parts)
