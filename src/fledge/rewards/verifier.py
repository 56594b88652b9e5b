"""verifier: 1 for a right answer, 0 for any other, by a rule and not by taste.

What is right stands in the task: accepted `answers`, a `check` of form (`fledge.world.checks`), or both; then both must hold.
Where every accepted answer is a number, the last number of the text is compared with it, so that listing many numbers wins
nothing; other answers must stand in the text as whole words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fledge.data.rows import TaskRow
from fledge.lang import _
from fledge.rewards.episode import Episode
from fledge.world.checks import CHECKS, passes

_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?")


class Verifier:
    name = "verifier"

    def __call__(self, episodes: Sequence[Episode]) -> list[float]:
        return [float(verified(episode.task, episode.answer)) for episode in episodes]

    def refuse(self, task: TaskRow) -> str:
        if not task.answers and task.check is None:
            return _("it has neither an answer ('gt') nor a 'check': there is nothing to verify")
        name = None if task.check is None else task.check.get("check")
        if name is not None and name not in CHECKS and name not in MATCHES:
            return _("there is no check '{name}'").format(name=name)
        return ""


def make(argument: str, model: Any, tokenizer: Any) -> Verifier:
    return Verifier()


def verified(task: TaskRow, answer: str) -> bool:
    """Whether an answer passes the task's check of form and is one of its accepted answers, where it has them."""
    name = task.check["check"] if task.check else None
    match = MATCHES.get(str(name))
    if match is None and task.check and not passes(answer, task.check):
        return False
    if not task.answers:
        return True
    if match is None:
        match = last_number if all(number(truth) is not None for truth in task.answers) else stands_in
    return match(answer, task.answers)


def exact(answer: str, truths: Sequence[str]) -> bool:
    """The answer is one of the truths; case, blanks around it and a final full stop do not matter."""
    return _plain(answer) in {_plain(truth) for truth in truths}


def stands_in(answer: str, truths: Sequence[str]) -> bool:
    """One of the truths stands in the answer as whole words."""
    return any(_whole(truth, answer) for truth in truths)


def all_stand_in(answer: str, truths: Sequence[str]) -> bool:
    """Every truth stands in the answer as whole words."""
    return all(_whole(truth, answer) for truth in truths)


def last_number(answer: str, truths: Sequence[str]) -> bool:
    """The last number of the answer equals a truth: 1,234 is 1234, and 5.0 is 5."""
    found = _NUMBER.findall(answer)
    return bool(found) and number(found[-1]) in {number(truth) for truth in truths}


MATCHES: dict[str, Callable[[str, Sequence[str]], bool]] = {
    "exact": exact,
    "contains": stands_in,
    "contains_all": all_stand_in,
    "number": last_number,
}
"""Ways to compare an answer with the truths, by the name that a row's `check` may give: {"check": "exact"}."""


def number(text: str) -> Decimal | None:
    """The value of "1,234", "−3" or "5.0"; None for what is no number."""
    try:
        value = Decimal(text.strip().replace(",", "").replace("−", "-"))
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _plain(text: str) -> str:
    return text.strip().removesuffix("。").removesuffix(".").strip().casefold()


def _whole(truth: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(truth)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None
