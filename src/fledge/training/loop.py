"""fit(): the one training loop. Objectives supply rows and a loss; everything else happens here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from fledge.model.transformer import Transformer
from fledge.records import Run
from fledge.training.clock import Clock
from fledge.training.config import TrainConfig
from fledge.training.due import LAST, Due
from fledge.training.gradients import Sums
from fledge.training.guard import Guard
from fledge.training.interrupts import stop_between_steps
from fledge.training.journal import Journal
from fledge.training.objective import Batch, Objective
from fledge.training.optim import Optimizer
from fledge.training.prefetch import prefetched
from fledge.training.reserve import Reserve, disk_full, disk_is_full, nearly_full, no_room
from fledge.training.resume import load_state, save_state, state_bytes
from fledge.training.scaler import Scaler

OnSave = Callable[[Transformer, int], None]
"""Called with (model, step) after every checkpoint that was asked for, and at the end."""


def fit(
    objective: Objective,
    config: TrainConfig,
    run: Run,
    on_save: OnSave | None = None,
    guard: type[Guard] = Guard,
) -> dict[str, Any]:
    """Train as long as `objective.length(config)` says; return the results for the record.

    An interruption (Ctrl-C, kill) saves a checkpoint and marks the run as stopped before it goes on up, with the run's
    name and whether it was saved (a second Ctrl-C does not wait for the end of the step) as its arguments.
    """
    state = Fit(objective, config, run, on_save, guard)
    if config.resume:
        load_state(state)
    if not state.reserve.take():
        run.finish("failed", step=state.step)
        raise no_room(run, state.reserve)
    state.model.train()
    with state.journal.console, stop_between_steps(state.stop):
        try:
            state.train()
        except KeyboardInterrupt:
            run.finish("stopped", step=state.step, **state.journal.last_val)
            if state.whole:
                state.save()
            raise KeyboardInterrupt(run.name, state.whole) from None
        except Exception as error:
            ended = state.rescue(error)
            run.finish(
                "failed",
                step=state.step,
                error=str(ended),
                error_kind=getattr(ended, "kind", None) or type(ended).__name__,
            )
            raise ended from error
        finally:
            state.reserve.release()
    state.model.eval()
    run.update(results=state.journal.results(), data={"batches": objective.batches.report()})
    if on_save:
        on_save(state.model, state.step)
    return state.journal.results()


class Fit:
    """The state of a run in progress. `fit` drives it; tests look inside."""

    def __init__(
        self,
        objective: Objective,
        config: TrainConfig,
        run: Run,
        on_save: OnSave | None = None,
        guard: type[Guard] = Guard,
    ):
        self.objective, self.config, self.run, self.on_save = objective, config, run, on_save
        self.model = objective.model
        self.parts = self.model.parts
        self.batches = prefetched(objective.batches, self.model.device)
        self.length = objective.length(config)
        self.optimizer = Optimizer(self.model, config, self.parts)
        self.scaler = Scaler(self.model.compute_dtype == torch.float16)
        self.step = self.tokens = 0
        self.splits = 1  # parts in which a batch is computed; more after memory has run out
        self.clock = Clock()
        self.train_seconds = 0.0  # when training is over: without the last validation
        self.stopping = False
        self.whole = True  # False in the middle of a step, when nothing can be saved
        self.guard = guard(self)
        self.journal = Journal(self)
        self.due = Due(self)
        self.reserve = Reserve(run.path, state_bytes(self))

    def train(self) -> None:
        """Run to the end, logging, validating, sampling and saving on the way."""
        landmarks = self.objective.landmarks()
        self.run.update(landmarks=landmarks)
        self.journal.console.landmarks(landmarks)
        if self.step == 0:
            self.clock.restart()
            self._validate(self.config.val_tokens)
            self.due.afford(self.clock.elapsed)
            self.clock.restart()  # the clock of a budget starts with the first step
        while (progress := self.progress()) < 1 and (batches := self._draw()):
            self._step(batches, progress)
            if self.due.validation(progress):
                self._validate(self.config.val_tokens)
            if self.due.save():
                self.save()
            if self.stopping:
                raise KeyboardInterrupt
        self.journal.read()
        self.train_seconds = self.clock.elapsed
        self._validate(self.config.val_tokens * LAST)

    def progress(self) -> float:
        """Share of the run that is done."""
        return self.length.progress(self)

    def stop(self) -> None:
        """Stop at the end of this step."""
        self.stopping = True

    def _draw(self) -> list[Batch]:
        """The batches of one step: fewer where an epoch asks for a step, none when the rows have come to their end."""
        self.begun = time.perf_counter()
        self.whole = False
        self.guard.begin()
        batches: list[Batch] = []
        for batch in islice(self.batches, self.config.accumulation_steps):
            batches.append(batch)
            if batch.ends_epoch:
                break
        self.whole = not batches
        return batches

    def _step(self, batches: Sequence[Batch], progress: float) -> None:
        """One step of the optimizer on the mean loss of `batches`."""
        sums, norm, finite = self._gradients(batches)
        where = min(self.length.scheduled(self, progress), 1.0)
        scale = self.parts.lr_at(where, warmup=self.config.warmup, schedule=self.config.schedule)
        if finite:
            self.optimizer.step(scale)
        else:
            self.optimizer.zero_grad()
        self.step += 1
        self.tokens += sum(batch.num_tokens for batch in batches)
        self.whole = True
        self.journal.step(time.perf_counter() - self.begun, scale, sums, norm, batches)
        self.guard.end()

    def _gradients(self, batches: Sequence[Batch]) -> tuple[Sums, Tensor, bool]:
        """(sums, norm of the gradient before clipping, whether the step may be taken)."""
        while True:
            sums = self.guard.gradients(batches)
            parameters = self.optimizer.parameters()
            finite = self.scaler.unscale(parameters)
            found = [p.grad for p in parameters if p.grad is not None]
            norm = self.parts.clip_gradients(found, self.config.grad_clip or math.inf)
            if self.journal.lagging or self.journal.sound(sums, norm):
                return sums, norm, finite
            self.guard.diverged(
                self.step + 1, batches, float(sums.loss)
            )  # stops, or replaces the part that is to blame
            self.optimizer.zero_grad()

    def _validate(self, max_tokens: int) -> None:
        self.journal.read()
        self.model.eval()
        measures = self.guard.call(lambda: self.objective.validate(max_tokens, self.splits))
        samples = self.guard.call(self.objective.sample)
        self.model.train()
        self.journal.validation(measures, samples)

    def save(self, rows: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of this very moment, or of the beginning of this step, when the rows were at `rows`."""
        self.journal.read()
        self.reserve.release()
        save_state(self, rows)
        self.due.saved_at = self.clock.elapsed
        if not self.stopping and not self.reserve.take():
            self.journal.say(nearly_full(self.run, self.step))
            self.stop()
        if self.on_save and self.config.save_every:
            self.on_save(self.model, self.step)

    def rescue(self, error: Exception) -> Exception:
        """The run ends with `error`: save what can be saved; what to tell."""
        if disk_full(error) and self.whole:
            self.journal.unread = None
            self.reserve.release()
            save_state(self)
            return disk_is_full(self.run, self.step)
        return self.guard.rescue(error)
