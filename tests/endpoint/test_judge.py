"""A judge is text: its verdict is read where there is one, positions are swapped, and its trustworthiness is counted."""

from __future__ import annotations

import random
import re

import pytest

from fledge.endpoint import Endpoint
from fledge.endpoint.judge import (
    Verdict,
    agreement,
    cohen_kappa,
    judge_answers,
    judge_pairs,
    read_pair,
    read_score,
)
from fledge.errors import UserError
from tests.endpoint.server import asked, serving


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Both are fine. [[A]]", "a"),
        ("At first [[A]] looks better, but it is wrong.\n[[B]]", "b"),
        ("[[ c ]]", "tie"),
        ("B", "b"),
        ("**A**.", "a"),
        ("Verdict: Answer B", "b"),
        ("The winner is B.", "b"),
        ("结论：A", "a"),
        ("更好的是B", "b"),
        ("平局", "tie"),
        ("A good question. Answer A is long, and answer B is short.", None),
        ("I cannot judge this.", None),
        ("", None),
        ("[[__import__('os').remove('x')]]", None),
        ("winner: banana", None),
    ],
)
def test_a_verdict_is_read_or_there_is_none(text, side):
    assert read_pair(text) == side


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Good. [[8]]", 8),
        ("[[3]] no: [[7.5]]", 7.5),
        ("[[Rating: 9]]", 9),
        ("[[8/10]]", 8),
        ("评分：6", 6),
        ("Score: 4/10", 4),
        ("7", 7),
        ("[[11]]", None),
        ("[[0]]", None),
        ("It has 3 mistakes.", None),
        ("[[1e9]]", None),
        ("[[2**9999999]]", None),
        ("nonsense", None),
    ],
)
def test_a_grade_is_a_number_on_the_scale_or_there_is_none(text, score):
    assert read_score(text) == score


def of_question(body) -> tuple[str, str]:
    """The answers that a judge was shown, in its order."""
    found = re.search(r"\[Answer A\]\n(.*)\n\n\[Answer B\]\n(.*)", asked(body), re.S)
    return found[1], found[2]


PAIRS = [("q", "good answer", "bad answer"), ("q", "bad answer", "good answer"), ("q", "good one", "good two")]


def verdicts(answer, pairs=PAIRS) -> list[Verdict]:
    with serving(answer) as server:
        found = dict(judge_pairs(Endpoint(server.url), pairs))
    return [found[number] for number in range(len(pairs))]


def test_a_fair_judge_says_the_same_in_both_orders():
    def fair(body):
        a, b = ("good" in side for side in of_question(body))
        return "[[C]]" if a == b else "[[A]]" if a else "[[B]]"

    found = verdicts(fair)
    assert [verdict.winner for verdict in found] == ["a", "b", "tie"]
    report = agreement(found, ["a", "b", "a"])
    assert (report.consistent, report.first, report.unread) == (1.0, 0.5, 0.0)


def test_a_judge_that_likes_what_stands_first_decides_nothing():
    found = verdicts(lambda body: "[[A]]")
    assert [verdict.winner for verdict in found] == ["tie", "tie", "tie"]
    report = agreement(found)
    assert report.consistent == 0.0 and report.first == 1.0


def test_a_judge_that_answers_prose_or_nothing_gives_no_verdict_for_that_pair():
    def moody(body):
        return "I like both." if "bad answer" in of_question(body) else "[[A]]"

    found = verdicts(moody)
    assert [verdict.winner for verdict in found] == [None, None, "tie"]
    assert "no verdict" in found[0].reason and agreement(found).unread == pytest.approx(2 / 3)


def test_a_judge_that_only_writes_prose_is_stopped():
    pairs = [(f"q{n}", "a", "b") for n in range(100)]
    with (
        serving(lambda body: "What a lovely question!") as server,
        pytest.raises(UserError, match=r"no verdict in its first 20 answers \(the last: “What a lovely question!”\)"),
    ):
        list(judge_pairs(Endpoint(server.url, at_once=1), pairs))
    assert len(server.requests) < 40


def test_a_judge_that_times_out_leaves_the_other_pairs():
    def sleepy(body):
        return 0.5 if "bad answer" in of_question(body)[0] else "[[A]]"

    with serving(sleepy) as server:
        found = dict(judge_pairs(Endpoint(server.url, timeout=0.1, retries=0), PAIRS))
    assert found[2].winner == "tie" and found[0].winner is None and "no answer within" in found[0].reason


def test_grades_come_with_the_reason_where_there_is_none():
    with serving(lambda body: "[[9]]" if "fine" in asked(body) else "Hm.") as server:
        found = sorted(judge_answers(Endpoint(server.url), [("q", "fine"), ("q", "odd")]))
    assert found == [(0, 9.0, ""), (1, None, "no verdict in what it wrote")]


def test_kappa_is_that_of_the_textbook():
    """Two readers of 50 applications: 20 both yes, 15 both no, 5 and 10 apart: 0.4 (the example of many textbooks)."""
    a = ["y"] * 20 + ["y"] * 5 + ["n"] * 10 + ["n"] * 15
    b = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(a, b) == pytest.approx(0.4)
    assert cohen_kappa(["y"], ["y"]) is None and cohen_kappa([], []) is None
    rng = random.Random(0)
    assert abs(cohen_kappa([rng.random() < 0.3 for _ in range(4000)], [rng.random() < 0.3 for _ in range(4000)])) < 0.05
