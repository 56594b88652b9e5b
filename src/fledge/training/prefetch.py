"""The next batch is made and pinned while a GPU computes this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from fledge.training.objective import Batch, Batches


def prefetched(batches: Batches, device: torch.device) -> Batches:
    """The batches themselves on a CPU, where there is nothing to wait for, and when the next one waits for this step."""
    return Prefetch(batches) if device.type == "cuda" and batches.ahead else batches


class Prefetch:
    """Batches drawn one ahead, in a thread. Its state is that of the batches that were handed out."""

    def __init__(self, batches: Batches) -> None:
        self.batches, self.ahead = batches, True
        self.worker = ThreadPoolExecutor(1, "prefetch")
        self.next: Future[Batch | None] | None = None
        self._note()

    def __iter__(self) -> Prefetch:
        return self

    def __next__(self) -> Batch:
        batch = (self.next or self._ask()).result()
        self.next = None
        self._note()
        if batch is None:
            raise StopIteration
        self.next = self._ask()
        return batch

    def _ask(self) -> Future[Batch | None]:
        return self.worker.submit(self._draw)

    def _draw(self) -> Batch | None:
        batch = next(self.batches, None)
        return batch and batch.pin()

    def _note(self) -> None:
        """What has been handed out, before more is drawn."""
        self.state, self.readings = self.batches.state_dict(), self.batches.readings

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.next is not None:
            self.next.result()
            self.next = None
        self.batches.load_state_dict(state)
        self._note()

    def report(self) -> dict[str, Any]:
        return self.batches.report()
