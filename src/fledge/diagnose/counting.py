"""What counting would get: the loss of a table of single tokens, and of a table of pairs.

Landmarks of a loss curve between ln V (nothing learnt) and the text's entropy: a network passes the first within its
first steps and the second soon after. One that stays above them has not learnt what a table of counts knows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fledge.data.dataset import Dataset

MOST_TOKENS = 1_000_000  # of a larger dataset, pieces from all over it
PIECE = 10_000
STRETCH, EVERY = 100, 10  # every tenth stretch of so many tokens is held out to be predicted
MIN_TARGETS = 2_000  # below that, counts say nothing


class Pairs:
    """A table of which token follows which: pairs interpolated with single tokens by Witten and Bell's rule (1991), so
    that a token whose followers vary is trusted less."""

    def __init__(self, before: np.ndarray, token: np.ndarray, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        share = np.bincount(token, minlength=vocab_size) + 0.5
        self.single = share / share.sum()
        self.keys, self.counts = np.unique(before * vocab_size + token, return_counts=True)
        self.total = np.bincount(before, minlength=vocab_size)
        self.followers = np.bincount(self.keys // vocab_size, minlength=vocab_size) + 1  # + 1: for unseen contexts

    def nll(self, before: np.ndarray, token: np.ndarray) -> np.ndarray:
        """-log p(token | before) of every pair, in nats."""
        wanted = before * self.vocab_size + token
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        seen = np.where(self.keys[at] == wanted, self.counts[at], 0)
        followers = self.followers[before]
        return np.asarray(-np.log((seen + followers * self.single[token]) / (self.total[before] + followers)))


@dataclass(frozen=True)
class Counts:
    """Held-out loss, in nats per target, of guessing the next token from how often each occurs (`unigram`) and from the
    token before it (`bigram`)."""

    unigram: float
    bigram: float


def count(dataset: Dataset, vocab_size: int) -> Counts | None:
    """Count on nine tenths of the data and predict the rest; None when there is too little of it, or other tokens."""
    place = _chosen(len(dataset.tokens))
    first = _among(place, dataset.starts)
    place = place[~first if dataset.mask is None else np.asarray(dataset.mask[place]) & ~first]
    if len(place) < MIN_TARGETS:
        return None
    token, before = (dataset.tokens[place - back].astype(np.int64) for back in (0, 1))
    if max(token.max(), before.max()) >= vocab_size:
        return None
    held = place // STRETCH % EVERY == EVERY - 1
    pairs = Pairs(before[~held], token[~held], vocab_size)
    return Counts(
        unigram=float(-np.log(pairs.single[token[held]]).mean()),
        bigram=float(pairs.nll(before[held], token[held]).mean()),
    )


def _chosen(n: int) -> np.ndarray:
    """Places of 0..n-1: all, or pieces spread evenly, so that a large dataset is neither read nor held whole."""
    if n <= MOST_TOKENS:
        return np.arange(n)
    begins = np.linspace(0, n - PIECE, MOST_TOKENS // PIECE).astype(np.int64)
    return np.unique(begins[:, None] + np.arange(PIECE))


def _among(place: np.ndarray, sorted_places: np.ndarray) -> np.ndarray:
    """bool: which of `place` are among the sorted places."""
    at = np.minimum(np.searchsorted(sorted_places, place), len(sorted_places) - 1)
    return np.asarray(sorted_places[at] == place)
