"""What the planner adds to a run: the settings that the user left open, and a prediction that the outcome is held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Any

from fledge.jobs.job import Job
from fledge.model.config import ModelConfig
from fledge.planning.budget import budget_settings
from fledge.planning.facts import size_of
from fledge.planning.measure import machine_of, too_short_to_measure
from fledge.planning.predict import outcome, plan_run
from fledge.planning.profiles import profile_settings
from fledge.records import Run
from fledge.training.config import TrainConfig
from fledge.training.objective import Data

SHAPE = {"preset", "set", "model"}


def with_plan(job: Job, config: TrainConfig, given: Set[str]) -> TrainConfig:
    """`config` with what --profile adds, or for new weights what its length asks for; never what was typed."""
    facts = job.planning
    if config.profile:
        machine, size = machine_of(None, config), size_of(facts, config)
        return dataclasses.replace(config, **profile_settings(facts, config.profile, config, given, machine, size))
    if not facts.dial or config.model:
        return config
    quick = too_short_to_measure(config) or bool(SHAPE & given)
    machine = machine_of(None, config, quick=quick)
    return dataclasses.replace(config, **budget_settings(config, given, size_of(facts, config), machine))


def prediction(job: Job, config: TrainConfig, shape: ModelConfig, train: Data, steps: int | None) -> dict[str, Any]:
    """For the run record, before the first step; `steps` is None when the clock decides."""
    return plan_run(job.planning, config, shape, num_bytes=train.num_bytes, num_rows=len(train), steps=steps)


def record_outcome(run: Run, results: dict[str, Any]) -> None:
    """What came of the prediction, beside it."""
    run.update(plan=outcome(results | {"seconds": results["train_seconds"]}))  # without the last validation
