"""repetition: minus the share of an answer's token triples that stood in it before: 0 where nothing is said twice, towards −1
for a loop (a penalty on repeated n-grams, as in Yeo et al., 2025, arXiv:2502.03373, here without a cap)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fledge.rewards.episode import Episode

N = 3


class Repetition:
    name = "repetition"

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        return [-repeated([i for i, own in zip(e.ids, e.chosen) if own]) for e in episodes]


def repeated(ids: Sequence[int]) -> float:
    """Share of the runs of N ids that are not new, from 0 to below 1; 0 when there are fewer than N ids."""
    runs = [tuple(ids[i : i + N]) for i in range(len(ids) - N + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def make(argument: str, model: Any, tokenizer: Any) -> Repetition:
    return Repetition()
