"""Quizzes: asked in a new order every time, judged by a rule, and every answer gets its reason.

A topic's `quiz.yaml` is the source (quiz_items reads it, quiz_lint says what its author must mend). Options are shuffled
for every attempt, so that what is learnt is not a letter; a wrong answer names the lab that refutes it.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from fledge.course.book import Topic
from fledge.course.pages import topic_title
from fledge.course.progress import Event
from fledge.course.quiz_items import LETTERS, Item, Option, Quiz, Trap, has_quiz, load, parse_number
from fledge.errors import UserError
from fledge.lang import Text, _, both

__all__ = ["LETTERS", "Item", "Option", "Quiz", "Trap", "has_quiz", "load"]  # besides what is defined here

PASS = 0.8  # share of right answers with which a topic's quiz counts as passed
Chosen = list[int] | float  # positions in the file (all chosen ones, or the whole order), or the number given


@dataclass(frozen=True)
class Feedback:
    """What became of an answer: whether it is right, the reasons to read now, and the labs that refute what was chosen."""

    right: bool
    reasons: tuple[tuple[str, Text], ...]
    """(what it is about: an option's text, a number or "", the reason)"""
    labs: tuple[str, ...] = ()


def arrange(item: Item, seed: int | None) -> list[int]:
    """Position in the file of every option as it is shown. Without a seed as the page shows them: in the file's order.

    An order is always shuffled, and never shown in the right order.
    """
    shown = list(range(len(item.options)))
    if seed is None and item.kind != "order":
        return shown
    rng = random.Random(f"{seed}/{item.id}")
    rng.shuffle(shown)
    while item.kind == "order" and shown == item.correct:
        rng.shuffle(shown)
    return shown


def read_answer(item: Item, shown: list[int], said: str) -> Chosen:
    """What a learner typed, as positions in the file (or the number); UserError says what was expected."""
    said = unicodedata.normalize("NFKC", said).strip()  # full-width letters and digits are typed in Chinese
    if item.kind == "numeric":
        number = parse_number(said)
        if number is None:
            raise UserError(_("'{said}' is no number: write 2, 0.5 or 1e-3.").format(said=said))
        return number
    letters = re.sub(r"[\s,、，;；>→-]+", "", said).upper()
    last = LETTERS[len(shown) - 1]
    unknown = [letter for letter in letters if letter not in LETTERS[: len(shown)]]
    if unknown or not letters or len(set(letters)) != len(letters):
        wanted = {
            "single": _("write one letter"),
            "multiple": _("write every letter that you choose, e.g. ac"),
            "order": _("write all letters in order, e.g. cab"),
        }[item.kind]
        raise UserError(
            _("'{said}' is not understood: {wanted} (A–{last}).").format(said=said, wanted=wanted, last=last)
        )
    chosen = [shown[LETTERS.index(letter)] for letter in letters]
    if item.kind == "single" and len(chosen) != 1:
        raise UserError(_("this question takes one letter."))
    if item.kind == "order":
        if len(chosen) != len(shown):
            raise UserError(_("write all {length} letters.").format(length=len(shown)))
        return chosen
    return sorted(chosen)


def judge(item: Item, chosen: Chosen) -> Feedback:
    """Whether an answer is right, with the reason of what was chosen and of what is right."""
    if item.kind == "numeric":
        return _judge_number(item, float(chosen))  # type: ignore[arg-type]
    assert isinstance(chosen, list)
    if item.kind == "order":
        assert item.why
        return Feedback(chosen == item.correct, (("", item.why),))
    wrong = [number for number in chosen if not item.options[number].correct]
    told = [item.options[number] for number in dict.fromkeys([*chosen, *item.correct])]
    labs = [item.options[number].lab for number in wrong]
    return Feedback(
        chosen == item.correct,
        tuple((str(option.text), option.why) for option in told),
        tuple(dict.fromkeys(lab for lab in labs if lab)),
    )


def _judge_number(item: Item, number: float) -> Feedback:
    assert item.why
    right = _near(number, item.answer, item.tolerance)
    caught = [t for t in item.traps if _near(number, t.value, max(item.tolerance, 0.01 * abs(t.value)))]
    traps = [] if right else caught[:1]
    reasons = [(f"{trap.value:.10g}", trap.why) for trap in traps] + [(f"{item.answer:.10g}", item.why)]
    return Feedback(right, tuple(reasons), tuple(trap.lab for trap in traps if trap.lab))


def _near(number: float, value: float, tolerance: float) -> bool:
    return abs(number - value) <= tolerance + 1e-9 * max(1.0, abs(value))  # 1.99 is within 0.01 of 2


def share_right(quiz: Quiz, latest: dict[str, bool]) -> float:
    """Of all items, the share that is right by the newest answer; one never answered is not right."""
    return sum(latest.get(item.id, False) for item in quiz.items) / len(quiz.items)


def latest_answers(events: Iterable[Event], topic: Topic) -> dict[str, bool]:
    """{item: whether its newest answer is right} of a topic, from the progress events of kind `quiz`."""
    prefix = f"{topic.name}/"
    return {
        event.subject.removeprefix(prefix): bool(event.data.get("right"))
        for event in events
        if event.subject.startswith(prefix)
    }


# The page


def page(quiz: Quiz, lang: str) -> str:
    """quiz.md (`lang` "zh") or quiz.en.md ("en"): every question, and its answer with all reasons behind a fold."""

    def said(text: Text) -> str:
        return getattr(text, lang)

    name = quiz.topic.name
    title = topic_title(quiz.topic, lang)
    lines = [
        "# " + said(both("Quiz: {title}", title=title)),
        "",
        "<!-- written by docs/book.py from quiz.yaml -->",
        "",
        said(
            both(
                "In the terminal the options are shuffled and your answers are kept: `fledge quiz {name}`. Here, "
                "answer first and unfold then.",
                name=name,
            )
        ),
    ]
    for number, item in enumerate(quiz.items, start=1):
        shown = arrange(item, None)
        hint = {
            "multiple": said(both(" (one or more)")),
            "order": said(both(" (put in order)")),
            "numeric": said(both(" (a number)")),
        }.get(item.kind, "")
        lines += ["", f"## {number}. {getattr(item.question, lang)}{hint}", ""]
        lines += [f"- {LETTERS[at]}. {getattr(item.options[place].text, lang)}" for at, place in enumerate(shown)]
        answer = said(both("Answer"))
        lines += ["", f"<details><summary>{answer}</summary>", ""]
        lines += [*_solution(item, shown, lang), "", "</details>"]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _solution(item: Item, shown: list[int], lang: str) -> list[str]:
    if item.kind in ("single", "multiple"):
        right = ", ".join(LETTERS[at] for at, place in enumerate(shown) if item.options[place].correct)
        reasons = [f"- {LETTERS[at]}: {getattr(item.options[place].why, lang)}" for at, place in enumerate(shown)]
        return [f"**{right}**", "", *reasons]
    assert item.why
    reason = getattr(item.why, lang)
    if item.kind == "order":
        return [f"**{' → '.join(LETTERS[shown.index(place)] for place in item.correct)}**", "", reason]
    traps = [f"- {trap.value:.10g}: {getattr(trap.why, lang)}" for trap in item.traps]
    return [f"**{item.answer:.10g}**", "", reason, "", *traps]
