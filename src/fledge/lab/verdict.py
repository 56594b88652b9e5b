"""Running a lab and judging it. The verdict of a claim is made of numbers alone; no author writes a conclusion.

SUPPORTED       the predicate is true for every seed
NOT SUPPORTED   it is false for every seed
INCONCLUSIVE    the seeds disagree, there are fewer than three, or a number that it reads is not finite
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fledge.errors import UserError
from fledge.lab.results import Results
from fledge.lab.spec import Claim, Lab, Sabotage
from fledge.lang import say

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "SUPPORTED", "NOT SUPPORTED", "INCONCLUSIVE"
ENOUGH_SEEDS = 3


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


def judge(claim: Claim, results: Results) -> str:
    """The verdict of one claim on these results."""
    truths = []
    for number in range(len(results.seeds)):
        seen = _Watched(results.of_seed(number))
        truth = bool(claim.holds(seen))
        if not seen.finite:
            return INCONCLUSIVE
        truths.append(truth)
    if len(truths) < ENOUGH_SEEDS or len(set(truths)) > 1:
        return INCONCLUSIVE
    return SUPPORTED if truths[0] else NOT_SUPPORTED


def verdicts(results: Results) -> dict[str, str]:
    return {claim.name: judge(claim, results) for claim in results.lab.claims}


def null(lab: Lab, settings: Any, seeds: Sequence[int]) -> Results:
    """The same settings in every arm, those of the first: a claim about a difference must find none."""
    same = lab.with_arm(settings, next(iter(lab.arms)))
    return execute(lab, settings, seeds, arms=dict.fromkeys(lab.arms, same))


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
                say(
                    f"--{name} 应该是 {'、'.join(about['choices'])} 之一，不能是 '{value}'。",
                    f"--{name} must be one of {', '.join(about['choices'])}, not '{value}'.",
                )
            )
        if about["low"] is not None and not about["low"] <= value <= about["high"]:
            raise UserError(
                say(
                    f"--{name} 应该在 {about['low']} 和 {about['high']} 之间，不能是 {value}。",
                    f"--{name} must lie between {about['low']} and {about['high']}, not {value}.",
                )
            )
    return dataclasses.replace(lab.settings, **changes)


class _Watched(dict):
    """The metrics of every arm; notices when a number that is not finite is read."""

    def __init__(self, arms: Mapping[str, Mapping[str, Any]], owner: _Watched | None = None):
        super().__init__(arms)
        self.finite = True
        self.owner = owner or self

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if isinstance(value, Mapping):
            return _Watched(value, self.owner)
        if not _finite(value):
            self.owner.finite = False
        return value


def _finite(value: Any) -> bool:
    return all(map(_finite, value)) if isinstance(value, (list, tuple)) else math.isfinite(value)
