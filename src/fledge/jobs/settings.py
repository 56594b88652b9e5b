"""From what a user asked for to the settings of a run: defaults of the job, of the run that goes on, of the optimizer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from fledge.errors import UserError, flag, resume_command, suggest
from fledge.jobs import find_job
from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.planning.work import chosen_optimizer
from fledge.records import Run
from fledge.training.config import CHANGEABLE, LENGTHS, TrainConfig

FILES = ("data", "val", "replay")


def job_config(job: str, **changes: Any) -> TrainConfig:
    """The job's defaults with `changes`; an unknown name is refused with the nearest one.

    With `resume` the defaults are what the run was started with, and only settings in CHANGEABLE may differ from them.
    """
    kind = find_job(job).config
    known = [field.name for field in dataclasses.fields(kind)]
    for name in changes:
        if name not in known:
            near = suggest(name, known)
            raise UserError(_("The job '{job}' has no setting '{name}'.{near}").format(job=job, name=name, near=near))
    return _resumed(job, kind, changes) if changes.get("resume") else kind(**changes)


def _resumed(job: str, kind: type[TrainConfig], changes: dict[str, Any]) -> TrainConfig:
    """The settings of the run that goes on, with `changes`; refuses what would make it another run.

    A run that does not exist yet (it was killed before it began) has only `changes`.
    """
    if not changes.get("run"):
        raise UserError(
            _("{flag} needs the run's name: give it with {flag2}.").format(flag=flag("resume"), flag2=flag("run"))
        )
    if not Run.exists(changes["run"]):
        return kind(**changes)
    run = Run.open(changes["run"])
    if run.info["job"] != job:
        began = run.info["job"]
        raise UserError(
            _("run '{run}' is a {began} run: go on with `{resume_command}`, or choose another name.").format(
                run=run.name, began=began, resume_command=resume_command(began, run.name)
            )
        )
    known = {field.name for field in dataclasses.fields(kind)}
    begun = {name: value for name, value in run.info["config"].items() if name in known}
    if any(changes.get(name) is not None for name in LENGTHS):
        begun |= dict.fromkeys(LENGTHS)
    config = kind(**{**begun, **changes})
    for name, value in begun.items():
        now = getattr(config, name)
        if name not in CHANGEABLE and now != value and not _same_files(run, name, now):
            raise UserError(
                _(
                    "run '{run}' was started with {flag} {value}, not {new}: leave {flag} out to go on, "
                    "or start another run without {flag2}."
                ).format(run=run.name, flag=flag(name), value=value, new=getattr(config, name), flag2=flag("resume"))
            )
    return config


def _same_files(run: Run, name: str, paths: list[str]) -> bool:
    """Whether a setting names files that hold what the run was started with."""
    from fledge.data.shards import same_files

    described = (run.info.get("data") or {}).get("train" if name == "data" else name) or {}
    return name in FILES and same_files(described.get("inputs", []), paths)


def refuse_lost_files(run: Run, config: TrainConfig) -> None:
    """Files that were moved: the run goes on with them when it is told where they are."""
    for name in FILES:
        for path in getattr(config, name, []):
            if not Path(path).exists():
                raise UserError(
                    _(
                        "{path}, which run '{run}' needs, is not there: give its new place with {flag}; "
                        "the run goes on when its content is the same."
                    ).format(path=path, run=run.name, flag=flag(name))
                )


def settled(config: TrainConfig, shape: ModelConfig) -> tuple[TrainConfig, str]:
    """`config` with its optimizer and rates decided, and the reason for the optimizer in the reader's language."""
    optimizer, reason = chosen_optimizer(config, shape)
    decided: dict[str, Any] = {"optimizer": optimizer}
    return dataclasses.replace(config, **decided).with_rates(), reason
