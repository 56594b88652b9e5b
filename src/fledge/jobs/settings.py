"""From what a user asked for to the settings of a run: defaults of the job, of the run that goes on, of the optimizer."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from fledge.errors import UserError, flag, resume_command, suggest
from fledge.jobs import find_job
from fledge.lang import say
from fledge.model.config import ModelConfig
from fledge.planning.optimizer import chosen_optimizer
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
            raise UserError(
                say(f"训练 {job} 没有 '{name}' 这个设置。{near}", f"The job '{job}' has no setting '{name}'.{near}")
            )
    return _resumed(job, kind, changes) if changes.get("resume") else kind(**changes)


def _resumed(job: str, kind: type[TrainConfig], changes: dict[str, Any]) -> TrainConfig:
    """The settings of the run that goes on, with `changes`; refuses what would make it another run.

    A run that does not exist yet (it was killed before it began) has only `changes`.
    """
    if not changes.get("run"):
        raise UserError(
            say(
                f"用 {flag('resume')} 时要说明接着哪次训练：用 {flag('run')} 给出它的名字。",
                f"{flag('resume')} needs the run's name: give it with {flag('run')}.",
            )
        )
    if not Run.exists(changes["run"]):
        return kind(**changes)
    run = Run.open(changes["run"])
    if run.info["job"] != job:
        began = run.info["job"]
        raise UserError(
            say(
                f"训练 '{run.name}' 做的是 {began}：用 `{resume_command(began, run.name)}` 继续，或换一个名字。",
                f"run '{run.name}' is a {began} run: go on with `{resume_command(began, run.name)}`, or choose another name.",
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
                say(
                    f"训练 '{run.name}' 开始时 {flag(name)} 是 {value}，不是 {getattr(config, name)}：去掉 {flag(name)} "
                    f"接着练，或去掉 {flag('resume')} 另开一次训练。",
                    f"run '{run.name}' was started with {flag(name)} {value}, not {getattr(config, name)}: leave "
                    f"{flag(name)} out to go on, or start another run without {flag('resume')}.",
                )
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
                    say(
                        f"训练 '{run.name}' 的数据 {path} 不在这里：用 {flag(name)} 写出它现在在哪里，内容没变就接着练。",
                        f"{path}, which run '{run.name}' needs, is not there: give its new place with "
                        f"{flag(name)}; the run goes on when its content is the same.",
                    )
                )


def settled(config: TrainConfig, shape: ModelConfig) -> tuple[TrainConfig, str]:
    """`config` with its optimizer and rates decided, and the reason for the optimizer in the reader's language."""
    optimizer, reason = chosen_optimizer(config, shape)
    decided: dict[str, Any] = {"optimizer": optimizer}
    return dataclasses.replace(config, **decided).with_rates(), reason
