"""How long a run is: in optimizer steps, in readings of its data, or in time. Each knows its progress and the schedule's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from fledge.training.loop import Fit


class Length(Protocol):
    """`steps`: optimizer steps of the whole run, where they are known; else None."""

    steps: int | None

    def progress(self, fit: Fit) -> float:
        """Share of the run that is done, from 0; the run is over at 1."""
        ...

    def scheduled(self, fit: Fit, before: float) -> float:
        """Where in the schedule the step stands whose rows were just drawn; `before` was the progress before that."""
        ...

    def left(self, fit: Fit) -> float:
        """Seconds that the rest will take."""
        ...

    def resume(self, fit: Fit, was: dict[str, Any]) -> None:
        """Go on after `fit.step` steps of a run whose length was `was` (a `describe` of then)."""
        ...

    def describe(self) -> dict[str, Any]: ...


class Steps:
    """So many optimizer steps, counted in tokens: a run that goes on with other batches ends at the same token."""

    def __init__(self, steps: int, tokens_per_step: int):
        self.steps: int | None = steps
        self.asked, self.tokens_per_step = steps, tokens_per_step
        self.total_tokens = steps * tokens_per_step

    def progress(self, fit: Fit) -> float:
        return fit.tokens / self.total_tokens

    def scheduled(self, fit: Fit, before: float) -> float:
        return before + self.tokens_per_step / 2 / self.total_tokens  # the middle: neither first nor last rate is 0

    def left(self, fit: Fit) -> float:
        return fit.clock.left(self._steps_left(fit))

    def _steps_left(self, fit: Fit) -> int:
        return math.ceil((self.total_tokens - fit.tokens) / self.tokens_per_step)

    def resume(self, fit: Fit, was: dict[str, Any]) -> None:
        if was.get("steps") == self.asked:
            self.total_tokens = was["total_tokens"]
        else:
            self.total_tokens += fit.tokens - fit.step * self.tokens_per_step
        self.steps = fit.step + self._steps_left(fit)

    def describe(self) -> dict[str, Any]:
        return {"steps": self.asked, "total_tokens": self.total_tokens}


class Updates:
    """So many optimizer steps, however many tokens each of them reads."""

    def __init__(self, steps: int):
        self.steps: int | None = steps

    def progress(self, fit: Fit) -> float:
        return fit.step / self.steps  # type: ignore[operator]

    def scheduled(self, fit: Fit, before: float) -> float:
        return before + 0.5 / self.steps  # type: ignore[operator]

    def left(self, fit: Fit) -> float:
        return fit.clock.left(self.steps - fit.step)  # type: ignore[operator]

    def resume(self, fit: Fit, was: dict[str, Any]) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {"steps": self.steps}


class Epochs:
    """So many readings of the rows; `steps` is an estimate."""

    def __init__(self, epochs: float, steps: int):
        self.epochs = epochs
        self.steps: int | None = steps

    def progress(self, fit: Fit) -> float:
        return fit.batches.readings / self.epochs

    def scheduled(self, fit: Fit, before: float) -> float:
        return (before + self.progress(fit)) / 2

    def left(self, fit: Fit) -> float:
        done = self.progress(fit)
        return fit.clock.left(math.ceil(fit.step * (1 - done) / done)) if done else 0.0

    def resume(self, fit: Fit, was: dict[str, Any]) -> None:
        pass  # the rows know where they are

    def describe(self) -> dict[str, Any]:
        return {"epochs": self.epochs}


def training_seconds(budget: float, preparing: float) -> float:
    """What preparing a run has left of its budget; training gets half of it at least."""
    return max(budget - preparing, budget / 2)


class Budget:
    """So many seconds of work."""

    steps: int | None = None

    def __init__(self, seconds: float):
        self.seconds = seconds

    def progress(self, fit: Fit) -> float:
        return fit.clock.elapsed / self.seconds

    def scheduled(self, fit: Fit, before: float) -> float:
        return before

    def left(self, fit: Fit) -> float:
        return max(0.0, self.seconds - fit.clock.elapsed)

    def resume(self, fit: Fit, was: dict[str, Any]) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {"budget": self.seconds}
