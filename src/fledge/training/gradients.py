"""Gradients of one optimizer step: the exact mean over all its batches, in as many parts as the memory asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fledge.device import out_of_memory
from fledge.errors import UserError, advice
from fledge.lang import _
from fledge.training.objective import Batch

if TYPE_CHECKING:
    from fledge.training.loop import Fit


class Sums:
    """Sums and counts of the loss and of every metric, added up where they lie: reading one waits for the device."""

    def __init__(self) -> None:
        self.loss: Tensor | float = 0.0
        self.metrics: dict[str, tuple[Tensor | float, float]] = {}

    def add(self, name: str, value: Tensor | float, count: float) -> None:
        before, counted = self.metrics.get(name, (0.0, 0.0))
        self.metrics[name] = (before + value, counted + count)

    def read(self) -> tuple[float, dict[str, float]]:
        """(mean loss, mean of every metric)."""
        means = {name: float(value) / count for name, (value, count) in self.metrics.items() if count}
        return float(self.loss), means


def gradients(fit: Fit, batches: Sequence[Batch]) -> Sums:
    """Leave the gradients of the mean loss over `batches` in the parameters.

    When memory runs out the same batches are computed in more, smaller parts: the same step on the same data.
    """
    while True:
        try:
            return backward(fit, batches)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        fit.optimizer.zero_grad()
        if fit.model.device.type == "cuda":
            torch.cuda.empty_cache()
        _split_further(fit, batches)


def backward(fit: Fit, batches: Sequence[Batch]) -> Sums:
    count = max(1, sum(batch.count for batch in batches))  # known before the backward pass: an exact mean for any split
    sums = Sums()
    for batch in batches:
        for part in batch.split(fit.splits):
            loss = fit.objective.loss(part)
            (loss.sum * (fit.scaler.scale / count)).backward()
            sums.loss += fit.journal.number(loss.sum.detach()) / count
            for name, (value, counted) in loss.metrics.items():
                sums.add(name, fit.journal.number(value), counted)
    return sums


def _split_further(fit: Fit, batches: Sequence[Batch]) -> None:
    rows, seq_len = len(batches[0]), fit.config.seq_len
    if fit.splits >= rows:
        ways = advice(
            ("seq_len", _("make {} shorter")),
            ("checkpoint_activations", _("add {}")),
            ("preset", _("choose a smaller {}")),
        )
        raise UserError(
            _("memory ran out at step {step} even with one row of {seq_len} tokens at a time: {ways}.").format(
                step=fit.step + 1, seq_len=seq_len, ways=ways
            )
        )
    fit.splits *= 2
    micro, total = math.ceil(rows / fit.splits), rows * len(batches)
    fit.run.update(micro_batch=micro)
    fit.journal.say(
        _(
            "memory ran out at step {step}: from here {splits} times {micro} rows instead of {rows} at a time; "
            "the step, its {total} rows and their order stay the same"
        ).format(step=fit.step + 1, splits=fit.splits, micro=micro, rows=rows, total=total)
    )
