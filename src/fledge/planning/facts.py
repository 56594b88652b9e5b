"""What the planner has to know of a training job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge.data.rows import Kind

Three = tuple[int, int, int]


@dataclass(frozen=True)
class Planning:
    """Tuples of three hold a value for each profile (conservative, standard, aggressive).

    Attributes:
        kind: of its rows.
        seq_len: tokens of a row on (CPU, GPU).
        budget: times for (CPU, GPU), for a job that trains as long as one likes; epochs: for one that reads its data.
        frozen: models that only run forward beside the trained one (a reference, a teacher).
        dial: whether --budget chooses the shape of a new model.
    """

    job: str
    kind: Kind
    seq_len: tuple[Three, Three]
    budget: tuple[tuple[str, str, str], tuple[str, str, str]] | None = None
    epochs: Three | None = None
    frozen: int = 0
    dial: bool = False
