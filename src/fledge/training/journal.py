"""What a run says of its steps and validations: into its record, and to the person who waits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fledge.device import memory_mb
from fledge.lang import _
from fledge.training.console import Console
from fledge.training.gradients import Sums
from fledge.training.objective import Batch

if TYPE_CHECKING:
    from fledge.training.loop import Fit


@dataclass
class Figures:
    """A step's numbers, on the device until somebody reads them."""

    fields: dict[str, Any]
    sums: Sums
    norm: Tensor
    batches: Sequence[Batch]


class Journal:
    """Attributes:
    lagging: figures are read one step later, so that a GPU is never waited for between two steps.
    last_val: the measures of the last validation.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.lagging = fit.model.device.type == "cuda" and fit.guard.patient and not fit.scaler.enabled
        self.console = Console(fit.length.steps)
        self.last_val: dict[str, Any] = {}
        self.unread: Figures | None = None

    def number(self, value: Tensor | float) -> Tensor | float:
        """A number of the device: at once, or where it lies when nobody may wait for it."""
        return value if self.lagging else float(value)

    def sound(self, sums: Sums, norm: Tensor) -> bool:
        """Whether these are numbers. With loss scaling an overflow is no accident: the scale falls, and the step is left out."""
        scaler = self.fit.scaler
        return (scaler.enabled and scaler.scale >= 1) or (math.isfinite(float(sums.loss)) and bool(norm.isfinite()))

    def step(self, seconds: float, scale: float, sums: Sums, norm: Tensor, batches: Sequence[Batch]) -> None:
        """One optimizer step that took `seconds`, at `scale` of the learning rate."""
        fit = self.fit
        self.read()
        if pause := fit.clock.step(seconds):
            self.say(_("a pause of {pause:.0f} s before step {step} is not counted").format(pause=pause, step=fit.step))
        fields = {
            "step": fit.step,
            "tokens": fit.tokens,
            "targets": sum(batch.count for batch in batches),
            "seconds": round(fit.clock.elapsed, 3),
            "lr": (fit.config.lr or 0.0) * scale,
            "tokens_per_second": round(sum(batch.num_tokens for batch in batches) / seconds),
            "memory_mb": round(memory_mb(fit.model.device)),
        }
        self.unread = Figures(fields, sums, norm, batches)
        if not self.lagging:
            self.read()

    def read(self) -> None:
        """Read the figures that wait: check, log and show them."""
        if self.unread is None:
            return
        figures, self.unread = self.unread, None
        loss, metrics = figures.sums.read()
        if self.lagging and not self.sound(figures.sums, figures.norm):
            self.fit.guard.diverged(figures.fields["step"], figures.batches, loss)
        fields = figures.fields | {"loss": loss, "grad_norm": figures.norm.item()} | metrics
        self.fit.run.log(**fields)
        self.console.step(fields, self.fit.progress(), self.fit.length.left(self.fit))

    def validation(self, measures: dict[str, Any], samples: list[dict[str, str]]) -> None:
        fit = self.fit
        if measures:
            self.last_val = measures
            fit.run.log(step=fit.step, tokens=fit.tokens, seconds=round(fit.clock.elapsed, 3), **measures)
        for sample in samples:
            fit.run.sample(step=fit.step, **sample)
        self.console.validation(fit.step, measures, samples)

    def say(self, sentence: str) -> None:
        self.console.say(sentence)

    def results(self) -> dict[str, Any]:
        fit = self.fit
        return {
            "step": fit.step,
            "tokens": fit.tokens,
            "seconds": round(fit.clock.elapsed, 1),
            "train_seconds": round(fit.train_seconds, 1),
            "memory_mb": round(memory_mb(fit.model.device)),
            **self.last_val,
        }
