"""The curves of a run as numbers: what metrics.jsonl holds, averaged over equal parts of the run.

A single step's loss is noise; the mean over a twentieth of the run is a point that can be compared with another run's.
"""

from __future__ import annotations

import itertools
import math
import statistics
from typing import Any

from fledge.records import Run
from fledge.training.config import parse_duration
from fledge.training.length import training_seconds

PARTS = 20  # points of a curve
STEPS_PER_PART = 5  # at least, so that a point is a mean; shorter runs have fewer points


class Curves:
    """The logged curves of a run.

    Attributes:
        rows: the lines of training steps, in order; vals: the lines of validations, step 0 included.
        step: the last step; planned: the number of steps that the run was to have (the last one where nobody knows);
        progress: share of the plan that is done; parts: number of parts that the plan is cut into.
    """

    def __init__(self, run: Run) -> None:
        lines = [line for line in run.metrics() if isinstance(line.get("step"), int)]
        self.rows = [line for line in lines if "loss" in line]
        self.vals = [line for line in lines if _number(line.get("val_loss")) is not None]
        self.step: int = self.rows[-1]["step"] if self.rows else 0
        self.planned = _planned(run, self.rows)
        self.progress = min(1.0, self.step / self.planned) if self.planned else 0.0
        self.parts = max(1, min(PARTS, self.planned // STEPS_PER_PART))

    def means(self, key: str) -> list[float]:
        """The mean of `key` over every part that is complete, up to `parts` of them; steps that logged none are left
        out, and a part without any is NaN."""
        sums, counts = [0.0] * self.parts, [0] * self.parts
        for row in self.rows:
            if (value := _number(row.get(key))) is not None and row["step"] >= 1:
                part = min(self.parts - 1, (row["step"] - 1) * self.parts // self.planned)
                sums[part] += value
                counts[part] += 1
        complete = self.step * self.parts // self.planned if self.planned else 0
        return [total / n if n else math.nan for total, n in zip(sums[:complete], counts)]

    def ends(self) -> list[int]:
        """The last step of every part."""
        return [-(-(part + 1) * self.planned // self.parts) for part in range(self.parts)]

    def noise(self, key: str = "loss") -> float:
        """The standard error of the mean over one part, from the differences of neighbouring steps: a trend hardly enters
        there. Infinite when there are too few steps to know it."""
        values = [value for row in self.rows if (value := _number(row.get(key))) is not None]
        if len(values) < STEPS_PER_PART:
            return math.inf
        # The median of |x - y| of two normal numbers is 0.954 of their standard deviation.
        one = statistics.median(abs(b - a) for a, b in itertools.pairwise(values)) / 0.954
        return one / math.sqrt(max(1.0, self.planned / self.parts))

    def first(self, key: str = "loss") -> float | None:
        """The value of the first step."""
        return _number(self.rows[0].get(key)) if self.rows and self.rows[0]["step"] == 1 else None

    def during(self, key: str) -> list[tuple[int, float]]:
        """(step, value) of the validations on the way. The last one of a finished run is over more text, so that it
        can differ without the model being any other: it stands apart, in `final`."""
        on_the_way = [line for line in self.vals if line["step"] < self.planned]
        return [(line["step"], value) for line in on_the_way if (value := _number(line.get(key))) is not None]

    def final(self, key: str) -> float | None:
        """The last value of a validation measure, or None."""
        return next((value for line in reversed(self.vals) if (value := _number(line.get(key))) is not None), None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _planned(run: Run, rows: list[dict[str, Any]]) -> int:
    """How many steps the run was to have: by its settings, or by its pace where the clock decides."""
    config, last = run.info.get("config", {}), rows[-1] if rows else {}
    steps = int(last.get("step", 0))
    if run.info.get("status") == "done":
        return steps
    if config.get("steps"):
        return int(config["steps"])
    epoch = run.info.get("data", {}).get("batches", {}).get("tokens_per_epoch")
    if config.get("epochs") and epoch:
        per_step = config["seq_len"] * config["batch_size"] * config["accumulation_steps"]
        return max(1, math.ceil(config["epochs"] * epoch / per_step))
    if config.get("budget") and steps and last.get("seconds"):
        seconds = training_seconds(parse_duration(config["budget"]), run.info.get("preparing_seconds", 0.0))
        return max(steps, round(steps * seconds / last["seconds"]))
    return steps
