"""Chinese or English: what a learner reads follows FLEDGE_LANG, else the system's language."""

from __future__ import annotations

import contextlib
import io
import locale
import os
import sys
from dataclasses import dataclass
from typing import Literal


def language() -> Literal["zh", "en"]:
    """`FLEDGE_LANG` (zh or en) decides; else the locale variables; else what the operating system says."""
    for variable in ("FLEDGE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "").lower()
        if value and value not in ("c", "posix", "c.utf-8"):
            return "zh" if value.startswith(("zh", "chinese")) else "en"
    try:  # Windows sets no LANG; its locale reads 'Chinese (Simplified)_China'
        name = (locale.getlocale()[0] or "").lower()
    except ValueError:  # macOS: LC_CTYPE=UTF-8 is not a locale name
        name = ""
    return "zh" if name.startswith(("zh", "chinese")) else "en"


def say(zh: str, en: str) -> str:
    """Return the sentence in the learner's language."""
    return zh if language() == "zh" else en


@dataclass(frozen=True)
class Text:
    """A sentence in both languages; `str()` gives the learner's."""

    zh: str
    en: str

    def __str__(self) -> str:
        return say(self.zh, self.en)


def use_utf8() -> None:
    """A Chinese or English Windows console, or a pipe there, must not fail on a character outside its code page; nor any terminal
    on half a character, typed by cutting a text or printed in a file name that is not UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower() not in ("utf-8", "utf8"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    for stream in (sys.stdin, sys.stdout):
        if hasattr(stream, "reconfigure"):
            with contextlib.suppress(io.UnsupportedOperation):  # somebody read from it before
                stream.reconfigure(errors="replace")


def readable(text: str) -> str:
    """The text with U+FFFD for half surrogate pairs: Python keeps as them what was no character on the command line."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
