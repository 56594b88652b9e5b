"""Chinese or English: what a learner reads follows FLEDGE_LANG, else the system's language.

The program's own sentences stand in English in the code and in Chinese in locale/zh/LC_MESSAGES/fledge.po, by gettext
(`python docs/messages.py` keeps that file):

    _("step {step} of {steps}").format(step=3, steps=10)   a sentence
    ngettext("{n} row", "{n} rows", n).format(n=n)         one that counts
    pgettext("of a run", "running")                        English that means two things, and is two words in Chinese
    N_("talk with a model")                                a constant of a module, a Text: translated when it is shown
    both("wanted {want}", want=want)                       a Text with fields: both languages at once, for what is kept
    Text("中文", "English")                                 the content of a lab, an exercise or a quiz
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import gettext
import io
import locale
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


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


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The sentences in a language; English, as they stand in the code, where there is no file of them."""
    return gettext.translation("fledge", Path(__file__).parent / "locale", [language], fallback=True)


def _(message: str) -> str:
    """The sentence in the learner's language."""
    return catalogue(language()).gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """The sentence for a count, in the learner's language."""
    return catalogue(language()).ngettext(one, many, n)


def pgettext(context: str, message: str) -> str:
    """The sentence in the learner's language, told apart by a context from others with the same English."""
    return catalogue(language()).pgettext(context, message)


def commas(words: Iterable[object]) -> str:
    """The words with the learner's commas between them."""
    return _(", ").join(map(str, words))


@dataclass(frozen=True)
class Text:
    """A sentence in both languages; `str()` gives the learner's."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.zh if language() == "zh" else self.en


class _Later(Text):
    """A Text whose Chinese is looked up when it is read: the constants of a module cost nothing while it is imported."""

    def __init__(self, message: str) -> None:
        object.__setattr__(self, "en", message)

    @property
    def zh(self) -> str:  # type: ignore[override]
        return catalogue("zh").gettext(self.en)


def N_(message: str) -> Text:
    """A constant of a module; it is translated when it is shown."""
    return _Later(message)


def both(message: str, /, **fields: Any) -> Text:
    """The sentence of the catalogue in both languages; a field that is a Text goes into each in its own."""

    def said(lang: str) -> str:
        words = catalogue(lang).gettext(message)
        return words.format(**{name: getattr(value, lang, value) for name, value in fields.items()})

    return Text(said("zh"), said("en"))


def use_utf8() -> None:
    """A Chinese or English Windows console, or a pipe there, must not fail on a character outside its code page; nor any terminal
    on half a character, typed by cutting a text or printed in a file name that is not UTF-8."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            known = codecs.lookup(stream.encoding or "ascii").name
            foreign = known == "ascii" or (known != "utf-8" and stream is not sys.stdin)
            with contextlib.suppress(io.UnsupportedOperation):  # somebody read from it before
                stream.reconfigure(encoding="utf-8" if foreign else None, errors="replace")


def readable(text: str) -> str:
    """The text with U+FFFD for what was no character where it was typed (Python keeps it as half surrogate pairs)."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # bytes of a command line
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # halves of a UTF-16 console
