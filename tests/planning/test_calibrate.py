"""What past runs teach: a median, its spread, and only from runs that have both sides."""

from __future__ import annotations

import dataclasses

import pytest

from fledge.planning.machines import (
    UNCALIBRATED,
    Calibration,
    calibrate,
    calibration_of,
    calibrations,
    outcomes,
)
from fledge.records import Run, list_runs

KEY = "cpu: a CPU 2 threads, bf16"


def finished(name: str, time_ratio: float, memory_ratio: float = 1.0, *, key: str = KEY, status="done", **more) -> Run:
    """A run whose plan said 1,000 tokens a second and 400 MB."""
    run = Run.create("pretrain", {}, name)
    plan = {
        "machine_key": key,
        "measured": True,
        "predicted_tokens_per_second": 1000,
        "predicted_memory_mb": 400,
        "actual_tokens_per_second": 1000 / time_ratio,
        "actual_memory_mb": 400 * memory_ratio,
    }
    run.update(plan=plan | more)
    run.finish(status)
    return run


def test_the_median_stands_and_one_bad_run_does_not_move_it():
    for i, ratio in enumerate([1.1, 1.2, 1.3, 9.0, 1.2]):
        finished(f"r{i}", ratio, 1.5)
    _, fitted = calibrate(list_runs())
    factors = fitted[KEY]
    assert factors.time == pytest.approx(1.2) and factors.memory == pytest.approx(1.5) and factors.runs == 5
    assert factors.spread == pytest.approx(0.1 / 1.2) and factors.memory_spread == pytest.approx(0.0)
    assert (
        calibration_of(KEY) == factors
        and calibration_of("cpu: another") == UNCALIBRATED
        and calibration_of("") == UNCALIBRATED
    )


def test_a_calibration_is_not_learned_twice():
    """A plan that was already multiplied by 2 and was then right teaches 2 again, not 1."""
    finished("r", 1.0, 1.0, calibration=dataclasses.asdict(Calibration(time=2.0, memory=1.5, runs=3)))
    factors = calibrations(outcomes(list_runs()))[KEY]
    assert factors.time == pytest.approx(2.0) and factors.memory == pytest.approx(1.5)


def test_machines_are_kept_apart():
    finished("a", 2.0)
    finished("b", 3.0, key="cuda: NVIDIA GeForce RTX 3050, bf16")
    assert {key: factors.time for key, factors in calibrations(outcomes(list_runs())).items()} == pytest.approx(
        {KEY: 2.0, "cuda: NVIDIA GeForce RTX 3050, bf16": 3.0}
    )


def test_runs_without_both_sides_teach_nothing():
    finished("stopped", 5.0, status="stopped")
    finished("no outcome", 5.0, actual_tokens_per_second=None)
    finished("nothing done", 5.0, actual_memory_mb=0)
    finished("guessed", 5.0, measured=False)
    Run.create("pretrain", {}, "no plan").finish("done")
    assert outcomes(list_runs()) == [] and calibrate(list_runs()) == ([], {})
    assert calibration_of(KEY) == UNCALIBRATED


def test_words_say_how_sure_it_is(monkeypatch):
    factors = Calibration(1.2, 1.0, 0.12, 0.03, 7)
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert factors.words() == "calibrated on 7 runs: time ±12%, memory ±3%"
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    assert "7 次训练" in factors.words() and UNCALIBRATED.words() == ""
