"""format: 1 for an answer that is well formed, 0 for any other, whatever it says.

Well formed: the model ended it by itself, something is said, and thinking is either left out or stands once, first and
whole: `<think>…</think>` and then the answer. `format=think` asks for the thinking too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fledge.errors import UserError, flag
from fledge.lang import _
from fledge.rewards.episode import Episode

_THOUGHT = re.compile(r"\s*<think>(.+?)</think>(.+)", re.DOTALL)


class Format:
    name = "format"

    def __init__(self, think: bool = False):
        self.think = think

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        return [float(episode.finished and self.well_formed(episode.text)) for episode in episodes]

    def well_formed(self, text: str) -> bool:
        tags = text.count("<think>"), text.count("</think>")
        if tags == (0, 0):
            return not self.think and bool(text.strip())
        match = _THOUGHT.fullmatch(text)
        return tags == (1, 1) and match is not None and all(part.strip() for part in match.groups())


def make(argument: str, model: Any, tokenizer: Any) -> Format:
    if argument not in ("", "think"):
        raise UserError(
            _("{flag}: the reward 'format' knows only format and format=think, not format={argument}.").format(
                flag=flag("rewards"), argument=argument
            )
        )
    return Format(think=argument == "think")
