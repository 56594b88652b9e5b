"""Runs that learn from rewards: what is said of them, from their figures alone."""

from __future__ import annotations

import random

import pytest

from fledge.diagnose.check import check_run
from fledge.jobs import find_job
from fledge.records import Run


def run_of(reward, *, zero=lambda t: 0.3, kl=lambda t: 0.1 * t, steps: int = 100, noise: float = 0.02) -> Run:
    """A finished run whose figures are functions of its progress, with noise."""
    draw = random.Random(0)
    run = Run.create("grpo", {"steps": steps, "optimizer": "adamw", "lr": 3e-4}, None)
    for step in range(1, steps + 1):
        t = step / steps
        run.log(
            step=step, tokens=step, loss=draw.gauss(0, 0.02), reward=reward(t) + draw.gauss(0, noise), zero_signal=zero(t), kl=kl(t)
        )  # fmt: skip
    run.finish("done", step=steps)
    return Run.open(run.name)


def check(run: Run):
    return check_run(run, find_job("grpo").facts())


@pytest.mark.parametrize(
    ("figures", "verdict", "named"),
    [
        ({"reward": lambda t: 0.2 + 0.7 * t}, "normal", []),
        ({"reward": lambda t: 0.9, "zero": lambda t: 0.9}, "cannot tell", []),
        ({"reward": lambda t: 0.3 + 0.7 * t, "zero": lambda t: t}, "normal", []),  # at the end all are right
        ({"reward": lambda t: 0.0, "zero": lambda t: 1.0}, "unusual", ["no_signal"]),  # the task is at fault
        (
            {"reward": lambda t: -0.002 * (t > 0.85), "noise": 0.0},
            "cannot tell",
            [],
        ),  # one answer of thousands is no fall
        ({"reward": lambda t: 0.6 - 0.5 * t}, "broken", ["reward_fell"]),
        ({"reward": lambda t: 0.2 + 0.7 * t, "kl": lambda t: 9 * t}, "unusual", ["far_from_reference"]),
    ],
)
def test_verdicts(figures, verdict, named):
    found = check(run_of(**figures))
    assert found.verdict == verdict and [finding.name for finding in found.findings] == named


def test_of_a_few_steps_nothing_is_said():
    assert check(run_of(lambda t: 0.0, zero=lambda t: 1.0, steps=4)).verdict == "cannot tell"
