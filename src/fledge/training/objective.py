"""What a training job must supply; the loop knows nothing else about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from fledge.model.transformer import Transformer
from fledge.training.config import TrainConfig
from fledge.training.length import Length

Metrics = dict[str, tuple[float | Tensor, float]]
"""A metric is (sum, count): sums and counts of micro-batches and processes are added, and only then divided."""


@dataclass
class Loss:
    """A sum and its denominator, so that any split into micro-batches gives the exact mean."""

    sum: Tensor
    count: float
    metrics: Metrics = field(default_factory=dict)


class Batch(Protocol):
    """What one forward and backward pass reads. The loop asks for nothing else.

    Attributes:
        count: denominator of its loss; num_tokens: positions that are computed; ends_epoch: the optimizer steps after it.
    """

    @property
    def count(self) -> int: ...

    @property
    def num_tokens(self) -> int: ...

    @property
    def ends_epoch(self) -> bool: ...

    def __len__(self) -> int:
        """Rows: in so many parts it can be split."""
        ...

    def split(self, parts: int) -> Sequence[Batch]:
        """The same rows as `parts` batches, or fewer when there are not so many rows."""
        ...

    def pin(self) -> Batch:
        """The same in page-locked memory, from which a GPU copies while it computes."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What is kept when this batch breaks the run."""
        ...


class Batches(Protocol):
    """Endless, or as long as the epochs that were asked for; resumes at exactly the next batch.

    `readings`: how often the rows were read so far. `ahead`: whether a batch may be drawn before the step of the one before it
    is taken; not when the model itself writes them.
    """

    @property
    def ahead(self) -> bool: ...

    @property
    def readings(self) -> float: ...

    def __iter__(self) -> Batches: ...

    def __next__(self) -> Batch: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def report(self) -> dict[str, Any]:
        """Counts for the run record: what was cut or left out, how full the rows are."""
        ...


class Data(Protocol):
    """What a run tells of the data that it trains on."""

    @property
    def num_tokens(self) -> int: ...

    @property
    def num_targets(self) -> int: ...

    @property
    def num_bytes(self) -> int: ...

    def __len__(self) -> int: ...

    def describe(self) -> dict[str, Any]: ...


class Objective(Protocol):
    """Rows and their loss, and the model that is trained on them."""

    @property
    def model(self) -> Transformer: ...

    @property
    def batches(self) -> Batches: ...

    @property
    def train(self) -> Data:
        """What is trained on, before it is packed."""
        ...

    def loss(self, batch: Any) -> Loss: ...

    def length(self, config: TrainConfig) -> Length:
        """How long a run with these settings is."""
        ...

    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        """Measures on held-out data (of a language model at least val_loss, nats per token, and val_bpb); {} without such data.

        They are computed in batches a `splits`th of the usual size.
        """
        ...

    def sample(self) -> list[dict[str, str]]:
        """What the model writes now: rows of {"prompt", "text"}."""
        ...

    def landmarks(self) -> dict[str, float]:
        """Values to draw beside the curve: start (ln V), floor (bits per byte) where they are known and mean something."""
        ...

    def describe(self) -> dict[str, Any]:
        """Its data, for the run record."""
        ...
