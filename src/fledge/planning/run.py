"""The plan of one run on this machine: what its record says before it starts, and the settings of `--budget`."""

from __future__ import annotations

import dataclasses
from collections.abc import Set
from typing import Any

from fledge.model.config import ModelConfig
from fledge.planning import budget as budgets
from fledge.planning.calibrate import learned
from fledge.planning.data import Size, measure
from fledge.planning.facts import Planning
from fledge.planning.machines import Machine, card
from fledge.planning.measure import this_machine
from fledge.planning.predict import Plan, predict
from fledge.planning.profiles import ASSUMED, asked, profile_named, propose, shape_of, vocab_of
from fledge.training.config import LENGTHS, TrainConfig

DEFAULT_BUDGET = "5m"  # of a run whose length is not said
TYPICAL_SECONDS = 600.0  # for a run by steps or epochs: they say nothing of the time that it may take
LONGEST_SHARE = 0.05  # of a budget that may go into measuring the machine before it


def machine_of(name: str | None, config: TrainConfig, *, again: bool = False, quick: bool = False) -> Machine:
    """This machine (None), its CPU ("cpu"), or a card of the table by name or memory."""
    if name is None:
        return this_machine(config.device, config.precision, again=again, quick=quick)
    if name.lower() == "cpu":
        return this_machine("cpu", config.precision, again=again, quick=quick)
    return card(name)


def size_of(facts: Planning, config: TrainConfig) -> Size:
    """The text of the config's files; an assumed amount when there are none."""
    return measure(config.data, facts.kind) if config.data else ASSUMED[facts.kind]


def plan_job(
    facts: Planning,
    config: TrainConfig,
    given: Set[str],
    *,
    machine: Machine | None = None,
    profile: str | None = None,
    price: float | None = None,
) -> Plan:
    """What `fledge train JOB` with these settings will take; those not in `given` are chosen as training chooses them,
    or as `profile` does."""
    machine = machine or machine_of(None, config)
    size, calibration = size_of(facts, config), learned(machine.key)
    if profile:
        chosen = profile_named(profile)
        return propose(facts, chosen, config, given, machine, size, calibration=calibration, price=price).plan
    if all(getattr(config, name) is None for name in LENGTHS):
        config = dataclasses.replace(config, budget=DEFAULT_BUDGET)
    if facts.dial and config.model is None:
        config = dataclasses.replace(config, **budget_settings(config, given, size, machine))
    return predict(facts, config, shape_of(config, size), size, machine, calibration=calibration, price=price)


def budget_settings(config: TrainConfig, given: Set[str], size: Size, machine: Machine) -> dict[str, Any]:
    """What `--budget` (or the default length) chooses for pretraining, without the fields that the user typed.

    A preset or a change of the shape that was typed keeps the whole shape; a typed batch size or row length keeps the
    whole batch.
    """
    seconds = config.seconds() or TYPICAL_SECONDS
    seq_len = config.seq_len if "seq_len" in given else None
    vocab_size = asked(config).vocab_size or (vocab_of(config.tokenizer) if config.tokenizer else None)
    # Short rows were measured with the dial's own shape and batch; a run by steps does not say here how much it reads.
    short = not {"preset", "set", "batch_size", "accumulation_steps", "steps", "epochs"} & given
    chosen = budgets.choose(size, seconds, machine, vocab_size=vocab_size, seq_len=seq_len, short=short)
    groups = [{"preset", "set"}, {"batch_size", "accumulation_steps"}, {"seq_len"}, {"vocab_size"}]
    kept = {name for group in groups if group & given for name in group}
    if config.tokenizer:
        kept.add("vocab_size")
    return {name: value for name, value in chosen.items() if name not in kept}


def too_short_to_measure(config: TrainConfig) -> bool:
    """Whether measuring the machine (5 s) would take more than LONGEST_SHARE of the run, or nobody knows how long it is."""
    return (config.seconds() or 0) * LONGEST_SHARE < 5


def plan_run(
    facts: Planning,
    config: TrainConfig,
    shape: ModelConfig,
    *,
    num_bytes: int,
    num_rows: int,
    steps: int | None,
    machine: Machine | None = None,
) -> dict[str, Any]:
    """The prediction of a run that is about to start, for its record (`plan` of run.json; `predict.outcome` adds what came of
    it). `num_bytes` and `num_rows` are of its training text, `steps` is None when the clock decides. This machine is
    measured only when that is a small part of the run."""
    size = Size(num_bytes, num_bytes / max(1, num_rows))
    if steps:
        config = dataclasses.replace(config, steps=steps, epochs=None, budget=None)
    if machine is None:
        machine = this_machine(config.device, config.precision, quick=too_short_to_measure(config))
    calibration = learned(machine.key)
    return predict(facts, config, shape, size, machine, calibration=calibration, measure=False).to_dict()
