"""Doors to other programs' formats; `minimind/` is all of MiniMind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fledge.errors import Spelling
    from fledge.records import Run

FORMATS = {".pth": "fledge.interop.minimind.folder:pth_folder"}
"""Files of other programs that may be named as a model: suffix -> what makes a model folder of one (its path -> the
folder's), by name, so that it is imported when such a file is named. `fledge.model.source` looks here."""


def spelling_of(run: Run) -> Spelling:
    """How sentences about a run are spelled: in the words of the door that began it, else in ours."""
    from fledge.interop.minimind.arguments import words_of

    return words_of(run)
