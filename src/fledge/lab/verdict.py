"""Running a lab and judging it. The verdict of a claim is made of numbers alone; no author writes a conclusion.

SUPPORTED       the predicate is true for every seed
NOT SUPPORTED   it is false for every seed
INCONCLUSIVE    a number that it reads is not finite, there are fewer than three seeds, or the seeds disagree
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fledge.errors import UserError
from fledge.lab.results import Results
from fledge.lang import _, commas

if TYPE_CHECKING:
    from fledge.lab.spec import Claim, Lab, Sabotage

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "SUPPORTED", "NOT SUPPORTED", "INCONCLUSIVE"
ENOUGH_SEEDS = 3
NULL_STRIDE = 10_007  # how far apart the seeds of two arms lie in the null run; labs add round numbers of their own


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, the one reason for it, and what it was made of."""

    word: str
    reason: Literal["all", "none", "not finite", "few", "split"]
    truths: list[bool]
    """of every seed, in their order"""
    read: list[tuple[str, str]]
    """(arm, metric) of every number and curve that the predicate looked at"""


def execute(
    lab: Lab,
    settings: Any,
    seeds: Sequence[int],
    *,
    arms: Mapping[str, Any] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Results:
    """Run every arm with every seed. `arms`: other settings for them (null arm, sabotage); `tick` after each run.

    One thread, so that the numbers do not depend on how many cores there are; the seconds are those of one core, so that
    what else the machine does counts little.
    """
    import torch

    of_arm = arms or {arm: lab.with_arm(settings, arm) for arm in lab.arms}
    results = Results(lab, settings, list(seeds), {arm: [] for arm in of_arm})
    threads, begun = torch.get_num_threads(), time.process_time()
    torch.set_num_threads(1)
    try:
        for seed in seeds:  # seed by seed: stopped early, every arm has been treated alike
            for arm, chosen in of_arm.items():
                torch.manual_seed(seed)
                row = lab.run(chosen, seed)
                if set(row) != set(lab.metrics):
                    raise ValueError(f"{lab.id}: run returned {sorted(row)}, the lab declares {sorted(lab.metrics)}")
                results.rows[arm].append(row)
                tick()
    finally:
        torch.set_num_threads(threads)
    results.seconds = time.process_time() - begun
    return results


def judge(claim: Claim, results: Results) -> Verdict:
    """The verdict of one claim on these results."""
    truths, finite = [], True
    seen_at: dict[tuple[str, str], None] = {}
    for number in range(len(results.seeds)):
        seen = _Watched(results.of_seed(number))
        truths.append(bool(claim.holds(seen)))
        finite &= seen.finite
        seen_at |= dict.fromkeys(seen.read)
    read = list(seen_at)
    if not finite:
        return Verdict(INCONCLUSIVE, "not finite", truths, read)
    if len(truths) < ENOUGH_SEEDS:
        return Verdict(INCONCLUSIVE, "few", truths, read)
    if len(set(truths)) > 1:
        return Verdict(INCONCLUSIVE, "split", truths, read)
    return Verdict(SUPPORTED, "all", truths, read) if truths[0] else Verdict(NOT_SUPPORTED, "none", truths, read)


def verdicts(results: Results) -> dict[str, str]:
    """{claim: the word of its verdict}."""
    return {claim.name: judge(claim, results).word for claim in results.lab.claims}


def null(lab: Lab, settings: Any, seeds: Sequence[int]) -> Results:
    """The same settings in every arm, those of the first, and other seeds in each: they differ by chance alone.

    A claim about a difference must find none. (With equal seeds the arms would be equal to the last bit, and no claim
    could ever fail this.)
    """
    same = lab.with_arm(settings, next(iter(lab.arms)))
    results = Results(lab, settings, list(seeds))
    for number, arm in enumerate(lab.arms):
        found = execute(lab, settings, [seed + NULL_STRIDE * number for seed in seeds], arms={arm: same})
        results.rows[arm] = found.rows[arm]
        results.seconds += found.seconds
    return results


def sabotaged(lab: Lab, sabotage: Sabotage, settings: Any, seeds: Sequence[int]) -> Results:
    """Every arm with the mechanism taken away."""
    arms = {arm: dataclasses.replace(lab.with_arm(settings, arm), **sabotage.change) for arm in lab.arms}
    return execute(lab, settings, seeds, arms=arms)


def changed(lab: Lab, changes: Mapping[str, Any]) -> Any:
    """The lab's settings with `changes`; UserError for what is out of its range."""
    fields = {item.name: item for item in dataclasses.fields(lab.settings)}
    for name, value in changes.items():
        about = fields[name].metadata
        if about["choices"] and value not in about["choices"]:
            raise UserError(
                _("--{name} must be one of {choices}, not '{value}'.").format(
                    name=name, choices=commas(about["choices"]), value=value
                )
            )
        if about["low"] is not None and not about["low"] <= value <= about["high"]:
            raise UserError(
                _("--{name} must lie between {low} and {high}, not {value}.").format(
                    name=name, low=about["low"], high=about["high"], value=value
                )
            )
    return dataclasses.replace(lab.settings, **changes)


class _Watched(dict):
    """The metrics of every arm; remembers which were read, and whether all of those are finite."""

    def __init__(self, arms: Mapping[str, Any], arm: str = "", owner: _Watched | None = None):
        super().__init__(arms)
        self.arm = arm
        self.owner = owner or self
        self.finite, self.read = True, list[tuple[str, str]]()

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if isinstance(value, Mapping):
            return _Watched(value, key, self.owner)
        self.owner.read.append((self.arm, key))
        self.owner.finite &= _finite(value)
        return value

    def values(self) -> Any:
        return [self[key] for key in self]

    def items(self) -> Any:
        return [(key, self[key]) for key in self]


def _finite(value: Any) -> bool:
    return all(map(_finite, value)) if isinstance(value, (list, tuple)) else math.isfinite(value)
