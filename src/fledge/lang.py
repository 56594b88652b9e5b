"""Chinese or English: what a learner reads follows FLEDGE_LANG, else the system's language."""

from __future__ import annotations

import locale
import os
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
