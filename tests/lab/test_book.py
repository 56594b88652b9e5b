"""Every lab of the book: what it claims is supported by a small run, its null arm finds nothing, its sabotage is noticed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fledge.book import topics
from fledge.cli.lab import load
from fledge.lab.figure import in_language
from fledge.lab.verdict import NOT_SUPPORTED, SUPPORTED, changed, execute, null, sabotaged, verdicts
from tests.conftest import ROOT

LABS = {f"{topic.name}/{path.stem}": path for topic in topics() for path in topic.labs}
every_lab = pytest.mark.parametrize("name", LABS)
SEEDS = range(3)


def small(name: str):
    lab = load(LABS[name])
    return lab, changed(lab, lab.quick)


def test_there_are_enough() -> None:
    assert len(LABS) >= 26


@every_lab
def test_is_an_experiment(name: str) -> None:
    lab = load(LABS[name])
    assert lab.id == name
    for text in (lab.title, lab.about, lab.prediction.question, *(claim.text for claim in lab.claims)):
        assert text.zh.strip() and text.en.strip() and text.zh != text.en
    assert all(label.zh and label.en for label in lab.labels.values())


@pytest.mark.slow
@every_lab
def test_small_run_contradicts_no_claim(name: str) -> None:
    lab, settings = small(name)
    results = execute(lab, settings, SEEDS)
    assert NOT_SUPPORTED not in verdicts(results).values()
    assert lab.prediction.outcome(results) in lab.prediction.options
    assert "<svg" in in_language("zh", results)


@pytest.mark.slow
@every_lab
def test_null_arm_finds_nothing(name: str) -> None:
    lab, settings = small(name)
    found = verdicts(null(lab, settings, SEEDS))
    assert [c.name for c in lab.claims if not c.absolute and found[c.name] == SUPPORTED] == []


@pytest.mark.slow
@every_lab
def test_sabotage_is_noticed(name: str) -> None:
    lab, settings = small(name)
    for sabotage in lab.sabotages:
        found = verdicts(sabotaged(lab, sabotage, settings, SEEDS))
        assert [claim for claim in sabotage.breaks if found[claim] == SUPPORTED] == []


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
