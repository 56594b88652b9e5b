"""Every lab of the book: its record proves every claim, finds nothing in the null run, and notices every sabotage."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from rich.cells import cell_len

from fledge import proofs
from fledge.cli.lab import load
from fledge.course.book import topics
from fledge.lab import Results, proof
from fledge.lab.show import cell, numbers_table, reason
from fledge.lab.verdict import judge
from tests.conftest import ROOT

LABS = {f"{topic.name}/{path.stem}": path for topic in topics() for path in topic.labs}
every_lab = pytest.mark.parametrize("name", LABS)
EVERY_DAY = 2  # labs that are run again although nothing changed: all of them within about two weeks


def test_there_are_enough() -> None:
    assert len(LABS) >= 26


@every_lab
def test_is_an_experiment(name: str) -> None:
    lab = load(LABS[name])
    assert lab.id == name
    for text in (lab.title, lab.about, lab.prediction.question, *(claim.text for claim in lab.claims)):
        assert text.zh.strip() and text.en.strip() and text.zh != text.en
    assert all(label.zh and label.en for label in lab.labels.values())


@every_lab
def test_record_proves_every_claim(name: str) -> None:
    lab, kept = load(LABS[name]), proof.record_of(LABS[name])
    assert kept, "run python docs/book.py --record changed"
    assert proof.problems(lab, kept) == []
    assert list(kept["metrics"]) == list(lab.arms) and kept["settings"]["seeds"] == list(range(lab.seeds))


@pytest.mark.slow
@every_lab
def test_what_is_recorded_still_holds(name: str, pytestconfig) -> None:
    """Proven once per content: run again when the lab or its engine changed, when it is its turn, and with --all."""
    again = pytestconfig.getoption("--all") or not proof.is_fresh(LABS[name])
    if not again and name not in proofs.rotating(list(LABS), EVERY_DAY):
        return
    lab = load(LABS[name])
    results, kept = proof.prove(lab)
    assert proof.problems(lab, kept) == []
    assert proof.drifted(results, proof.record_of(LABS[name])) == [], "run python docs/book.py --record changed"
    assert lab.prediction.outcome(results) in lab.prediction.options


@pytest.mark.parametrize("lang", ["zh", "en"])
@every_lab
def test_tables_fit_a_terminal(name: str, lang: str, monkeypatch) -> None:
    """80 columns, and every number in one piece; made of what was recorded, nothing runs."""
    monkeypatch.setenv("FLEDGE_LANG", lang)
    results = recorded(name)
    lines = numbers_table(results)
    assert max(map(cell_len, lines)) <= 80
    text = "\n".join(lines)
    for arm in results.arms:
        for metric in results.lab.metrics:
            if results.values(arm, metric).ndim == 1:
                assert cell(results, arm, metric) in text
    for claim in results.lab.claims:
        said = "\n".join(reason(results, judge(claim, results)))
        assert max(map(cell_len, said.splitlines())) <= 80


def recorded(name: str) -> Results:
    """The numbers of a record as results (a curve as the mean of its seeds)."""
    lab, kept = load(LABS[name]), proof.record_of(LABS[name])
    results = Results(lab, lab.settings, kept["settings"]["seeds"], seconds=kept["seconds"])
    for arm, metrics in kept["metrics"].items():
        results.rows[arm] = [
            {metric: found["values"][at] if "values" in found else found["mean"] for metric, found in metrics.items()}
            for at in range(len(results.seeds))
        ]
    return results


@every_lab
def test_every_lab_says_why(name: str) -> None:
    why = load(LABS[name]).why
    assert why and why.zh.strip() and why.en.strip()


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted((ROOT / "learning_materials").glob("*.py")), ids=lambda path: path.stem)
def test_second_names(script, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, str(script), "--help"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "FLEDGE_LANG": "en"},
    )
    assert done.returncode == 0 and "--quick" in done.stdout, done.stderr
