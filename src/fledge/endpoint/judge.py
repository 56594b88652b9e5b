"""A model as a judge: which of two answers is better, asked in both orders, or how good one is on a scale.

A judge prefers what stands first, and what is longer (Zheng et al., MT-Bench, 2023). So every pair is asked twice with its answers
swapped, and counts as decided only when both say the same. What a judge writes is text that may hold anything: a verdict is
read from fixed marks, never run, and prose without one is no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fledge.endpoint.client import Endpoint, Failure, Reply
from fledge.endpoint.many import ask_all
from fledge.errors import UserError
from fledge.lang import _

Side = Literal["a", "b", "tie"]

PAIR = """You compare two answers to one question. Judge whether they are correct, complete and helpful; neither their order nor \
their length counts. Think briefly, then end with one line, exactly [[A]], [[B]] or [[C]] (a tie).

[Question]
{question}

[Answer A]
{a}

[Answer B]
{b}"""
SCORE = """You grade one answer to a question from 1 (useless or wrong) to 10 (perfect). Judge whether it is correct, complete and \
helpful; length does not count. Think briefly, then end with one line, exactly [[N]] with the number.

[Question]
{question}

[Answer]
{answer}"""
_MARK = re.compile(r"\[\[\s*(?:rating:?\s*)?([^\[\]]{1,20}?)\s*\]\]", re.I)
_WORDS = "verdict|winner|better answer|final answer|评判|结论|胜者|更好的(?:回答|是)"
_LAST = re.compile(
    rf"(?:{_WORDS})\W{{0,6}}(?:is\W{{0,3}})?(?:answer|assistant|回答)?\W{{0,3}}(?<![a-z])(a|b|c|tie|平局)(?![a-z])",
    re.I,
)
_SCORED = re.compile(r"(?:score|rating|grade|评分|得分|打分|分数)\D{0,12}?(\d+(?:\.\d+)?)(?:\s*/\s*10)?", re.I)
SIDES: dict[str, Side] = {"a": "a", "b": "b", "c": "tie", "tie": "tie", "平局": "tie"}


def read_pair(text: str) -> Side | None:
    """The verdict of a judge's text: its last `[[A]]`, `[[B]]` or `[[C]]`, else the last sentence that names a winner; None for
    prose that names none."""
    for pattern in (_MARK, _LAST):
        found = [SIDES[word] for match in pattern.finditer(text) if (word := match[1].strip().lower()) in SIDES]
        if found:
            return found[-1]
    return SIDES.get(text.strip().strip(".。*[]()").lower())


def read_score(text: str, least: float = 1, most: float = 10) -> float | None:
    """The grade of a judge's text: its last `[[N]]`, else the last number that is called one, else a text that is a number.
    None when there is none from `least` to `most`."""
    marked = [match[1].partition("/")[0] for match in _MARK.finditer(text)]
    for words in (
        marked,
        [match[1] for match in _SCORED.finditer(text)],
        [text.strip().strip(".。*").partition("/")[0]],
    ):
        numbers = [float(word) for word in words if re.fullmatch(r"\s*\d{1,4}(?:\.\d{1,6})?\s*", word)]
        if numbers:
            return numbers[-1] if least <= numbers[-1] <= most else None
    return None


@dataclass(frozen=True)
class Verdict:
    """What a judge said of a pair, asked as (a, b) and as (b, a), in the names of the first order; None where it said nothing.

    `winner`: a or b when both orders agree; tie when they do not, or agree on one; None unless both were read.
    """

    first: Side | None
    second: Side | None
    reason: str = ""

    @property
    def winner(self) -> Side | None:
        if self.first is None or self.second is None:
            return None
        return self.first if self.first == self.second else "tie"


def judge_pairs(endpoint: Endpoint, pairs: Sequence[tuple[str, str, str]]) -> Iterator[tuple[int, Verdict]]:
    """(number, verdict) of every (question, a, b), as they come. UserError when a judge of many writes no verdict at all."""
    payloads = [
        endpoint.payload([{"role": "user", "content": PAIR.format(question=question, a=a, b=b)}])
        for question, left, right in pairs
        for a, b in ((left, right), (right, left))
    ]
    half: dict[int, dict[int, tuple[Side | None, str]]] = {}
    watch = _Watch()
    for number, answer in ask_all(endpoint, payloads):
        pair, swapped = divmod(number, 2)
        side = read_pair(answer.text) if isinstance(answer, Reply) else None
        watch.see(side is not None, answer)
        if swapped and side in ("a", "b"):
            side = "b" if side == "a" else "a"
        half.setdefault(pair, {})[swapped] = side, _why(answer)
        if len(half[pair]) == 2:
            (first, why), (second, other) = half[pair][0], half[pair][1]
            yield pair, Verdict(first, second, (why if first is None else "") or (other if second is None else ""))


def judge_answers(endpoint: Endpoint, answers: Sequence[tuple[str, str]]) -> Iterator[tuple[int, float | None, str]]:
    """(number, grade from 1 to 10 or None, why there is none) of every (question, answer), as they come."""
    payloads = [
        endpoint.payload([{"role": "user", "content": SCORE.format(question=question, answer=answer)}])
        for question, answer in answers
    ]
    watch = _Watch()
    for number, reply in ask_all(endpoint, payloads):
        score = read_score(reply.text) if isinstance(reply, Reply) else None
        watch.see(score is not None, reply)
        yield number, score, "" if score is not None else _why(reply)


class _Watch:
    """Stops a judge that only writes prose before it has been paid for a thousand times."""

    ENOUGH = 20

    def __init__(self) -> None:
        self.read = self.unread = 0

    def see(self, read: bool, answer: Reply | Failure) -> None:
        self.read += read
        self.unread += isinstance(answer, Reply) and not read
        if not self.read and self.unread >= self.ENOUGH and isinstance(answer, Reply):
            said = " ".join(answer.text.split())[:80]
            raise UserError(
                _(
                    "the judge wrote no verdict in its first {count} answers (the last: “{said}”): use another model."
                ).format(count=self.unread, said=said)
            )


def _why(answer: Any) -> str:
    return answer.reason if isinstance(answer, Failure) else _("no verdict in what it wrote")


@dataclass(frozen=True)
class Agreement:
    """How far a judge can be trusted, from its own verdicts.

    Attributes:
        consistent: share of the pairs on which both orders agree.
        first: share of all single verdicts, ties aside, for what stood first (a fair judge: a half).
        unread: share of the single answers without a verdict.
        kappa: agreement with other labels beyond chance (Cohen, 1960), where there are some.
    """

    pairs: int
    consistent: float | None
    first: float | None
    unread: float
    kappa: float | None = None


def agreement(verdicts: Sequence[Verdict], truth: Sequence[Side] | None = None) -> Agreement:
    """The report on `verdicts`; `truth` holds the labels of somebody else for the same pairs."""
    both = [v for v in verdicts if v.first is not None and v.second is not None]
    read = sum((v.first is not None) + (v.second is not None) for v in verdicts)
    stood = [v.first == "a" for v in verdicts if v.first in ("a", "b")]
    stood += [v.second == "b" for v in verdicts if v.second in ("a", "b")]
    kappa = None
    if truth is not None:
        labelled = [(v.winner, label) for v, label in zip(verdicts, truth, strict=True) if v.winner is not None]
        kappa = cohen_kappa([a for a, _label in labelled], [b for _own, b in labelled])
    return Agreement(
        len(verdicts),
        sum(v.first == v.second for v in both) / len(both) if both else None,
        sum(stood) / len(stood) if stood else None,
        1 - read / (2 * len(verdicts)) if verdicts else 0.0,
        kappa,
    )


def cohen_kappa(a: Sequence[Any], b: Sequence[Any]) -> float | None:
    """(agreement - chance) / (1 - chance); None without labels, or when chance alone explains all (one label everywhere)."""
    if not a:
        return None
    same = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    chance = sum((list(a).count(label) / len(a)) * (list(b).count(label) / len(b)) for label in {*a, *b})
    return None if chance >= 1 else (same - chance) / (1 - chance)
