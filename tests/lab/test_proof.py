"""What a lab's record proves, and what it is proven with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fledge import proofs
from fledge.lab import Claim, Sabotage, Text, proof
from fledge.lab.verdict import execute
from tests.lab import toy

WORDS = Text("说法", "claim")


def kept(lab=toy.lab) -> dict:
    results, found = proof.prove(lab)
    return found | {"metrics": results.summary()}


def test_a_sound_lab_is_proven() -> None:
    found = kept()
    assert proof.problems(toy.lab, found) == []
    assert found["proof"]["sabotages"] == [{"more": "NOT SUPPORTED"}, {"half": "NOT SUPPORTED"}]
    assert 0 < found["proof"]["null_apart"] < proof.SPREADS


def test_a_claim_that_is_not_supported_is_no_proof() -> None:
    found = kept()
    found["verdicts"]["more"] = "INCONCLUSIVE"
    assert proof.problems(toy.lab, found) == ["'more' is INCONCLUSIVE"]


def test_a_claim_that_chance_fulfils_is_found_out() -> None:
    lucky = Claim("lucky", WORDS, lambda arm: arm["biased"]["so_far"] != arm["fair"]["so_far"])
    lab = toy.make(claims=[lucky], sabotages=[Sabotage({"bias": 0.5}, ("lucky",), Text("无", "no bias"))])
    assert proof.problems(lab, kept(lab)) == ["'lucky' is found where nothing differs"]


def test_a_sabotage_that_breaks_nothing_is_found_out() -> None:
    lab = toy.make(sabotages=[Sabotage({"throws": 300}, ("more", "half"), Text("少扔几次", "fewer throws"))])
    found = proof.problems(lab, kept(lab))
    assert found == ["'more' survives the sabotage 'fewer throws'", "'half' survives the sabotage 'fewer throws'"]


def test_a_record_of_other_claims_is_no_proof() -> None:
    other = toy.make(
        claims=[dataclasses.replace(toy.lab.claims[0], name="most")],
        sabotages=[Sabotage({"bias": 0.5}, ("most",), WORDS)],
    )
    assert "the record judges" in proof.problems(other, kept())[0]


def test_numbers_that_moved_are_noticed() -> None:
    found, again = kept(), execute(toy.lab, toy.lab.settings, range(5, 10))
    assert proof.drifted(again, found) == [], "other seeds of the same coin"
    found["metrics"]["biased"]["share"]["mean"] = 0.6
    assert "biased/share is 0.9" in proof.drifted(again, found)[0]
    del found["metrics"]["fair"]["share"]
    assert "fair/share is not recorded" in proof.drifted(again, found)


def test_arms_that_differ_without_a_reason_are_noticed() -> None:
    null = execute(toy.lab, toy.lab.settings, range(3))  # a fair and a biased coin, said to be equal
    assert proof.farthest(null) > proof.SPREADS


@pytest.fixture
def two_files(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """A package of two files, of which a lab imports one."""
    package = tmp_path / "fledge"
    for name in ("model/layers.py", "lab/show.py", "lab/verdict.py", "data/rows.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(proofs, "PACKAGE", package)
    lab = tmp_path / "exp1_a.py"
    lab.write_text("from fledge.model.layers import x\nfrom fledge.lab.show import x\n", encoding="utf-8")
    return lab, package


@pytest.mark.parametrize(
    ("file", "counts"), [("model/layers.py", True), ("lab/show.py", False), ("data/rows.py", False)]
)
def test_what_a_lab_stands_on(two_files, file, counts) -> None:
    """The engine that it imports counts; what shows it does not, nor what it does not import."""
    lab, package = two_files
    before = proof.content(lab)
    (package / file).write_text("x = 2\n", encoding="utf-8")
    assert (proof.content(lab) != before) == counts


def test_the_lab_itself_counts(two_files) -> None:
    lab, _ = two_files
    before = proof.content(lab)
    lab.write_text(lab.read_text(encoding="utf-8") + "y = 1\n", encoding="utf-8")
    assert proof.content(lab) != before
