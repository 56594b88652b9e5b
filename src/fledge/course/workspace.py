"""The learner's folder: exercises that they write, their log, their runs, and what they have done so far.

    <workspace>/exercises/     the learner's own solutions
                log/           experiment records, templates, reports: for the learner to read and to write in
                runs/          run folders of labs
                .fledge/       progress.sqlite; this folder is what makes a folder a workspace

It is looked for from the working directory upwards, so every command works anywhere inside of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from fledge.course import book
from fledge.errors import UserError
from fledge.lang import _

MARK = ".fledge"


@dataclass(frozen=True)
class Workspace:
    """Paths of one learner's work. Nothing is made by looking at them."""

    root: Path

    @property
    def exercises(self) -> Path:
        return self.root / "exercises"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def database(self) -> Path:
        return self.root / MARK / "progress.sqlite"

    @property
    def exists(self) -> bool:
        return (self.root / MARK).is_dir()


def find_workspace() -> Workspace:
    """`FLEDGE_WORKSPACE`, else the nearest folder around the working directory that is one, else that of the checkout.

    The first and the last are made when they are not there yet; of the last this is said, for nobody has asked for it.
    UserError when there is none.
    """
    if chosen := os.environ.get("FLEDGE_WORKSPACE"):
        return make_workspace(Path(chosen))
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARK).is_dir():
            return Workspace(folder)
    if book.is_checkout():
        space = Workspace(book.checkout() / "workspace")
        if not space.exists:
            said = _("making the workspace {folder}: your exercises, runs and progress are kept there.").format(
                folder=space.root
            )
            print(said, file=sys.stderr)
        return make_workspace(space.root)
    raise UserError(
        _(
            "there is no workspace here (in '{here}' or above it): make one with `fledge learn init` and go into its folder."
        ).format(here=here)
    )


def make_workspace(path: str | Path) -> Workspace:
    """Make a workspace in `path`, or complete the one that is there; no file that exists is touched."""
    space = Workspace(Path(path).absolute())
    try:
        for folder in (space.database.parent, space.exercises, space.log, space.runs):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if space.exists:  # a copy that can only be read is still good for reading
            return space
        why = error.strerror or error
        raise UserError(
            _("cannot make a workspace in '{folder}': {why}; name a folder that you may write in.").format(
                folder=space.root, why=why
            )
        ) from error
    return space


def write_once(file: Path, text: str) -> bool:
    """Write a file that is not there yet; False when it is. One that a full disk cuts short is taken away again."""
    made = False
    try:
        if not file.parent.is_dir():
            file.parent.mkdir(parents=True)
        with file.open("x", encoding="utf-8", newline="\n") as out:
            made = True
            out.write(text)
        return True
    except OSError as error:
        if made:
            with contextlib.suppress(OSError):
                file.unlink()
        elif file.exists():
            return False
        why = error.strerror or error
        raise UserError(_("'{file}' cannot be written: {why}.").format(file=file, why=why)) from error
