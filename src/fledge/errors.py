"""What a user did wrong, in one sentence: what, where, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from fledge.lang import say


class UserError(Exception):
    """A mistake the user can mend. The command line prints its message and exits with code 2; it is never a traceback."""


class NotWritten(UserError):
    """What a skeleton of `fledge new` raises where nobody has written anything yet."""

    def __init__(self, what: str, file: str):
        super().__init__(
            say(
                f"还没有写：'{file}' 里的 `{what}` 还是骨架的样子，写好它再运行。",
                f"not attempted: `{what}` in '{file}' is still as the skeleton has it; write it, then try again.",
            )
        )


def suggest(word: str, options: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` (in the user's language) for the nearest of `options`; nothing when none is near."""
    options = list(options)
    begun = [
        option for option in options if len(word.strip("-")) > 2 and option.startswith(word)
    ]  # --temp: an abbreviation
    near = begun or difflib.get_close_matches(word, options, n=1, cutoff=0.5)
    return say(f"是不是想写 '{near[0]}'？", f" Did you mean '{near[0]}'?") if near else ""
