"""Predict first: what the learner expects before the run, how sure they are, and whether the run proved them right."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lab.results import Results
from fledge.lab.spec import Lab
from fledge.lang import say

DEFAULT_CONFIDENCE = 0.6


@dataclass(frozen=True)
class Guess:
    """An option, and the probability that the learner gives it."""

    choice: str
    confidence: float


def given(lab: Lab, word: str | None, *, ask: bool) -> Guess | None:
    """The guess that `--predict` spells, or that a person at the terminal makes; None when there is none."""
    if word is not None:
        return spelled(lab, word)
    if not ask or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    options = list(lab.prediction.options)
    print(lab.prediction.question)
    for number, key in enumerate(options, 1):
        print(f"  {number}. {lab.prediction.options[key]}")
    while True:
        answer = input(say("你的预测（数字；直接回车跳过）：", "your guess (a number; Enter to skip): ")).strip()
        if not answer:
            return None
        if answer.isdigit() and 1 <= int(answer) <= len(options):
            break
        print(say(f"请输入 1 到 {len(options)}。", f"Type a number from 1 to {len(options)}."))
    sure = input(say("有几成把握？（百分数，默认 60）：", "how sure are you, in percent? (60): ")).strip()
    return spelled(lab, f"{options[int(answer) - 1]}:{sure or 60}")


def spelled(lab: Lab, word: str) -> Guess:
    """CHOICE or CHOICE:PERCENT."""
    choice, _, percent = word.partition(":")
    options = lab.prediction.options
    if choice not in options:
        near = suggest(choice, options)
        raise UserError(
            say(
                f"--predict 应该是 {'、'.join(options)} 之一，不能是 '{choice}'。{near}",
                f"--predict must be one of {', '.join(options)}, not '{choice}'.{near}",
            )
        )
    try:
        confidence = float(percent.rstrip("%")) / 100 if percent else DEFAULT_CONFIDENCE
    except ValueError:
        confidence = -1.0
    if not 0 <= confidence <= 1:
        raise UserError(
            say(
                f"--predict {word}：冒号后面的把握应该是 0 到 100 的数，不能是 '{percent}'。",
                f"--predict {word}: how sure you are must be a number from 0 to 100, not '{percent}'.",
            )
        )
    return Guess(choice, confidence)


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
