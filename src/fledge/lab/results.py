"""What came out of a lab: every metric of every arm and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fledge.lang import Text

if TYPE_CHECKING:
    from fledge.lab.spec import Lab


@dataclass
class Results:
    """`rows[arm][i]` holds the metrics of seed `seeds[i]`."""

    lab: Lab
    settings: Any
    seeds: list[int]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def arms(self) -> list[str]:
        return list(self.rows)

    def label(self, arm: str) -> Text:
        """The arm's name for a legend."""
        return self.lab.labels[arm]

    def values(self, arm: str, metric: str) -> NDArray[np.float64]:
        """[seeds] for a number, [seeds, points] for a curve, [seeds, rows, columns] for a matrix."""
        return np.asarray([row[metric] for row in self.rows[arm]], dtype=np.float64)

    def mean(self, arm: str, metric: str) -> Any:
        """Over the seeds: a float for a number, an array for a curve."""
        mean = self.values(arm, metric).mean(0)
        return float(mean) if mean.ndim == 0 else mean

    def band(self, arm: str, metric: str) -> tuple[Any, Any, Any]:
        """(mean, lowest, highest) over the seeds."""
        values = self.values(arm, metric)
        return values.mean(0), values.min(0), values.max(0)

    def of_seed(self, number: int) -> Mapping[str, Mapping[str, Any]]:
        """What a claim sees: the metrics of every arm, for the seed with that position."""
        return {arm: rows[number] for arm, rows in self.rows.items()}

    def summary(self) -> dict[str, dict[str, dict[str, Any]]]:
        """{arm: {metric: {mean, std, min, max, values}}}; a curve has its mean, min and max alone."""
        return {arm: {name: self._summary(arm, name) for name in self.lab.metrics} for arm in self.rows}

    def _summary(self, arm: str, metric: str) -> dict[str, Any]:
        values = self.values(arm, metric)
        found = {"mean": values.mean(0).tolist(), "min": values.min(0).tolist(), "max": values.max(0).tolist()}
        if values.ndim == 1:
            found |= {"std": float(values.std(ddof=1)) if len(values) > 1 else 0.0, "values": values.tolist()}
        return found
