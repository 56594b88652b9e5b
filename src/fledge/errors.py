"""What a user did wrong, in one sentence: what, where, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fledge.lang import say


class UserError(Exception):
    """A mistake the user can mend. The command line prints its message and exits with code 2; it is never a traceback.

    The message is for people, in their language; `kind` names the mistake to programs, where one must know it.
    """

    kind: str | None = None


def suggest(word: str, options: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` (in the user's language) for the nearest of `options`; nothing when none is near."""
    options = list(options)
    begun = [
        option for option in options if len(word.strip("-")) > 2 and option.startswith(word)
    ]  # --temp: an abbreviation
    near = begun or difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    return say(f"是不是想写 '{near[0]}'？", f" Did you mean '{near[0]}'?") if near else ""
