"""What the planner adds to a run: the settings that the user left open, and a prediction that the outcome is held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Any

from fledge.data import Dataset
from fledge.model.config import ModelConfig
from fledge.planning.predict import outcome
from fledge.planning.profiles import profile_settings
from fledge.planning.run import budget_settings, machine_of, plan_run, size_of, too_short_to_measure
from fledge.records import Run
from fledge.training.config import TrainConfig

SHAPE = {"preset", "set", "model"}


def with_plan(job: str, config: TrainConfig, given: Set[str]) -> TrainConfig:
    """`config` with what --profile adds, or for pretraining from nothing what its length asks for; never what was typed."""
    if config.profile:
        machine, size = machine_of(None, config), size_of(job, config)
        return dataclasses.replace(config, **profile_settings(job, config.profile, config, given, machine, size))
    if job != "pretrain" or config.model or config.parity:
        return config
    quick = too_short_to_measure(config) or bool(SHAPE & given)
    machine = machine_of(None, config, quick=quick)
    return dataclasses.replace(config, **budget_settings(config, given, size_of(job, config), machine))


def prediction(job: str, config: TrainConfig, shape: ModelConfig, train: Dataset, steps: int | None) -> dict[str, Any]:
    """For the run record, before the first step; `steps` is None when the clock decides."""
    return plan_run(job, config, shape, num_bytes=train.num_bytes, num_rows=len(train), steps=steps)


def record_outcome(run: Run, results: dict[str, Any]) -> None:
    """What came of the prediction, beside it."""
    run.update(plan=outcome(results | {"seconds": results["train_seconds"]}))  # without the last validation
