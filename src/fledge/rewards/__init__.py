"""Rewards: what an answer is worth, as numbers that a policy is trained to raise.

A reward has a name and maps a list of episodes to as many floats (`reward.py`). Several are weighed and added, each logged
alone: `--rewards verifier:1 format:0.2`. A word is `NAME`, `NAME:WEIGHT` or `NAME=ARGUMENT:WEIGHT`; a new reward is one file
here with a function `make(argument, model, tokenizer)`, and a line below. Nothing here needs torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, flag, suggest
from fledge.lang import _, commas
from fledge.rewards.episode import Episode
from fledge.rewards.reward import Reward, Weighted

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer

__all__ = ["REWARDS", "Episode", "Reward", "Weighted", "compose", "parse"]

REWARDS = {
    "verifier": "fledge.rewards.verifier",
    "format": "fledge.rewards.form",
    "length": "fledge.rewards.length",
    "repetition": "fledge.rewards.repetition",
    "judge": "fledge.rewards.judge",
    "model": "fledge.rewards.model",
}
"""Name -> module that makes it."""


def parse(word: str) -> tuple[str, str, float]:
    """`model=judge:0.5` -> ("model", "judge", 0.5): name, argument, weight; UserError for an unknown name."""
    rest, weight = word, 1.0
    before, colon, after = word.rpartition(":")
    if colon:
        try:
            rest, weight = before, float(after)
        except ValueError:
            rest = word  # a colon of the argument, as in an address
    name, __, argument = rest.partition("=")
    if name not in REWARDS:
        raise UserError(
            _("{flag}: there is no reward '{name}'; the rewards are {listed}.{near}").format(
                flag=flag("rewards"), name=name, listed=commas(REWARDS), near=suggest(name, REWARDS)
            )
        )
    return name, argument, weight


def compose(words: list[str], model: Any, tokenizer: Tokenizer) -> Weighted:
    """The rewards that the words name, weighed. `model` is the policy: a reward that runs a model goes where it is."""
    parts: list[tuple[Reward, float]] = []
    for word in words:
        name, argument, weight = parse(word)
        parts.append((importlib.import_module(REWARDS[name]).make(argument, model, tokenizer), weight))
    if not parts:
        raise UserError(
            _("no reward: name at least one with {flag} ({listed}).").format(
                flag=flag("rewards"), listed=commas(REWARDS)
            )
        )
    return Weighted(parts)
