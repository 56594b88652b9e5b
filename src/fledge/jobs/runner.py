"""run_job: resolve what was asked for, build model and objective, record them, fit, and keep the model."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import math
import shutil
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fledge.data.readers import check_file
from fledge.device import forget_peak, pick_device, pick_precision, set_threads
from fledge.errors import UserError, flag, suggest, train_command
from fledge.jobs import find_job
from fledge.jobs.banner import banner
from fledge.jobs.data import make_tokenizer
from fledge.jobs.job import Job, Material, Setting
from fledge.jobs.parts_guard import PartsGuard
from fledge.jobs.planned import prediction, record_outcome, with_plan
from fledge.jobs.settings import refuse_lost_files, settled
from fledge.jobs.shape import new_shape, refuse_shape, same_vocabulary
from fledge.lang import _
from fledge.model.beginning import look_around
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.source import find_model
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE, Parts
from fledge.parts.learner import record, yours
from fledge.parts.verify import verify
from fledge.planning.budget import DEFAULT_BUDGET
from fledge.records import Run, list_runs
from fledge.tokenizer import Tokenizer
from fledge.training.config import LENGTHS, TrainConfig
from fledge.training.guard import Guard
from fledge.training.length import training_seconds
from fledge.training.loop import OnSave, fit
from fledge.training.objective import Objective


def run_job(
    name: str,
    config: TrainConfig,
    material: Material | None = None,
    on_save: OnSave | None = None,
    given: Set[str] = frozenset(),
    parts: Parts = REFERENCE,
) -> Run:
    """Train. Returns the finished run, whose `model_dir` holds the model and its tokenizer.

    `given` names the settings that the user chose; the planner may choose the others.
    """
    job, begun = find_job(name), time.perf_counter()
    with contextlib.ExitStack() as held:  # until the end, no other process trains this run
        plan = resolve(job, config, material, given, held)
        if plan.finished is not None:
            return plan.finished
        built = build(plan, material, parts)
        run = write_down(plan, built, time.perf_counter() - begun)
        if plan.run is None:
            held.enter_context(run.alone())
        print(banner(run, built.objective, built.tokenizer, plan.config, plan.optimizer_reason))
        config = for_training(plan.config, run)
        torch.manual_seed(config.seed)  # for what draws without a generator of its own, as dropout does
        results = fit(built.objective, config, run, on_save, PartsGuard if yours(parts) else Guard)
        record_outcome(run, results)
        keep(job, run, built, results, config)
    return run


@dataclasses.dataclass
class Resolved:
    """What is to be done. `run` goes on; `finished` is done already."""

    job: Job
    config: TrainConfig
    base: Path | None
    run: Run | None = None
    finished: Run | None = None
    optimizer_reason: str = ""


@dataclasses.dataclass
class Built:
    objective: Objective
    tokenizer: Tokenizer


def resolve(
    job: Job, config: TrainConfig, material: Material | None, given: Set[str], held: contextlib.ExitStack
) -> Resolved:
    """Every setting decided, and what cannot work refused before minutes go into a tokenizer and into preparing data."""
    config.check()
    if all(getattr(config, name) is None for name in LENGTHS):
        config = dataclasses.replace(config, budget=DEFAULT_BUDGET)
    _refuse_nothing(job, config, material)
    base = find_model(config.model) if config.model else None
    run = _to_go_on_with(config)
    if run and run.info["status"] == "done" and _finished(run, config):
        return Resolved(job, config, base, finished=run)
    if run:
        refuse_lost_files(run, config)
        held.enter_context(run.alone())
    elif material is None:
        for path in config.data:
            check_file(path)
        config = with_plan(job, config, given)
    for path in (*config.data, *config.val, *getattr(config, "replay", [])):
        check_file(path)
    if not config.resume:
        Run.check(dataclasses.asdict(config), config.run)
    shape = ModelConfig.load(base) if base else new_shape(config)
    refuse_shape(config, shape, fresh=base is None)
    config, reason = settled(config, shape)
    return Resolved(job, config, base, run, optimizer_reason=reason)


def _refuse_nothing(job: Job, config: TrainConfig, material: Material | None) -> None:
    if not config.data and material is None:
        if config.resume:
            Run.open(config.run or "")  # says which runs there are
        raise UserError(
            _("nothing to train on: give `{train_command}` files with {flag}.").format(
                train_command=train_command(job.name), flag=flag("data")
            )
        )
    if not job.fresh and not config.model:
        raise UserError(
            _("`{train_command}` starts from a trained model: give it with {flag}.").format(
                train_command=train_command(job.name), flag=flag("model", _("NAME"))
            )
        )
    if beside := job.planning.beside:
        if not getattr(config, beside):
            raise UserError(
                _("`{train_command}` needs a second model: give it with {flag}.").format(
                    train_command=train_command(job.name), flag=flag(beside, _("NAME"))
                )
            )
        find_model(getattr(config, beside))


def _to_go_on_with(config: TrainConfig) -> Run | None:
    if not config.resume:
        return None
    if Run.exists(config.run or ""):
        return Run.open(config.run or "")
    near = suggest(config.run or "", [run.name for run in list_runs()])
    print(_("there is no run '{run}' to go on with: it begins now.{near}").format(run=config.run, near=near))
    return None


def _finished(run: Run, config: TrainConfig) -> bool:
    """A run that is done is not done again; to become longer it needs a checkpoint to go on from."""
    if all(run.info["config"].get(name) == getattr(config, name) for name in LENGTHS):
        where = run.model_dir.as_posix()
        print(_("run {run} is finished; its model is in {where}").format(run=run.name, where=where))
        return True
    if not any(run.checkpoints_dir.glob("step-*")):
        raise UserError(
            _(
                "run '{run}' is done and has no checkpoint to go on from: train its model further with {flag}, "
                "or keep checkpoints with {flag2} next time."
            ).format(run=run.name, flag=flag("model", run.name), flag2=flag("save_every"))
        )
    return False


def build(plan: Resolved, material: Material | None, parts: Parts) -> Built:
    """Tokenizer, model and objective."""
    config, base, run = plan.config, plan.base, plan.run
    set_threads()
    device = pick_device(config.device)
    forget_peak(device)  # what an earlier run of this process used is not this one's
    tokenizer = Tokenizer.load(run.path / "tokenizer") if run else make_tokenizer(config, base, material)
    model = (load_model(base, parts=parts) if base else _new_model(config, tokenizer, parts)).to(device)
    same_vocabulary(tokenizer, model.config, base)
    model.compute_dtype = _precision(config, device, run)
    model.checkpoint_activations = config.checkpoint_activations
    verify(parts, model.config, model.compute_dtype, device, config.schedule)
    setting = Setting(config, model, tokenizer, base, material, _compiled(model, config, device))
    return Built(plan.job.objective(setting), tokenizer)


def _new_model(config: TrainConfig, tokenizer: Tokenizer, parts: Parts) -> Transformer:
    end = tokenizer.endoftext_id
    ids = {"bos_token_id": end, "eos_token_id": tokenizer.im_end_id, "pad_token_id": end}
    shape = new_shape(config, **{"vocab_size": tokenizer.vocab_size, **ids})
    return look_around(Transformer(shape, parts).init_weights(config.seed), config.seed)


def _precision(config: TrainConfig, device: torch.device, run: Run | None) -> torch.dtype:
    """A run goes on in the precision that it began with: `auto` measures, and might find another one today."""
    if (
        run
        and "precision" in run.info
        and config.precision == "auto"
        and device.type == run.info["machine"].get("device")
    ):
        return getattr(torch, run.info["precision"])
    return pick_precision(config.precision, device)


def _compiled(model: Transformer, config: TrainConfig, device: torch.device) -> Callable[..., Tensor] | None:
    return torch.compile(model.hidden, dynamic=False) if _compiles(config, device) else None


def _compiles(config: TrainConfig, device: torch.device) -> bool:
    """auto: on CUDA for runs of five minutes and more. On a CPU compilation costs 20–40 s and won nothing (docs/LOG.md)."""
    if config.compile != "auto":
        return config.compile == "on"
    if device.type != "cuda" or (config.seconds() or math.inf) < 300:
        return False
    if config.parts == "mine":
        on = flag("compile", "on")
        turn = _("; {on} turns it on").format(on=on) if on else ""
        print(_("torch.compile is off, so that your parts run line by line as you wrote them{turn}.").format(turn=turn))
        return False
    return importlib.util.find_spec("triton") is not None


def write_down(plan: Resolved, built: Built, seconds: float) -> Run:
    """The run's folder, with everything that is known before the first step; preparing it took so many seconds."""
    config, objective, tokenizer = plan.config, built.objective, built.tokenizer
    run = plan.run or Run.create(
        plan.job.name,
        dataclasses.asdict(config),
        config.run,
        beside=lambda path: tokenizer.save(path / "tokenizer"),
    )
    model = objective.model
    run.update(parts=record(model.parts))
    if "model" not in run.info:
        run.update(
            data=objective.describe(),
            model=model.config.to_dict()
            | {"num_parameters": model.config.num_parameters() | {"trained": trained(model)}},
            precision=str(model.compute_dtype).removeprefix("torch."),
            preparing_seconds=round(seconds, 1),
        )
        config = for_training(config, run)
        steps = objective.length(config).steps
        run.update(plan=prediction(plan.job, config, model.config, objective.train, steps))
    return run


def trained(model: Transformer) -> int:
    """Numbers that are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def for_training(config: TrainConfig, run: Run) -> TrainConfig:
    """`config` with what preparing the run (its tokenizer, its data) has left of its budget."""
    seconds = config.seconds()
    if seconds is None:
        return config
    left = training_seconds(seconds, run.info.get("preparing_seconds", 0.0))
    return dataclasses.replace(config, budget=f"{left:.1f}s")


def keep(job: Job, run: Run, built: Built, results: dict[str, Any], config: TrainConfig) -> None:
    """The model folder at the end, and the run closed."""
    (job.save or save_model)(built.objective.model, run.model_dir)
    built.tokenizer.save(run.model_dir)
    run.finish("done", **results)
    if not config.save_every:  # the checkpoints were there for accidents
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
