"""The protocol of a reward, and the weighted sum of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fledge.data.rows import TaskRow
from fledge.errors import UserError
from fledge.lang import _
from fledge.rewards.episode import Episode


class Reward(Protocol):
    """Says what answers are worth.

    A reward that cannot judge some tasks (no truth is known of them) may also have `refuse(task) -> str`: the reason in the
    user's language, or "" when it can; one that reads only so many tokens says so as `longest`.
    """

    @property
    def name(self) -> str:
        """What it is called in logs."""
        ...

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        """One number an episode, best around 0 to 1; all of a rollout at once, so that a slow judge can work in parallel."""
        ...


@dataclass
class Weighted:
    """The sum of rewards, each times its weight."""

    parts: list[tuple[Reward, float]]

    def __call__(self, episodes: Sequence[Episode]) -> tuple[list[float], dict[str, list[float]]]:
        """(total of each episode, each part by name, unweighted). UserError when a part gives no number."""
        totals = [0.0] * len(episodes)
        by_name: dict[str, list[float]] = {}
        for number, (reward, weight) in enumerate(self.parts, 1):
            values = [float(value) for value in reward(episodes)]
            if len(values) != len(episodes):
                raise ValueError(f"reward {reward.name!r} gave {len(values)} values for {len(episodes)} episodes")
            if not all(map(math.isfinite, values)):
                raise UserError(
                    _("the reward '{name}' gave {value} for an answer: a reward must be a number.").format(
                        name=reward.name, value=next(value for value in values if not math.isfinite(value))
                    )
                )
            by_name[f"{reward.name}_{number}" if reward.name in by_name else reward.name] = values
            totals = [total + weight * value for total, value in zip(totals, values)]
        return totals, by_name

    @property
    def longest(self) -> float:
        """Tokens that prompt and answer may have together, so that every part can read them."""
        return min(getattr(reward, "longest", math.inf) for reward, _weight in self.parts)

    def refuse(self, task: TaskRow) -> str:
        """Why a task cannot be rewarded; "" when it can."""
        for reward, _weight in self.parts:
            if reason := getattr(reward, "refuse", lambda task: "")(task):
                return str(reason)
        return ""
