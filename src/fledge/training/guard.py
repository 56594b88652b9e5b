"""When a step goes wrong: what it choked on is kept, and if a part of the learner's is to blame, the run says which, is saved
as it was before the step, and can go on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors.torch import save_file

from fledge.course.mine import PARTS
from fledge.errors import UserError
from fledge.lang import say
from fledge.parts.blame import blame
from fledge.parts.learner import MyPart, PartError, fallen, in_words, record, yours

if TYPE_CHECKING:
    from fledge.training.loop import Fit

T = TypeVar("T")


class Guard:
    """Watches the parts of one run."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.cursor: dict[str, Any] | None = None  # where the rows of this step begin
        self.held: PartError | None = None  # an error that waits for the end of the step
        for part in yours(fit.parts):
            part.on_failure = self._failed

    def begin(self) -> None:
        """Before a step draws its rows."""
        if yours(self.fit.parts):
            self.cursor = self.fit.objective.batches.state_dict()

    def end(self) -> None:
        """After a whole step."""
        if self.held:
            raise self.held

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

    def gradients(self, batches: list[Any]) -> tuple[float, dict[str, float]]:
        """`Fit._gradients`, watched like `call`; right is what gives numbers."""
        while True:
            mine = yours(self.fit.parts)
            try:
                return self.fit._gradients(batches)
            except UserError:
                raise
            except Exception as error:
                # A part that was replaced on the way made a block another one when it was computed again: once more then.
                if len(yours(self.fit.parts)) == len(mine):
                    self._settle(self._blame(batches, in_words(error)), error)
                self.fit.optimizer.zero_grad()

    def diverged(self, batches: list[Any], loss: float) -> None:
        """The loss or the gradient is no number: keep the rows of that step and stop the run, or replace the part of the
        learner's that is to blame (then the step is to be computed again)."""
        step, run = self.fit.step + 1, self.fit.run
        path = run.path / f"bad-step-{step}.safetensors"
        tensors = {
            f"{i}.{name}": getattr(b, f"{name}_BT") for i, b in enumerate(batches) for name in ("inputs", "targets")
        }
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        infinite = say("梯度变成了无穷大", "the gradient became infinite")
        what = infinite if math.isfinite(loss) else say(f"损失变成了 {loss}", f"the loss became {loss}")
        named = self._blame(batches, what)
        same = ""
        if yours(self.fit.parts):
            same = say("；你写的部件换成参考实现也一样", ", with the reference's parts in place of yours too")
        sentence = say(
            f"第 {step} 步时{what}（这一步的数据存在 {path.as_posix()}{same}）：试试更低的 --lr、更长的 --warmup，"
            "或 --precision fp32。",
            f"{what} at step {step} (its batch is in {path.as_posix()}{same}): "
            "try a lower --lr, a longer --warmup, or --precision fp32.",
        )
        error = UserError(sentence)
        error.kind = "not_a_number"
        self._settle(named, error)
        self.fit.optimizer.zero_grad()

    def _settle(self, named: PartError | None, error: Exception) -> None:
        """Replace the part that is to blame for `error`, if that was asked for; else stop."""
        if named is None:
            raise error
        named.__cause__ = error
        part = next((part for part in yours(self.fit.parts) if part.name == named.part), None)
        if part is None:  # it is several
            raise named
        self._failed(part, named)

    def _blame(self, batches: list[Any], what: str) -> PartError | None:
        return blame(yours(self.fit.parts), lambda: self._works(batches), what)

    def _works(self, batches: list[Any]) -> bool:
        fit = self.fit
        fit.optimizer.zero_grad()
        try:
            loss, _ = fit._backward(batches)
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
            self.fit.console.say(fallen(error))
            self.fit.run.update(parts=record(self.fit.parts))
        elif part.name == "adamw_step":  # the reference ends this step: half an update cannot be saved
            part.replaced = error.what
            self.held = error
        else:
            raise error

    def rescue(self, error: PartError) -> PartError:
        """Save the run as it was after its last whole step; the error, with what to do now."""
        fit = self.fit
        fit.save(None if fit.whole else self.cursor)
        mend = f"`fledge check {error.part}`" if error.part in PARTS else "`fledge parts list`"
        resume = say("原来的命令", "the same command")  # rows in memory: only the program that made them can go on
        if fit.config.data:
            resume = f"`fledge train {fit.run.info['job']} --run {fit.run.name} --resume`"
        advice = say(
            f"训练已经存在第 {fit.step} 步：改好它，用 {mend} 检查，再用 {resume} 继续"
            "（加上 --parts-fallback 则由参考实现顶替）。",
            f"The run is saved at step {fit.step}: mend it, {mend}, and go on with {resume} (with --parts-fallback the "
            "reference takes its place).",
        )
        return error.advised(advice)
