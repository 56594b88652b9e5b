"""What past runs teach: how far predictions were off on a machine, as one factor for time and one for memory."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fledge.lang import ngettext
from fledge.planning import store
from fledge.records import Run


@dataclass(frozen=True)
class Calibration:
    """Predictions are multiplied by `time` and `memory`, the medians of actual over predicted in `runs` runs; `spread` is
    half of the runs' distance from that median in time, as a share."""

    time: float = 1.0
    memory: float = 1.0
    spread: float = 0.0
    memory_spread: float = 0.0
    runs: int = 0

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def words(self) -> str:
        """For the reader; empty when nothing was learned yet."""
        if not self.runs:
            return ""
        return ngettext(
            "calibrated on {runs} run: time ±{spread:.0%}, memory ±{memory_spread:.0%}",
            "calibrated on {runs} runs: time ±{spread:.0%}, memory ±{memory_spread:.0%}",
            self.runs,
        ).format(runs=self.runs, spread=self.spread, memory_spread=self.memory_spread)


NONE = Calibration()


@dataclass(frozen=True)
class Outcome:
    """One past run: predicted without any calibration, and actual."""

    run: str
    key: str
    seconds_a_million: tuple[float, float]  # a million tokens: predicted, actual
    memory_mb: tuple[float, float]

    @property
    def time_ratio(self) -> float:
        return self.seconds_a_million[1] / self.seconds_a_million[0]

    @property
    def memory_ratio(self) -> float:
        return self.memory_mb[1] / self.memory_mb[0]


def outcomes(runs: Iterable[Run]) -> list[Outcome]:
    """The runs whose record holds both a prediction, from a measured speed, and what came of it."""
    found = []
    for run in runs:
        plan = run.info.get("plan")
        if not isinstance(plan, dict) or not plan.get("measured") or run.info.get("status") != "done":
            continue
        used = plan.get("calibration") or {}
        try:
            predicted = 1e6 / plan["predicted_tokens_per_second"] / used.get("time", 1.0)
            actual = 1e6 / plan["actual_tokens_per_second"]
            memory = plan["predicted_memory_mb"] / used.get("memory", 1.0), float(plan["actual_memory_mb"])
            found.append(Outcome(run.name, plan["machine_key"], (predicted, actual), memory))
        except (KeyError, TypeError, ZeroDivisionError):  # no outcome yet, or a record of another kind
            continue
    return [outcome for outcome in found if min(*outcome.seconds_a_million, *outcome.memory_mb) > 0]


def fit(found: Iterable[Outcome]) -> dict[str, Calibration]:
    """One calibration a machine. The median, because one run beside a video call must not spoil the rest."""
    by_machine: dict[str, list[Outcome]] = {}
    for outcome in found:
        by_machine.setdefault(outcome.key, []).append(outcome)
    return {key: _fit(outcomes) for key, outcomes in by_machine.items() if key}


def _fit(found: list[Outcome]) -> Calibration:
    time, time_spread = _middle([outcome.time_ratio for outcome in found])
    memory, memory_spread = _middle([outcome.memory_ratio for outcome in found])
    return Calibration(time, memory, time_spread, memory_spread, len(found))


def _middle(ratios: list[float]) -> tuple[float, float]:
    """(median, median distance from it as a share of it)."""
    middle = statistics.median(ratios)
    return middle, statistics.median(abs(ratio - middle) for ratio in ratios) / middle


def learn(runs: Iterable[Run]) -> tuple[list[Outcome], dict[str, Calibration]]:
    """Fit to past runs and keep it in the user's cache."""
    found = outcomes(runs)
    fitted = fit(found)
    for key, calibration in fitted.items():
        store.put("calibration", key, calibration.to_dict())
    return found, fitted


def learned(key: str) -> Calibration:
    """The calibration of a machine; NONE when there is none."""
    known = store.get("calibration", key) if key else None
    try:
        return Calibration(**known) if isinstance(known, dict) else NONE
    except TypeError:  # written by another version
        return NONE
