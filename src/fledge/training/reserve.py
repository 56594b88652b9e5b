"""Room on the disk that is kept for the last save: a disk that fills up while a run trains must not cost the training."""

from __future__ import annotations

import errno
from pathlib import Path

from fledge.errors import UserError, resume_command
from fledge.lang import _
from fledge.records import Run

BLOCK = bytes(1 << 20)
SPARE = 4 << 20  # for the record and the tokenizer


class Reserve:
    """A file of zeros as large as what is to be saved; gone before the save, back after it."""

    def __init__(self, folder: Path, size: int):
        self.path, self.size = folder / ".reserve", size + SPARE

    def take(self) -> bool:
        """Hold the room; False when the disk has not so much."""
        try:
            with self.path.open("wb") as file:
                for _ in range(-(-self.size // len(BLOCK))):  # written, not only declared: a sparse file holds nothing
                    file.write(BLOCK)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        self.path.unlink(missing_ok=True)


def disk_full(error: BaseException) -> bool:
    """Whether that was the disk's end, or the user's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def no_room(run: Run, reserve: Reserve) -> UserError:
    size = reserve.size / 1e6
    return UserError(
        _(
            "the disk has no room for what run '{run}' will save ({size:,.0f} MB): make room, "
            "or choose another place with FLEDGE_RUNS."
        ).format(run=run.name, size=size)
    )


def nearly_full(run: Run, step: int) -> str:
    return _(
        "the disk is nearly full: the run is saved at step {step} and stops here; make room, then go on with {again}"
    ).format(step=step, again=again(run))


def disk_is_full(run: Run, step: int) -> UserError:
    return UserError(
        _("the disk is full: run '{run}' is saved at step {step}; make room, then go on with {again}.").format(
            run=run.name, step=step, again=again(run)
        )
    )


def again(run: Run) -> str:
    """What to type to go on with a run that is saved; of rows in memory only the program that made them knows."""
    if run.info["config"].get("data"):
        return f"`{resume_command(run.info['job'], run.name)}`"
    return _("the same command")
