"""Two sources of batches in a fixed proportion: fine-tuning that also replays text, so that it is not forgotten."""

from __future__ import annotations

from typing import Any

from fledge.data.batches import PackedBatches, TokenBatch


class Mixture:
    """Batches of `main`, with a share `share` (0 to 1) of batches from `replay` spread evenly between them."""

    ahead = True

    def __init__(self, main: PackedBatches, replay: PackedBatches, share: float) -> None:
        self.main, self.replay, self.share = main, replay, share
        self.owed = 0.0  # batches of `replay` that are due

    def __iter__(self) -> Mixture:
        return self

    def __next__(self) -> TokenBatch:
        self.owed += self.share
        if self.owed >= 1:
            self.owed -= 1
            return next(self.replay)
        return next(self.main)

    @property
    def readings(self) -> float:
        """Of `main`."""
        return self.main.readings

    def report(self) -> dict[str, Any]:
        return self.main.report()

    def state_dict(self) -> dict[str, Any]:
        return {"owed": self.owed, "main": self.main.state_dict(), "replay": self.replay.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.owed = state["owed"]
        self.main.load_state_dict(state["main"])
        self.replay.load_state_dict(state["replay"])
