"""fit(): the one training loop. Objectives supply rows and a loss; everything else happens here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch

from fledge.device import memory_mb, out_of_memory
from fledge.errors import UserError
from fledge.lang import say
from fledge.model.transformer import Transformer
from fledge.parts.learner import PartError
from fledge.records import Run
from fledge.training.clock import Clock
from fledge.training.config import TrainConfig
from fledge.training.console import Console
from fledge.training.guard import Guard
from fledge.training.interrupts import stop_between_steps
from fledge.training.objective import Objective
from fledge.training.optim import Optimizer
from fledge.training.resume import leave, take_up
from fledge.training.scaler import Scaler

VALIDATIONS = 10  # a run, when nothing else is asked for
VALIDATION_SHARE = 0.05  # of a time budget that they may use: fewer when the budget is short
LAST = 64  # the last validation may use so many times `val_tokens`: at the default, a million tokens
SAVE_SECONDS = 600.0  # between checkpoints, when nothing else is asked for: so much work a power cut can cost

OnSave = Callable[[Transformer, int], None]
"""Called with (model, step) after every checkpoint that was asked for, and at the end."""


class Fit:
    """The state of a run in progress. `fit` drives it; tests look inside."""

    def __init__(
        self, objective: Objective, config: TrainConfig, run: Run, steps: int | None, on_save: OnSave | None = None
    ):
        self.objective, self.config, self.run, self.on_save = objective, config, run, on_save
        self.budget = config.seconds()
        self.tokens_per_step = config.seq_len * config.batch_size * config.accumulation_steps
        self.total_tokens = (steps or 0) * self.tokens_per_step
        self.model = objective.model
        self.parts = self.model.parts
        self.optimizer = Optimizer(self.model, config, self.parts)
        self.scaler = Scaler(self.model.compute_dtype == torch.float16)
        self.step = self.tokens = 0
        self.splits = 1  # parts in which a batch is computed; more after memory has run out
        self.clock = Clock()
        self.saved_at = 0.0
        self.train_seconds = 0.0  # when training is over: without the last validation
        self.console = Console(steps, self.budget)
        self.last_val: dict[str, Any] = {}
        self.validations = VALIDATIONS
        self.stopping = False
        self.whole = True  # False in the middle of a step, when nothing can be saved
        self.guard = Guard(self)

    def stop(self) -> None:
        """Stop at the end of this step."""
        self.stopping = True

    def progress(self) -> float:
        """Share of the run that is done: by the clock for a time budget, else by tokens (parity: by batches)."""
        if self.config.parity:
            return self.objective.batches.progress
        return self.clock.elapsed / self.budget if self.budget else self.tokens / max(1, self.total_tokens)

    def train(self) -> None:
        """Run to the end, logging, validating, sampling and saving on the way."""
        landmarks = self.objective.landmarks()
        self.run.update(landmarks=landmarks)
        self.console.landmarks(landmarks)
        if self.step == 0:
            self.clock.restart()
            self._validate(self.config.val_tokens)
            if self.budget:
                affordable = int(VALIDATION_SHARE * self.budget / self.clock.elapsed)
                self.validations = min(VALIDATIONS, max(1, affordable))
            self.clock.restart()  # the clock of a budget starts with the first step
        while (progress := self.progress()) < 1:
            self._step(progress)
            if self._due(self.config.val_every, progress):
                self._validate(self.config.val_tokens)
            if self._save_due():
                self.save()
            if self.stopping:
                raise KeyboardInterrupt
        self.train_seconds = self.clock.elapsed
        self._validate(self.config.val_tokens * LAST)

    def _step(self, progress: float) -> None:
        begun = time.perf_counter()
        self.whole = False
        self.guard.begin()
        batches = [next(self.objective.batches)]
        while len(batches) < self.config.accumulation_steps and not batches[-1].ends_epoch:
            batches.append(next(self.objective.batches))
        while True:
            loss, metrics = self.guard.gradients(batches)
            parameters = self.optimizer.parameters()
            finite = self.scaler.unscale(parameters)
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = self.parts.clip_gradients(gradients, self.config.grad_clip or math.inf)
            if (math.isfinite(loss) and norm.isfinite()) or (self.scaler.enabled and self.scaler.scale >= 1):
                break
            self.guard.diverged(batches, loss)  # stops, or replaces a part of the learner's that is to blame
        tokens = sum(batch.inputs_BT.numel() for batch in batches)
        if self.config.parity:
            progress = self.progress()  # MiniMind's rate is that of the step's end
        elif not self.budget:
            progress += self.tokens_per_step / 2 / self.total_tokens  # the middle: neither first nor last rate is 0
        scale = self.parts.lr_at(min(progress, 1.0), warmup=self.config.warmup, schedule=self.config.schedule)
        if finite:
            self.optimizer.step(scale)
        else:
            self.optimizer.zero_grad()
        self.step += 1
        self.tokens += tokens
        self.whole = True
        seconds = time.perf_counter() - begun
        if pause := self.clock.step(seconds):
            self.console.say(
                say(
                    f"第 {self.step} 步之前停了 {pause:.0f} 秒，不计入时间",
                    f"a pause of {pause:.0f} s before step {self.step} is not counted",
                )
            )
        fields = {
            "step": self.step,
            "tokens": self.tokens,
            "targets": sum(batch.count for batch in batches),
            "seconds": round(self.clock.elapsed, 3),
            "loss": loss,
            "lr": self.config.lr * scale,
            "grad_norm": norm.item(),
            "tokens_per_second": round(tokens / seconds),
            "memory_mb": round(memory_mb(self.model.device)),
            **metrics,
        }
        self.run.log(**fields)
        self.console.step(fields, self.progress(), self._left())
        self.guard.end()

    def _left(self) -> float:
        if self.budget:
            return max(0.0, self.budget - self.clock.elapsed)
        return self.clock.left(self.steps_left())

    def steps_left(self) -> int:
        return math.ceil((self.total_tokens - self.tokens) / self.tokens_per_step)

    def _gradients(self, batches: list[Any]) -> tuple[float, dict[str, float]]:
        """Gradients of the mean loss over all targets of `batches`; (that mean, metrics).

        When memory runs out the same batches are computed in more, smaller parts: the same step on the same data.
        """
        while True:
            try:
                return self._backward(batches)
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            self.optimizer.zero_grad()
            if self.model.device.type == "cuda":
                torch.cuda.empty_cache()
            rows = len(batches[0].inputs_BT)
            if self.splits >= rows:
                raise UserError(
                    say(
                        f"第 {self.step + 1} 步时内存不够，每次只算一行（{self.config.seq_len} 个词元）也放不下："
                        "把 --seq-len 改短，加上 --checkpoint-activations，或选更小的 --preset。",
                        f"memory ran out at step {self.step + 1} even with one row of {self.config.seq_len} tokens at a time: "
                        "make --seq-len shorter, add --checkpoint-activations, or choose a smaller --preset.",
                    )
                )
            self.splits *= 2
            micro = math.ceil(rows / self.splits)
            self.run.update(micro_batch=micro)
            self.console.say(
                say(
                    f"第 {self.step + 1} 步时内存不够：从这里起每次算 {micro} 行，分 {self.splits} 次（原来一次 {rows} 行）；"
                    f"每一步的 {rows * len(batches)} 行和它们的顺序不变",
                    f"memory ran out at step {self.step + 1}: from here {self.splits} times {micro} rows instead of {rows} "
                    f"at a time; the step, its {rows * len(batches)} rows and their order stay the same",
                )
            )

    def _backward(self, batches: list[Any]) -> tuple[float, dict[str, float]]:
        count = sum(batch.count for batch in batches)  # known before the backward pass: an exact mean for any split
        mean = 0.0
        metrics: dict[str, float] = {}
        for batch in batches:
            # MiniMind takes the mean of the batches' means: of those asked for, even if an epoch ends before.
            over = max(1, batch.count * len(batches) if self.config.parity else count)
            weight = len(batches) / self.config.accumulation_steps if self.config.parity else 1.0
            for part in batch.split(self.splits):
                loss = self.objective.loss(part)
                (loss.sum * (self.scaler.scale * weight / over)).backward()
                mean += loss.sum.item() / over
                metrics |= loss.metrics
        return mean, metrics

    def _save_due(self) -> bool:
        if self.config.save_every:
            return self.step % self.config.save_every == 0
        return self.clock.elapsed - self.saved_at > SAVE_SECONDS

    def _due(self, every: int | None, before: float) -> bool:
        """Every `every` steps, or ten times a run; never at the very end, where the whole validation follows."""
        now = self.progress()
        if now >= 1:
            return False
        if every:
            return self.step % every == 0
        return int(now * self.validations) > int(before * self.validations)

    def _validate(self, max_tokens: int) -> None:
        self.model.eval()
        measures = self.guard.call(lambda: self.objective.validate(max_tokens, self.splits))
        samples = self.guard.call(self.objective.sample)
        self.model.train()
        if measures:
            self.last_val = measures
            self.run.log(step=self.step, tokens=self.tokens, seconds=round(self.clock.elapsed, 3), **measures)
        for sample in samples:
            self.run.sample(step=self.step, **sample)
        self.console.validation(self.step, measures, samples)

    def save(self, data: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of this very moment, or of the beginning of this step, when the rows were at `data`."""
        leave(self, data)
        self.saved_at = self.clock.elapsed
        if self.on_save and self.config.save_every:
            self.on_save(self.model, self.step)


def fit(
    objective: Objective, config: TrainConfig, run: Run, steps: int | None = None, on_save: OnSave | None = None
) -> dict[str, Any]:
    """Train until `steps` (or `config.budget`) is used up; return the last validation.

    An interruption (Ctrl-C, kill) saves a checkpoint and marks the run as stopped before it goes on up, with the run's
    name and whether it was saved (a second Ctrl-C does not wait for the end of the step) as its arguments.
    """
    state = Fit(objective, config, run, steps, on_save)
    if config.resume:
        take_up(state)
    objective.model.train()
    with state.console, stop_between_steps(state.stop):
        try:
            state.train()
        except KeyboardInterrupt:
            run.finish("stopped", step=state.step, **state.last_val)
            if state.whole:
                state.save()
            raise KeyboardInterrupt(run.name, state.whole) from None
        except PartError as error:
            rescued = state.guard.rescue(error)
            run.finish("failed", step=state.step, error=str(rescued), error_kind="part")
            raise rescued from error
        except BaseException as error:
            kind = getattr(error, "kind", None) or type(error).__name__
            run.finish("failed", step=state.step, error=str(error), error_kind=kind)
            raise
    objective.model.eval()
    results = {
        "step": state.step,
        "tokens": state.tokens,
        "seconds": round(state.clock.elapsed, 1),
        "train_seconds": round(state.train_seconds, 1),
        "memory_mb": round(memory_mb(objective.model.device)),
        **state.last_val,
    }
    run.update(results=results)
    if on_save:
        on_save(objective.model, state.step)
    return results
