"""The runs behind MiniMind's files: which one a script goes on with, and what it writes after every checkpoint."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fledge.errors import UserError
from fledge.interop.minimind.files import Place
from fledge.lang import _
from fledge.records import Run, list_runs, runs_root

if TYPE_CHECKING:
    from fledge.model.transformer import Transformer


def saver(place: Place, run: str, weights: Path) -> Callable[[Transformer, int], None]:
    """What is written after every checkpoint: MiniMind's two files, never half written."""

    def save(model: Transformer, step: int) -> None:
        import torch

        from fledge.interop.minimind.pth import write_pth

        resume = place.root / "checkpoints" / f"{weights.stem}_resume.pth"
        resume.parent.mkdir(exist_ok=True)
        write_pth(model, weights)
        state = {
            "model": torch.load(weights, map_location="cpu", weights_only=True),
            "epoch": _epoch(run, step),
            "step": step,
            "run": run,
        }
        beside = resume.with_name(f".{resume.name}.tmp")
        torch.save(state, beside)
        os.replace(beside, resume)

    return save


def _epoch(run: str, step: int) -> int:
    """The pass over the data that a step lies in, from 0."""
    info = Run.open(run).info
    config, batches = info["config"], info["data"]["batches"]
    if "prompts" in batches:  # it learns from answers to them
        prompts = step * config["batch_size"] * config["accumulation_steps"] / config["reuse"]
        return int(prompts / batches["prompts"])
    per_step = config["batch_size"] * config["accumulation_steps"] * config["seq_len"]
    return int(step * per_step / max(1, batches["tokens_per_epoch"]))


def resumable(place: Place, name: str) -> Run | None:
    """The run that `--from_resume 1` means: that of the resume file, or one that began later and was cut off before its
    first save to that file."""
    named = _named(place, place.root / "checkpoints" / f"{name}_resume.pth")
    for run in reversed(runs_of(name)):
        if named and run.info["started"] <= named.info["started"]:
            break
        if run.info["status"] != "done" and any(run.checkpoints_dir.glob("step-*")):
            return run
    return named


def _named(place: Place, resume: Path) -> Run | None:
    """The run that a resume file names."""
    if not resume.is_file():
        return None
    import torch

    try:
        name = torch.load(resume, map_location="cpu", weights_only=True, mmap=True)["run"]
    except Exception:  # damaged, MiniMind's own, or anything else
        name = ""
    if name and Run.exists(name):
        return Run.open(name)
    file, runs = place.shown(resume), place.shown(runs_root().absolute())
    raise UserError(
        _(
            "{file} names no run in {runs}: leave --from_resume out, and start from saved weights with --from_weight."
        ).format(file=file, runs=runs)
    )


def runs_of(name: str) -> list[Run]:
    """The runs that wrote weights of this name, the oldest first: minimind-pretrain_512, minimind-pretrain_512-2, …"""
    mine = [run for run in list_runs() if re.fullmatch(rf"{re.escape(run_name(name))}(-\d+)?", run.name)]
    return mine[::-1]


def run_name(name: str) -> str:
    return f"minimind-{name}"


def weights_of(run: str) -> str:
    """The arguments that name the weights of such a run; "" when no door began it."""
    found = re.fullmatch(rf"{run_name('(.+)')}_(\d+)(_moe)?(-\d+)?", run)
    return f"--save_weight {found[1]} --hidden_size {found[2]}{' --use_moe 1' * bool(found[3])}" if found else ""


def free_name(name: str) -> str:
    """What a new run that writes weights of this name is called; the folders of earlier ones stay."""
    base = run_name(name)
    taken, number = {path.name for path in runs_root().glob(f"{base}*")}, 1
    while (free := base if number == 1 else f"{base}-{number}") in taken:
        number += 1
    return free
