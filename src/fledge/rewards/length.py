"""length: 1 for an answer of up to N tokens, falling evenly to 0 at twice as many (`length=N`, 64 unless said); 0 for nothing.

The soft limit of DAPO (Yu et al., 2025, arXiv:2503.14476, eq. 13), as a reward from 0 to 1 instead of a penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fledge.errors import UserError, flag
from fledge.lang import _
from fledge.rewards.episode import Episode

USUAL = 64


class Length:
    name = "length"

    def __init__(self, limit: int = USUAL):
        self.limit = limit

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        return [self.of(episode.num_chosen) if episode.text.strip() else 0.0 for episode in episodes]

    def of(self, num_tokens: int) -> float:
        return min(1.0, max(0.0, 2 - num_tokens / self.limit))


def make(argument: str, model: Any, tokenizer: Any) -> Length:
    if argument and not (argument.isdecimal() and int(argument) > 0):
        raise UserError(
            _("{flag}: length={argument} is not a number of tokens; write it like length=64.").format(
                flag=flag("rewards"), argument=argument
            )
        )
    return Length(int(argument or USUAL))
