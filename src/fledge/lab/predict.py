"""Predict first: what the learner expects before the run, how sure they are, and whether the run proved them right."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, suggest
from fledge.lang import _, commas

if TYPE_CHECKING:
    from fledge.lab.results import Results
    from fledge.lab.spec import Lab

DEFAULT_CONFIDENCE = 0.6


@dataclass(frozen=True)
class Guess:
    """An option, and the probability that the learner gives it."""

    choice: str
    confidence: float


def given(lab: Lab, word: str | None, *, ask: bool) -> Guess | None:
    """The guess that `--predict` spells, or that a person at the terminal makes; None when there is none.

    At a terminal a slip is asked again; elsewhere it is a UserError, before anything has run.
    """
    ask = ask and sys.stdin.isatty() and sys.stdout.isatty()
    if word is not None:
        try:
            return spelled(lab, word)
        except UserError as slip:
            if not ask:
                raise
            print(f"{slip}\n")
    return asked(lab) if ask else None


def asked(lab: Lab) -> Guess | None:
    """What a person at the terminal guesses; None when they skip it."""
    options = list(lab.prediction.options)
    print(lab.prediction.question)
    for number, key in enumerate(options, 1):
        print(f"  {number}. {lab.prediction.options[key]}")
    while True:
        answer = _typed(_("your guess (a number; Enter to skip): "))
        if not answer:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(options):
            break
        print(_("Type a number from 1 to {num_options}.").format(num_options=len(options)))
    while True:
        sure = _typed(_("how sure are you, in percent? (60): ")) or "60"
        if (confidence := share(sure)) is not None:
            return Guess(options[int(answer) - 1], confidence)
        print(_("Type a number from 0 to 100."))


def _typed(prompt: str) -> str:
    """A line without its spaces; nothing at the end of the input (Ctrl-D)."""
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        return ""


def spelled(lab: Lab, word: str) -> Guess:
    """CHOICE or CHOICE:PERCENT."""
    choice, __, percent = word.partition(":")
    options = lab.prediction.options
    if choice not in options:
        near = suggest(choice, options)
        raise UserError(
            _("--predict must be one of {options}, not '{choice}'.{near}").format(
                options=commas(options), choice=choice, near=near
            )
        )
    confidence = share(percent) if percent else DEFAULT_CONFIDENCE
    if confidence is None:
        raise UserError(
            _("--predict {word}: how sure you are must be a number from 0 to 100, not '{percent}'.").format(
                word=word, percent=percent
            )
        )
    return Guess(choice, confidence)


def share(percent: str) -> float | None:
    """`75`, `75%` or `75 %` as 0.75; None for what is no number from 0 to 100."""
    try:
        found = float(percent.rstrip("%％ ")) / 100
    except ValueError:
        return None
    return found if 0 <= found <= 1 else None


def judged(results: Results, guess: Guess) -> dict[str, Any]:
    """The guess beside what came out."""
    outcome = results.lab.prediction.outcome(results)
    if outcome not in results.lab.prediction.options:
        raise ValueError(f"{results.lab.id}: the outcome '{outcome}' is no option of its prediction")
    return {
        "choice": guess.choice,
        "confidence": guess.confidence,
        "outcome": outcome,
        "right": guess.choice == outcome,
    }
