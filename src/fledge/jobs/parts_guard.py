"""A guard for runs on the learner's parts: it finds out which of them was to blame, saves the run as it was before the step, and
lets the reference take the part's place where that was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fledge.errors import UserError
from fledge.lang import _
from fledge.parts.blame import blame
from fledge.parts.learner import MyPart, PartError, fallen, in_words, record, yours
from fledge.parts.table import PARTS
from fledge.training.gradients import Sums, backward
from fledge.training.guard import Guard, infinite
from fledge.training.objective import Batch
from fledge.training.reserve import again

if TYPE_CHECKING:
    from fledge.training.loop import Fit

T = TypeVar("T")


class PartsGuard(Guard):
    patient = False

    def __init__(self, fit: Fit) -> None:
        super().__init__(fit)
        self.cursor: dict[str, Any] | None = None  # where the rows of this step begin
        self.held: PartError | None = None  # an error that waits for the end of the step
        for part in yours(fit.parts):
            part.on_failure = self._failed

    def begin(self) -> None:
        self.cursor = self.fit.batches.state_dict()

    def end(self) -> None:
        if self.held:
            raise self.held

    def parts(self) -> dict[str, str]:
        return {part.name: f"yours ({part.sha256[:8]})" for part in yours(self.fit.parts)}

    def call(self, action: Callable[[], T]) -> T:
        """What `action` returns; an error that comes of what a part returned, further on, is that part's."""

        def works() -> bool:
            try:
                action()
            except Exception:
                return False
            return True

        while True:
            try:
                return action()
            except UserError:
                raise
            except Exception as error:
                self._settle(blame(yours(self.fit.parts), works, in_words(error)), error)

    def gradients(self, batches: Sequence[Batch]) -> Sums:
        """Watched like `call`; right is what gives numbers."""
        while True:
            mine = yours(self.fit.parts)
            try:
                return super().gradients(batches)
            except UserError:
                raise
            except Exception as error:
                # A part that was replaced on the way made a block another one when it was computed again: once more then.
                if len(yours(self.fit.parts)) == len(mine):
                    self._settle(self._blame(batches, in_words(error)), error)
                self.fit.optimizer.zero_grad()

    def diverged(self, step: int, batches: Sequence[Batch], loss: float) -> None:
        """Keep the rows and stop, or replace the part that is to blame (then the step is to be computed again)."""
        path = self.keep(step, batches)
        what = infinite() if math.isfinite(loss) else _("the loss became {loss}").format(loss=loss)
        named = self._blame(batches, what)
        same = ""
        if yours(self.fit.parts):
            same = _(", with the reference's parts in place of yours too")
        self._settle(named, self.stopped(step, what, path, same))

    def rescue(self, error: Exception) -> Exception:
        """Save the run as it was after its last whole step; the error, with what to do now."""
        if not isinstance(error, PartError):
            return error
        fit = self.fit
        fit.stop()
        fit.save(None if fit.whole else self.cursor)
        mend = f"`fledge check {error.part}`" if error.part in PARTS else "`fledge parts list`"
        advice = _(
            "The run is saved at step {step}: mend it, {mend}, and go on with {resume} (with --parts-fallback the "
            "reference takes its place)."
        ).format(step=fit.step, mend=mend, resume=again(fit.run))
        return error.advised(advice)

    def _settle(self, named: PartError | None, error: Exception) -> None:
        """Replace the part that is to blame for `error`, if that was asked for; else stop."""
        if named is None:
            raise error
        named.__cause__ = error
        part = next((part for part in yours(self.fit.parts) if part.name == named.part), None)
        if part is None:  # it is several
            raise named
        self._failed(part, named)

    def _blame(self, batches: Sequence[Batch], what: str) -> PartError | None:
        return blame(yours(self.fit.parts), lambda: self._works(batches), what)

    def _works(self, batches: Sequence[Batch]) -> bool:
        fit = self.fit
        fit.optimizer.zero_grad()
        try:
            loss = float(backward(fit, batches).loss)
            gradients = [p.grad for p in fit.optimizer.parameters() if p.grad is not None]
            norm = fit.parts.clip_gradients(gradients, fit.config.grad_clip or math.inf)
            return math.isfinite(loss) and bool(norm.isfinite()) and all(bool(g.isfinite().all()) for g in gradients)
        except Exception:
            return False
        finally:
            fit.optimizer.zero_grad()

    def _failed(self, part: MyPart, error: PartError) -> None:
        """A part failed in the middle of something."""
        if self.fit.config.parts_fallback:
            part.replaced = error.what
            self.fit.journal.say(fallen(error))
            self.fit.run.update(parts=record(self.fit.parts))
        elif part.name == "adamw_step":  # the reference ends this step: half an update cannot be saved
            part.replaced = error.what
            self.held = error
        else:
            raise error
