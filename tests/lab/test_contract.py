"""A lab is an experiment: arms differ in one thing, verdicts come from numbers, null finds nothing, sabotage is noticed."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from fledge.errors import UserError
from fledge.lab import Claim, Sabotage, Text
from fledge.lab.verdict import (
    INCONCLUSIVE,
    NOT_SUPPORTED,
    SUPPORTED,
    Verdict,
    changed,
    execute,
    judge,
    null,
    sabotaged,
    verdicts,
)
from tests.lab import toy

WORDS = Text("说法", "claim")


def verdict_of(claim: Claim, *, seeds: int = 5, arms: dict | None = None) -> Verdict:
    lab = toy.make(
        claims=[claim], sabotages=[Sabotage({"bias": 0.5}, (claim.name,), WORDS)], **({"arms": arms} if arms else {})
    )
    return judge(claim, execute(lab, lab.settings, range(seeds)))


def judged(claim: Claim, *, seeds: int = 5, arms: dict | None = None) -> str:
    return verdict_of(claim, seeds=seeds, arms=arms).word


def test_verdicts_come_from_every_seed() -> None:
    assert judged(Claim("a", WORDS, lambda arm: arm["biased"]["share"] > 0.7)) == SUPPORTED
    assert judged(Claim("a", WORDS, lambda arm: arm["biased"]["share"] < 0.7)) == NOT_SUPPORTED
    lab = toy.make()
    middle = sorted(row["share"] for row in execute(lab, lab.settings, range(5)).rows["fair"])[2]
    assert judged(Claim("a", WORDS, lambda arm: arm["fair"]["share"] > middle)) == INCONCLUSIVE


def test_a_verdict_has_one_reason() -> None:
    more = Claim("a", WORDS, lambda arm: arm["biased"]["share"] > arm["fair"]["share"])
    assert verdict_of(more).reason == "all" and verdict_of(more, seeds=2).reason == "few"
    assert verdict_of(more, arms={"fair": {"coin": "fair"}, "biased": {"coin": "nan"}}).reason == "not finite"
    less = Claim("a", WORDS, lambda arm: arm["biased"]["share"] < arm["fair"]["share"])
    assert verdict_of(less).reason == "none"
    assert verdict_of(more).read == [("biased", "share"), ("fair", "share")]


def test_a_claim_over_all_arms_is_watched_too() -> None:
    every = Claim("a", WORDS, lambda arm: all(metrics["share"] >= 0 for metrics in arm.values()))
    broken = verdict_of(every, arms={"fair": {"coin": "fair"}, "biased": {"coin": "nan"}})
    assert broken.reason == "not finite" and verdict_of(every).read == [("fair", "share"), ("biased", "share")]


def test_two_seeds_prove_nothing() -> None:
    claim = Claim("a", WORDS, lambda arm: arm["biased"]["share"] > 0.7)
    assert judged(claim, seeds=2) == INCONCLUSIVE
    assert judged(claim, seeds=3) == SUPPORTED


def test_a_number_that_is_not_finite_proves_nothing() -> None:
    arms = {"fair": {"coin": "fair"}, "biased": {"coin": "nan"}}
    reads = Claim("a", WORDS, lambda arm: not arm["biased"]["share"] > 0.7)
    assert judged(reads, arms=arms) == INCONCLUSIVE
    does_not = Claim("a", WORDS, lambda arm: arm["fair"]["share"] > 0.1)
    assert judged(does_not, arms=arms) == SUPPORTED


def test_null_arm_finds_no_difference() -> None:
    lab = toy.lab
    assert verdicts(execute(lab, lab.settings, range(5))) == {"more": SUPPORTED, "half": SUPPORTED}
    same = null(lab, lab.settings, range(5))
    assert same.rows["fair"] == execute(lab, lab.settings, range(5)).rows["fair"]
    throws = [row["so_far"] for arm in same.arms for row in same.rows[arm]]
    assert len({tuple(curve) for curve in throws}) == 10, "two runs of the null arm share a seed"
    assert verdicts(same) == {"more": NOT_SUPPORTED, "half": SUPPORTED}


def test_the_null_arm_can_fail() -> None:
    """A claim that any two runs fulfil is found out only because the arms have seeds of their own."""
    lucky = Claim("lucky", WORDS, lambda arm: arm["biased"]["so_far"] != arm["fair"]["so_far"])
    lab = toy.make(claims=[lucky], sabotages=[Sabotage({"bias": 0.5}, ("lucky",), WORDS)])
    assert verdicts(null(lab, lab.settings, range(5))) == {"lucky": SUPPORTED}


@pytest.mark.parametrize("sabotage", toy.lab.sabotages)
def test_sabotage_flips_the_claim(sabotage: Sabotage) -> None:
    broken = verdicts(sabotaged(toy.lab, sabotage, toy.lab.settings, range(5)))
    assert all(broken[name] != SUPPORTED for name in sabotage.breaks)


def test_the_same_seed_gives_the_same_numbers_whatever_ran_before() -> None:
    first = execute(toy.lab, toy.lab.settings, [3])
    torch.rand(17)
    assert execute(toy.lab, toy.lab.settings, [2, 3]).rows["fair"][1] == first.rows["fair"][0]


def test_summary_has_mean_and_spread() -> None:
    results = execute(toy.lab, toy.lab.settings, range(5))
    found = results.summary()["biased"]["share"]
    assert found["mean"] == pytest.approx(sum(found["values"]) / 5)
    assert found["min"] <= found["mean"] <= found["max"] and found["std"] > 0
    assert len(results.summary()["biased"]["so_far"]["mean"]) == 400


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"arms": {"fair": {"coin": "fair"}}, "labels": {"fair": WORDS}}, "two arms"),
        ({"arms": {"fair": {"coin": "fair"}, "biased": {"coin": "biased", "throws": 5}}}, "the same one setting"),
        ({"arms": {"fair": {"coin": "fair"}, "biased": {"throws": 5}}}, "the same one setting"),
        ({"arms": {"fair": {"coin": "fair"}, "biased": {"coin": "fair"}}}, "two arms are the same"),
        ({"quick": {"throw": 5}}, "no setting 'throw'"),
        ({"labels": {"fair": WORDS}}, "needs a label"),
        ({"sabotages": []}, "no sabotage breaks the claim 'more'"),
        ({"sabotages": [Sabotage({"bias": 0.5}, ("more", "half", "most"), WORDS)]}, "unknown claim 'most'"),
        ({"seeds": 2}, "three seeds"),
        ({"settings": dataclasses.replace(toy.Settings(), coin="round")}, "one of its choices"),
    ],
)
def test_what_is_no_experiment_cannot_be_made(changes: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        toy.make(**changes)


def test_settings_have_a_range() -> None:
    assert changed(toy.lab, {"throws": 7}).throws == 7
    with pytest.raises(UserError, match="between 1 and 10000"):
        changed(toy.lab, {"throws": 0})
    with pytest.raises(UserError, match="one of fair, biased, nan"):
        changed(toy.lab, {"coin": "round"})


def test_a_lab_knows_its_file() -> None:
    assert toy.lab.path.name == "toy.py" and toy.lab.id == "tests/toy"
    assert toy.lab.about.en.startswith("A lab that costs nothing") and toy.lab.about.zh == "两枚硬币，一枚偏。"
