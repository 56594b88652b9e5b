"""Rewards: each by examples that a neighbour of it would judge otherwise, and their sum."""

from __future__ import annotations

import pytest

from fledge.data.rows import TaskRow, parse
from fledge.errors import UserError
from fledge.rewards import Episode, Weighted, compose
from fledge.rewards import parse as words
from fledge.rewards.form import Format
from fledge.rewards.length import Length
from fledge.rewards.repetition import repeated
from fledge.rewards.verifier import Verifier, verified


def task(*answers, check=None) -> TaskRow:
    return TaskRow([{"role": "user", "content": "?"}], list(answers), check=check)


def episode(text: str, of: TaskRow | None = None, ids: int = 3, finished: bool = True) -> Episode:
    turns = [{"role": "assistant", "content": text}]
    return Episode(of or task("5"), [1], list(range(ids)), [True] * ids, [0.0] * ids, turns, finished)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("5", True), ("It is 5.", True), ("2 + 3 = 5", True), ("5.0", True), ("1,005", False), ("15", False),
        ("5, or 6", False), ("<think>6</think>5", True), ("", False), ("five", False),
    ],
)  # fmt: skip
def test_of_numbers_the_last_one_counts(answer, right):
    assert Verifier()([episode(answer)]) == [float(right)]


def test_words_must_stand_whole_and_any_truth_will_do():
    towns = task("Elmford", "the mill")
    assert verified(towns, "She lives in Elmford.") and verified(towns, "At The Mill!")
    assert not verified(towns, "In Elmfordshire.") and not verified(towns, "")
    assert verified(task("苹果"), "一个苹果。")


def test_a_check_of_form_and_an_answer_must_both_hold():
    both = task("Elmford", check={"check": "one_sentence"})
    assert verified(both, "She lives in Elmford.") and not verified(both, "Elmford. Yes.") and not verified(both, "No.")
    only = task(check={"check": "items", "count": 2, "options": ["red", "blue", "green"]})
    assert verified(only, "Red and blue.") and not verified(only, "Red, blue and green.")
    assert verified(task("a b", check={"check": "exact"}), "A b.")
    assert not verified(task("a b", check={"check": "exact"}), "A b c.")
    assert not verified(task("4", "7", check={"check": "contains_all"}), "4")


def test_tasks_that_cannot_be_verified_are_refused_with_the_reason():
    assert "nothing to verify" in Verifier().refuse(task())
    assert "no check 'beautiful'" in Verifier().refuse(task("5", check={"check": "beautiful"}))
    assert Weighted([(Verifier(), 1.0)]).refuse(task("5")) == ""
    assert Weighted([(Length(), 1.0)]).refuse(task()) == ""


def test_format():
    form, think = Format(), Format(think=True)
    assert form([episode("5"), episode("5", finished=False), episode(" ")]) == [1, 0, 0]
    assert form([episode("<think>a</think>5"), episode("<think>a"), episode("a</think>5")]) == [1, 0, 0]
    assert form([episode("<think>a</think>"), episode("<think></think>5"), episode("5<think>a</think>b")]) == [0, 0, 0]
    assert think([episode("5"), episode("<think>a</think>5")]) == [0, 1]


def test_length_falls_between_the_limit_and_twice_that():
    assert Length(4)([episode("x", ids=n) for n in (1, 4, 6, 8, 20)]) == [1, 1, 0.5, 0, 0]
    assert Length(4)([episode("")]) == [0]


def test_repetition():
    assert repeated([1, 2, 3, 4]) == 0 and repeated([1, 2]) == 0
    assert repeated([1, 2, 3, 1, 2, 3, 1]) == pytest.approx(2 / 5)  # 123 231 312 | 123 231
    assert repeated([7] * 100) > 0.98


def test_words_of_the_command_line():
    assert words("verifier") == ("verifier", "", 1.0)
    assert words("length=32:-0.5") == ("length", "32", -0.5)
    with pytest.raises(UserError, match=r"there is no reward 'verifyer'.*Did you mean 'verifier'"):
        words("verifyer:2")
    with pytest.raises(UserError, match="length=long is not a number"):
        compose(["length=long"], None, None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no reward: name at least one"):
        compose([], None, None)  # type: ignore[arg-type]


def test_parts_are_weighed_and_told_alone():
    both = compose(["verifier:2", "length=2:0.5"], None, None)  # type: ignore[arg-type]
    totals, parts = both([episode("5", ids=3), episode("6", ids=1)])
    assert totals == [2.25, 0.5] and parts == {"verifier": [1, 0], "length": [0.5, 1]}


def test_what_is_no_number_is_refused_with_the_name_of_the_reward():
    class Odd:
        name = "odd"

        def __call__(self, episodes):
            return [float("nan")] * len(episodes)

    with pytest.raises(UserError, match="the reward 'odd' gave nan"):
        Weighted([(Odd(), 1.0)])([episode("5")])


def test_rows_may_bring_their_rule():
    row = {"conversations": [{"role": "user", "content": "Two colours?"}], "check": {"check": "items", "count": 2}}
    assert parse(row, "task").check == {"check": "items", "count": 2}
    with pytest.raises(ValueError, match="'check' must name a rule"):
        parse(row | {"check": "items"}, "task")
