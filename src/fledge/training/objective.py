"""What a training stage must supply; the loop knows nothing else about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from fledge.model.transformer import Transformer


@dataclass
class Loss:
    """A sum over tokens and its denominator, so that any split into micro-batches gives the exact token mean."""

    sum: Tensor
    count: int
    metrics: dict[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """Rows and their loss. `batches` yields objects with a `count` that `split(parts)` into smaller ones, and resumes from
    its `state_dict`."""

    model: Transformer
    batches: Any

    def loss(self, batch: Any) -> Loss: ...

    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        """Measures on held-out data: at least val_loss (nats per token) and val_bpb; {} when there is no such data.

        They are computed in batches a `splits`th of the usual size.
        """
        ...

    def sample(self) -> list[dict[str, str]]:
        """What the model writes now: rows of {"prompt", "text"}."""
        ...

    def landmarks(self) -> dict[str, float]:
        """Values to draw beside the curve: start (ln V), floor (bits per byte) where they are known."""
        ...
