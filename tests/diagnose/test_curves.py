"""What a curve can tell, and what it cannot: made-up records, each beside the one that looks like it and is sound."""

from __future__ import annotations

import math
import random

import pytest

from fledge.diagnose.check import check_run
from fledge.diagnose.curves import Curves
from fledge.diagnose.job import JobFacts
from fledge.jobs import find_job
from fledge.records import Run

USUAL = find_job("pretrain").facts().usual_rates["muon"]["lr"][0]
START = math.log(400)


def made(
    losses, *, vals=(), lr=USUAL, noise=0.02, tokens_per_epoch=10**6, results=None, status="done", **config
) -> Run:
    """A pretraining run with these losses; `vals` are spread over it, the first before the first step."""
    run = Run.create("pretrain", {"steps": len(losses), "lr": lr, "optimizer": "muon", "seq_len": 64} | config, "made")
    run.update(
        landmarks={"start": START}, model={"vocab_size": 400}, data={"batches": {"tokens_per_epoch": tokens_per_epoch}}
    )
    places = {round(i * (len(losses) - 1) / max(1, len(vals) - 1)): value for i, value in enumerate(vals)}
    chance = random.Random(0)
    if 0 in places:
        run.log(step=0, tokens=0, val_loss=places[0])
    for step, loss in enumerate(losses, 1):
        value = loss + chance.gauss(0, noise) if loss is not None else None
        run.log(step=step, tokens=512 * step, loss=value, grad_norm=1.0)
        if step in places:
            run.log(step=step, tokens=512 * step, val_loss=places[step])
    run.finish(status, **(results or {}))
    return run


def found(run: Run) -> dict[str, str]:
    return {finding.name: finding.level for finding in check_run(run, find_job("pretrain").facts()).findings}


def falling(steps, low=2.0):
    return [low + (START - low) * math.exp(-8 * step / steps) for step in range(steps)]


def test_a_loss_that_ends_above_its_start_diverged_and_the_rate_is_blamed_only_when_it_is_high():
    up = [START + 4 * step / 60 for step in range(60)]
    assert found(made(up)) == {"diverged": "broken"}
    assert found(made(up, lr=10 * USUAL)) == {"lr_too_high": "broken"}


def test_a_loss_that_loses_what_it_gained_diverged():
    assert found(made([*falling(40), *[5.5] * 20])) == {"diverged": "broken"}


def test_a_jump_that_it_came_back_from_is_no_divergence():
    jump = [*falling(20), 14.0, 13.0, 11.0, 9.0, 8.5, *falling(40)]
    assert found(made(jump)) == {}
    assert found(made(jump, lr=10 * USUAL)) == {"lr_too_high": "unusual"}


def test_a_climb_of_a_few_steps_says_nothing_yet():
    for steps in (1, 2, 4, 9):
        check = check_run(made([START + step for step in range(steps)]), find_job("pretrain").facts())
        assert check.verdict == "cannot tell" and f"{steps} " in check.why and check.findings == []


def test_noise_about_a_small_fall_is_no_divergence():
    """At a tenth of the rate it falls by less than its batches differ."""
    assert found(made([START - 0.002 * step for step in range(60)], noise=0.3, lr=USUAL / 10)) == {}


def test_fine_tuning_that_ends_worse_on_both_texts_diverged_and_on_one_it_did_not():
    worse, better = [3.0 + step / 30 for step in range(60)], [3.0 - step / 60 for step in range(60)]
    assert found(made(worse, vals=[3.0, 3.5, 4.0, 4.8], model="base")) == {"diverged": "broken"}
    assert "diverged" not in found(made(better, vals=[3.0, 3.5, 4.0, 4.8], model="base"))
    assert "diverged" not in found(made(worse, vals=[3.0, 2.9, 2.8, 2.7], model="base"))  # other text in its last rows


def test_a_loss_that_hardly_moves_is_the_rate_s_fault_only_when_the_rate_is_far_too_low():
    flat = [START - 0.001 * step for step in range(100)]
    assert found(made(flat, lr=USUAL / 100)) == {"lr_too_low": "broken"}
    assert found(made(flat)) == {} and found(made(flat, lr=USUAL / 10)) == {}
    assert found(made(flat[:20], lr=USUAL / 100)) == {}  # no rate would have moved it far


def test_validation_that_rises_is_overfitting_only_of_text_that_was_read_before():
    vals = [START, 4.0, 3.0, 2.8, 2.9, 3.3, 3.8]
    assert found(made(falling(70), vals=vals, tokens_per_epoch=5000)) == {"overfitting": "unusual"}
    assert found(made(falling(70), vals=vals)) == {}


def test_losses_that_are_no_numbers():
    assert found(made([*falling(20), None, None, None])) == {"nan": "broken"}
    assert found(made([*falling(20), None, 3.0, 3.0])) == {}
    failed = made(
        falling(20), status="failed", results={"error": "第 21 步时损失变成了 nan", "error_kind": "not_a_number"}
    )
    assert found(failed) == {"nan": "broken"}
    other = made(
        falling(20), status="failed", results={"error": "your part: the loss became nan", "error_kind": "part"}
    )
    assert found(other) == {} and check_run(other, find_job("pretrain").facts()).verdict == "unusual"


def test_an_unknown_job_is_not_judged_by_what_it_is_not():
    assert check_run(made(falling(60)), JobFacts()).verdict == "cannot tell"


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_the_noise_of_a_part_is_known_whatever_the_trend(noise):
    curves = Curves(made(falling(200), noise=noise))
    assert curves.noise() == pytest.approx(noise / math.sqrt(10), rel=0.2)
    assert Curves(made([3.0, 2.0])).noise() == math.inf
