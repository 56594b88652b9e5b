"""The batches of online learning: prompts are drawn and answered, and their samples handed out, until they are used up.

Everything that the next batch depends on is in `state_dict`: where in the prompts it stands, how many rollouts were made (each
has a seed of its own), the samples of the last one while they are not used up, and what the job remembers between rollouts.
So a run that is killed in the middle of a rollout goes on to the same bits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from fledge.errors import UserError
from fledge.lang import _, commas
from fledge.rollout.batch import RolloutBatch, Sample
from fledge.rollout.prompts import Prompts
from fledge.training.objective import Metrics


@dataclass
class Rollout:
    """What came of answering some prompts: chunks of samples, one a batch, and figures as (sum, count)."""

    chunks: list[list[Sample]]
    metrics: Metrics


class Collector(Protocol):
    """What a job does with prompts."""

    def collect(self, prompts: list[list[int]], seed: int) -> Rollout:
        """Answer prompts (row numbers, as many lists as there are batches) and make samples of the answers."""
        ...

    def batch(self, samples: list[Sample]) -> RolloutBatch: ...

    def state_dict(self) -> dict[str, Any]:
        """What it remembers between rollouts."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Rollouts:
    """An endless iterator of `RolloutBatch`.

    Args:
        prompts_a_batch: prompts whose episodes one pass reads; batches: so many are answered with the same weights.
        reuse: how often each rollout is gone through.
    """

    ahead = False  # a batch is made by the weights that the step before it leaves

    def __init__(
        self, prompts: Prompts, collector: Collector, *, prompts_a_batch: int, batches: int, reuse: int, seed: int
    ) -> None:
        self.prompts, self.collector, self.seed = prompts, collector, seed
        self.prompts_a_batch, self.batches, self.reuse = prompts_a_batch, batches, reuse
        self.drawn = self.made = 0  # prompts, and rollouts of them
        self.rollout = Rollout([], {})
        self.next = 0  # of the rollout's chunks, gone through `reuse` times
        self._order = -1, np.empty(0, np.int64)  # (reading, order of the prompts in it)

    @property
    def readings(self) -> float:
        """How often the prompts were answered and trained on."""
        left = len(self.rollout.chunks) * self.reuse - self.next
        waiting = left / self.reuse * self.prompts_a_batch
        return (self.drawn - waiting) / len(self.prompts)

    def __iter__(self) -> Rollouts:
        return self

    def __next__(self) -> RolloutBatch:
        if self.next == len(self.rollout.chunks) * self.reuse:
            self._answer()
        chunk = self.rollout.chunks[self.next % len(self.rollout.chunks)]
        batch = self.collector.batch(chunk)
        if self.next == 0:
            batch.metrics = self.rollout.metrics
        self.next += 1
        return batch

    def _answer(self) -> None:
        numbers = [[self._draw() for _ in range(self.prompts_a_batch)] for _ in range(self.batches)]
        words = np.random.SeedSequence([self.seed, self.made]).generate_state(1, np.uint64)
        self.rollout = self.collector.collect(numbers, int(words[0]) >> 16)
        self.made, self.next = self.made + 1, 0

    def _draw(self) -> int:
        """The number of the next prompt; every reading of them has an order of its own."""
        reading, place = divmod(self.drawn, len(self.prompts))
        self.drawn += 1
        if self._order[0] != reading:
            self._order = reading, np.random.default_rng([self.seed, reading]).permutation(len(self.prompts))
        return int(self._order[1][place])

    def report(self) -> dict[str, Any]:
        return {"truncated": 0, "dropped": 0, "prompts": len(self.prompts), "rollouts": self.made}

    def state_dict(self) -> dict[str, Any]:
        waiting = self.next < len(self.rollout.chunks) * self.reuse
        return {
            "prompts": self.prompts.fingerprint,
            "drawn": self.drawn,
            "made": self.made,
            "next": self.next if waiting else 0,
            "chunks": [[asdict(sample) for sample in chunk] for chunk in self.rollout.chunks] if waiting else [],
            "metrics": {name: (float(total), count) for name, (total, count) in self.rollout.metrics.items()},
            "collector": self.collector.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["prompts"] != self.prompts.fingerprint:
            raise UserError(
                _(
                    "the run cannot go on: the data have changed since it began ({files} has another content or another "
                    "tokenizer): bring the old data back, or start another run."
                ).format(files=commas(source["file"] for source in self.prompts.inputs))
            )
        self.drawn, self.made, self.next = state["drawn"], state["made"], state["next"]
        chunks = [[Sample(**sample) for sample in chunk] for chunk in state["chunks"]]
        self.rollout = Rollout(chunks, {name: (total, count) for name, (total, count) in state["metrics"].items()})
        self.collector.load_state_dict(state["collector"])
