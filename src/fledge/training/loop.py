"""fit(): the one training loop. Objectives supply rows and a loss; everything else happens here."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch

from fledge.device import memory_mb
from fledge.errors import UserError
from fledge.records import Run
from fledge.training.checkpoint import load_checkpoint, save_checkpoint
from fledge.training.config import TrainConfig
from fledge.training.console import Console
from fledge.training.objective import Objective
from fledge.training.optim import Optimizer
from fledge.training.scaler import Scaler

VALIDATIONS = 10  # a run, when nothing else is asked for
LAST = 64  # the last validation may use so many times `val_tokens`: at the default, a million tokens


class Fit:
    """The state of a run in progress. `fit` drives it; tests look inside."""

    def __init__(self, objective: Objective, config: TrainConfig, run: Run, steps: int | None):
        self.objective, self.config, self.run = objective, config, run
        self.steps, self.budget = steps, config.seconds()
        self.model = objective.model
        self.parts = self.model.parts
        self.optimizer = Optimizer(self.model, config, self.parts)
        self.scaler = Scaler(self.model.compute_dtype == torch.float16)
        self.step = self.tokens = 0
        self.seconds = 0.0  # of earlier sessions, when resumed
        self.started = time.perf_counter()
        self.console = Console(steps, self.budget)
        self.last_val: dict[str, Any] = {}
        self.stopping = False

    @property
    def elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self.started

    def progress(self) -> float:
        """Share of the run that is done: by the clock for a time budget, else by steps."""
        return self.elapsed / self.budget if self.budget else self.step / (self.steps or 1)

    def train(self) -> None:
        """Run to the end, logging, validating, sampling and saving on the way."""
        landmarks = self.objective.landmarks()
        self.run.update(landmarks=landmarks)
        self.console.landmarks(landmarks)
        if self.step == 0:
            self._validate(self.config.val_tokens)
            self.started = time.perf_counter()  # the clock of a budget starts with the first step
        while (progress := self.progress()) < 1:
            self._step(progress)
            if self._due(self.config.val_every, progress):
                self._validate(self.config.val_tokens)
            if self.config.save_every and self.step % self.config.save_every == 0:
                self.save()
            if self.stopping:
                raise KeyboardInterrupt
        self._validate(self.config.val_tokens * LAST)

    def _step(self, progress: float) -> None:
        begun = time.perf_counter()
        batches = [next(self.objective.batches) for _ in range(self.config.accumulation_steps)]
        count = sum(batch.count for batch in batches)  # known before the backward pass: an exact mean for any split
        total = 0.0
        metrics: dict[str, float] = {}
        for batch in batches:
            loss = self.objective.loss(batch)
            (loss.sum * (self.scaler.scale / count)).backward()
            total += loss.sum.item()
            metrics |= loss.metrics
        if not math.isfinite(total) and not self.scaler.enabled:
            raise UserError(
                f"the loss became {total} at step {self.step + 1}: try a lower --lr, a longer --warmup, or --precision fp32."
            )
        parameters = self.optimizer.parameters()
        finite = self.scaler.unscale(parameters)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.config.grad_clip:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.config.grad_clip, norm)
        middle = progress if self.budget else (self.step + 0.5) / (self.steps or 1)  # neither first nor last rate is 0
        scale = self.parts.lr_at(middle, warmup=self.config.warmup, schedule=self.config.schedule)
        if finite:
            self.optimizer.step(scale)
        else:
            self.optimizer.zero_grad()
        self.step += 1
        self.tokens += sum(batch.inputs_BT.numel() for batch in batches)
        seconds = time.perf_counter() - begun
        fields = {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": round(self.elapsed, 3),
            "loss": total / max(count, 1),
            "lr": self.config.lr * scale,
            "grad_norm": norm.item(),
            "tokens_per_second": round(batches[0].inputs_BT.numel() * len(batches) / seconds),
            "memory_mb": round(memory_mb(self.model.device)),
            **metrics,
        }
        self.run.log(**fields)
        self.console.step(fields, self.progress())

    def _due(self, every: int | None, before: float) -> bool:
        """Every `every` steps, or at each tenth of the run; never at the very end, where the whole validation follows."""
        now = self.progress()
        if now >= 1:
            return False
        if every:
            return self.step % every == 0
        return int(now * VALIDATIONS) > int(before * VALIDATIONS)

    def _validate(self, max_tokens: int) -> None:
        self.model.eval()
        measures = self.objective.validate(max_tokens)
        samples = self.objective.sample()
        self.model.train()
        if measures:
            self.last_val = measures
            self.run.log(step=self.step, tokens=self.tokens, seconds=round(self.elapsed, 3), **measures)
        for sample in samples:
            self.run.sample(step=self.step, **sample)
        self.console.validation(self.step, measures, samples)

    def save(self) -> None:
        """Write a checkpoint of this very moment."""
        tensors: dict[str, torch.Tensor] = {f"model.{name}": p for name, p in self.model.named_parameters()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self.optimizer.state.items()}
        tensors["rng"] = torch.get_rng_state()
        state = {
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.elapsed,
            "optimizer_steps": self.optimizer.num_steps,
            "scaler": self.scaler.state_dict(),
            "data": self.objective.batches.state_dict(),
        }
        save_checkpoint(self.run.checkpoints_dir, self.step, tensors, state, self.config.keep)

    @torch.no_grad()
    def load(self) -> None:
        """Go back to the newest whole checkpoint of the run."""
        tensors, state = load_checkpoint(self.run.checkpoints_dir)
        if state["data"].keys() != self.objective.batches.state_dict().keys():
            raise UserError(
                f"run '{self.run.name}' cannot resume with other data: give it the replay texts it was started with."
            )
        self.objective.batches.load_state_dict(state["data"])
        for name, parameter in self.model.named_parameters():
            if tensors[f"model.{name}"].shape != parameter.shape:
                raise UserError(
                    f"run '{self.run.name}' cannot resume: the model it was started from has changed since."
                )
            parameter.copy_(tensors[f"model.{name}"])
        self.optimizer.load_state_dict(
            {
                "num_steps": state["optimizer_steps"],
                "state": {k: tensors[f"optimizer.{k}"] for k in self.optimizer.state},
            }
        )
        torch.set_rng_state(tensors["rng"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.tokens, self.seconds = state["step"], state["tokens"], state["seconds"]
        self.started = time.perf_counter()
        self.run.rewind(self.step)
        self.run.update(status="running", finished=None)


@contextlib.contextmanager
def stop_between_steps(state: Fit) -> Iterator[None]:
    """The first Ctrl-C waits for the end of the step: half an update could not be resumed exactly. A second does not wait."""
    # Only the main thread may handle signals; a job in the background that ignores Ctrl-C goes on ignoring it.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        if state.stopping:
            raise KeyboardInterrupt
        state.stopping = True

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def fit(objective: Objective, config: TrainConfig, run: Run, steps: int | None = None) -> dict[str, Any]:
    """Train until `steps` (or `config.budget`) is used up; return the last validation.

    An interruption (Ctrl-C) saves a checkpoint and marks the run as stopped before it goes on up, with the run's name
    as its argument.
    """
    state = Fit(objective, config, run, steps)
    if config.resume:
        state.load()
    objective.model.train()
    with state.console, stop_between_steps(state):
        try:
            state.train()
        except KeyboardInterrupt:
            state.save()
            run.finish("stopped", step=state.step, **state.last_val)
            raise KeyboardInterrupt(run.name) from None
        except BaseException as error:
            run.finish("failed", step=state.step, error=str(error))
            raise
    objective.model.eval()
    results = {"step": state.step, "tokens": state.tokens, "seconds": round(state.elapsed, 1), **state.last_val}
    run.update(results=results)
    return results
