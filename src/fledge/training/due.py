"""When a run is measured and saved on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fledge.training.length import Budget

if TYPE_CHECKING:
    from fledge.training.loop import Fit

VALIDATIONS = 10  # a run, when nothing else is asked for
VALIDATION_SHARE = 0.05  # of a time budget that they may use: fewer when the budget is short
LAST = 64  # the last validation may use so many times `val_tokens`: at the default, a million tokens
SAVE_SECONDS = 600.0  # between checkpoints, when nothing else is asked for: so much work a power cut can cost


class Due:
    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.validations = VALIDATIONS
        self.saved_at = 0.0  # seconds of work

    def afford(self, seconds: float) -> None:
        """Of a time budget, only so many validations of so many `seconds` as it bears."""
        if isinstance(self.fit.length, Budget):
            self.validations = min(VALIDATIONS, max(1, int(VALIDATION_SHARE * self.fit.length.seconds / seconds)))

    def validation(self, before: float) -> bool:
        """After a step that began at progress `before`; never at the very end, where the whole validation follows."""
        now, every = self.fit.progress(), self.fit.config.val_every
        if now >= 1:
            return False
        if every:
            return self.fit.step % every == 0
        return int(now * self.validations) > int(before * self.validations)

    def save(self) -> bool:
        if self.fit.config.save_every:
            return self.fit.step % self.fit.config.save_every == 0
        return self.fit.clock.elapsed - self.saved_at > SAVE_SECONDS
