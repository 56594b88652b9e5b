"""When a step goes wrong: what it choked on is kept, and the run says so. The learner's parts bring a guard that also finds
out which of them was to blame (jobs/parts_guard.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from safetensors.torch import save_file

from fledge.errors import UserError, advice
from fledge.lang import _
from fledge.training.gradients import Sums, gradients
from fledge.training.objective import Batch

if TYPE_CHECKING:
    from fledge.training.loop import Fit

T = TypeVar("T")


class Diverged(UserError):
    """The loss or the gradient is no number. `kind` stands in the record, for whoever judges the run."""

    kind = "not_a_number"


class Guard:
    """Stands between the loop and what may fail in it.

    Attributes:
        patient: whether a step's figures may be read one step later, so that a GPU need not wait for the reader.
    """

    patient = True

    def __init__(self, fit: Fit) -> None:
        self.fit = fit

    def begin(self) -> None:
        """Before a step draws its rows."""

    def end(self) -> None:
        """After a whole step."""

    def call(self, action: Callable[[], T]) -> T:
        """What `action` (a validation, a sample) returns."""
        return action()

    def gradients(self, batches: Sequence[Batch]) -> Sums:
        return gradients(self.fit, batches)

    def diverged(self, step: int, batches: Sequence[Batch], loss: float) -> None:
        """The figures of `step` are no numbers: keep its rows and raise; a return means that it is to be computed again."""
        what = infinite() if math.isfinite(loss) else _("the loss became {loss}").format(loss=loss)
        path = self.keep(step, batches)
        raise self.stopped(step, what, path)

    def parts(self) -> dict[str, str]:
        """Parts that are not the reference's: the last bits of the run depend on them."""
        return {}

    def rescue(self, error: Exception) -> Exception:
        """The run ends with `error`: save what can be saved; what to raise."""
        return error

    def keep(self, step: int, batches: Sequence[Batch]) -> str:
        """Write the rows of a step into the run's folder; where."""
        path = self.fit.run.path / f"bad-step-{step}.safetensors"
        rows = {f"{i}.{name}": tensor for i, batch in enumerate(batches) for name, tensor in batch.tensors().items()}
        save_file({name: tensor.contiguous() for name, tensor in rows.items()}, path)
        return path.as_posix()

    def stopped(self, step: int, what: str, path: str, same: str = "") -> Diverged:
        lower, longer = ("lr", _("a lower {}")), ("warmup", _("a longer {}"))
        ways = advice(lower, longer, ("precision=fp32", "{}"))
        sentence = _("{what} at step {step} (its batch is in {path}{same}): try {ways}.")
        if not ways:
            sentence = _("{what} at step {step} (its batch is in {path}{same}).")
        return Diverged(sentence.format(what=what, step=step, path=path, same=same, ways=ways))


def infinite() -> str:
    return _("the gradient became infinite")
