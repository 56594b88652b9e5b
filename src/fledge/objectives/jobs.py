"""From a TrainConfig to a finished run: tokenizer, data, model, fit, and the model folder at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
from collections.abc import Callable, Set
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fledge.data import Dataset, Mixture, PackedBatches
from fledge.data.padded import PaddedBatches
from fledge.data.readers import check_file
from fledge.device import pick_device, pick_precision, set_threads
from fledge.errors import UserError, advice, flag, suggest, train_command
from fledge.generate import Generator, Sampling
from fledge.lang import say
from fledge.model.config import ModelConfig
from fledge.model.folder import load_model, save_model
from fledge.model.presets import preset
from fledge.model.source import find_model
from fledge.model.transformer import Transformer
from fledge.objectives.banner import banner
from fledge.objectives.language import LanguageModeling
from fledge.objectives.material import Material, datasets, make_tokenizer, packed, padded, replay_rows
from fledge.objectives.planned import prediction, record_outcome, with_plan
from fledge.parts import Parts
from fledge.parts.learner import load_parts, record
from fledge.parts.verify import verify
from fledge.records import Run, list_runs
from fledge.tokenizer import Tokenizer
from fledge.training.config import PARITY, TrainConfig
from fledge.training.loop import OnSave, fit

DEFAULT_BUDGET = "5m"


def run_job(
    job: str,
    config: TrainConfig,
    material: Material | None = None,
    on_save: OnSave | None = None,
    given: Set[str] = frozenset(),
) -> Run:
    """Train. Returns the finished run, whose `model_dir` holds the model and its tokenizer.

    `given` names the settings that the user chose; the planner may choose the others.
    """
    with contextlib.ExitStack() as held:  # until the end, no other process trains this run
        return _run_job(job, config, material, on_save, given, held)


def _run_job(
    job: str,
    config: TrainConfig,
    material: Material | None,
    on_save: OnSave | None,
    given: Set[str],
    held: contextlib.ExitStack,
) -> Run:
    config.check()
    if config.parity:
        config = dataclasses.replace(config, **PARITY)
    if config.steps is None and config.epochs is None and config.budget is None:
        config = dataclasses.replace(config, budget=DEFAULT_BUDGET)
    if not config.data and material is None:
        if config.resume:
            Run.open(config.run or "")  # says which runs there are
        raise UserError(
            say(
                f"没有训练数据：用 {flag('data')} 给 `{train_command(job)}` 数据文件。",
                f"nothing to train on: give `{train_command(job)}` files with {flag('data')}.",
            )
        )
    if job != "pretrain" and not config.model:
        raise UserError(
            say(
                f"`{train_command(job)}` 要从一个练好的模型开始：加上 {flag('model', '名字')}。",
                f"`{train_command(job)}` starts from a trained model: give it with {flag('model', 'NAME')}.",
            )
        )
    base = find_model(config.model) if config.model else None
    run = Run.open(config.run or "") if config.resume and Run.exists(config.run or "") else None
    if config.resume and run is None:
        near = suggest(config.run or "", [run.name for run in list_runs()])
        print(
            say(
                f"还没有 {config.run} 这次训练，现在开始。{near}",
                f"there is no run '{config.run}' to go on with: it begins now.{near}",
            )
        )
    if run and run.info["status"] == "done" and _finished(run, config):
        return run
    if run:
        held.enter_context(run.alone())
    parts = load_parts(config.parts, fallback=config.parts_fallback)
    if run is None and material is None:
        for path in config.data:
            check_file(path)
        config = with_plan(job, config, given)
    _refuse_early(config, base)
    set_threads()
    device = pick_device(config.device)
    tokenizer = Tokenizer.load(run.path / "tokenizer") if run else make_tokenizer(config, base, material)
    model = _model(config, base, tokenizer, parts).to(device)
    model.compute_dtype = _precision(config, device, run)
    verify(parts, model.config, model.compute_dtype, device, config.schedule)
    train, val = datasets(job, config, tokenizer, material)
    make = padded if config.parity else partial(packed, job, parts=parts)
    batches: Any = make(config, train, tokenizer)
    model.checkpoint_activations = config.checkpoint_activations
    steps = _num_steps(config, batches)
    replay = replay_rows(config, tokenizer, material)
    objective = LanguageModeling(
        model,
        batches if replay is None else Mixture(batches, replay, config.replay_share),
        val,
        sampler=_sampler(job, model, tokenizer, val),
        landmarks=(material.landmarks if material else {}) | ({} if base else {"begin": model.config.initial_loss()}),
        hidden=torch.compile(model.hidden, dynamic=False) if _compiles(config, device) else None,
    )
    if run is None:
        run = Run.create(
            job, dataclasses.asdict(config), config.run, beside=lambda path: tokenizer.save(path / "tokenizer")
        )
        held.enter_context(run.alone())
    run.update(parts=record(parts))
    if "model" not in run.info:
        run.update(
            data={
                "train": train.describe(),
                "val": val.describe() if val else None,
                "replay": replay.dataset.describe() if replay else None,
                "batches": batches.report(),
            },
            model=model.config.to_dict() | {"num_parameters": model.config.num_parameters()},
            precision=str(model.compute_dtype).removeprefix("torch."),
        )
        run.update(plan=prediction(job, config, model.config, train, steps))
    print(banner(run, model, tokenizer, train, config, steps, batches))
    results = fit(objective, config, run, steps, on_save)
    record_outcome(run, results)
    save_model(model, run.model_dir)
    tokenizer.save(run.model_dir)
    run.finish("done", **results)
    if not config.save_every:  # the checkpoints were there for accidents
        shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
    return run


def _finished(run: Run, config: TrainConfig) -> bool:
    """A run that is done is not done again; to become longer it needs a checkpoint to go on from."""
    if all(run.info["config"].get(name) == getattr(config, name) for name in ("steps", "epochs", "budget")):
        where = run.model_dir.as_posix()
        print(say(f"{run.name} 已经练完了，模型在 {where}", f"run {run.name} is finished; its model is in {where}"))
        return True
    if not any(run.checkpoints_dir.glob("step-*")):
        raise UserError(
            say(
                f"训练 '{run.name}' 已经练完，也没有可以接着练的检查点：用 {flag('model', run.name)} 从它的模型往下练，"
                f"下次训练加上 {flag('save_every')} 就会留下检查点。",
                f"run '{run.name}' is done and has no checkpoint to go on from: train its model further with "
                f"{flag('model', run.name)}, or keep checkpoints with {flag('save_every')} next time.",
            )
        )
    return False


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


def _num_steps(config: TrainConfig, batches: PackedBatches | PaddedBatches) -> int | None:
    """Optimizer steps of the run; None when the clock decides."""
    if isinstance(batches, PaddedBatches):
        if config.budget:
            raise UserError(
                say(
                    f"{flag('parity')} 按步数训练：把 {flag('budget')} 换成 {flag('epochs')} 或 {flag('steps')}。",
                    f"{flag('parity')} goes by steps: give {flag('epochs')} or {flag('steps')} instead of {flag('budget')}.",
                )
            )
        per_epoch = math.ceil(batches.batches_per_epoch / config.accumulation_steps)
        batches.total = math.ceil((config.epochs or 0) * batches.batches_per_epoch)
        batches.total = batches.total or (config.steps or 0) * config.accumulation_steps
        return config.steps or math.ceil((config.epochs or 0) * per_epoch)
    if config.epochs is None:
        return config.steps
    per_step = config.seq_len * config.batch_size * config.accumulation_steps
    return max(1, math.ceil(config.epochs * batches.tokens_per_epoch / per_step))


def _refuse_early(config: TrainConfig, base: Path | None) -> None:
    """What cannot work is said before minutes go into a tokenizer and into preparing data."""
    for path in (*config.data, *config.val, *config.replay):
        check_file(path)
    if not config.resume:
        Run.check(dataclasses.asdict(config), config.run)
    shape = ModelConfig.load(base) if base else _new_shape(config)
    if config.seq_len > shape.max_position_embeddings:
        longest = shape.max_position_embeddings
        larger = ("set", say("用 {} 调大 max_position_embeddings", "raise max_position_embeddings with {}"))
        ways = advice(("", say("改短一些", "make it shorter")), *([] if base else [larger]))
        raise UserError(
            say(
                f"{flag('seq_len', config.seq_len)} 超过了模型的上下文长度（{longest} 个词元）：{ways}。",
                f"{flag('seq_len', config.seq_len)} is longer than the model's context of {longest} tokens: {ways}.",
            )
        )
    if shape.model_type == "qwen3_moe" and shape.num_experts_per_tok == 1 and shape.norm_topk_prob:
        raise UserError(
            say(
                "路由只选一个专家、又把它的权重归一化成 1，就从损失里学不到任何东西："
                f"用 {flag('set')} 设 num_experts_per_tok=2，或 norm_topk_prob=false。",
                "a router that picks one expert and normalises its weight to 1 learns nothing from the loss: "
                f"set num_experts_per_tok=2 with {flag('set')}, or norm_topk_prob=false.",
            )
        )


def _new_shape(config: TrainConfig, **vocabulary: int) -> ModelConfig:
    name = config.preset or ("cpu-2m" if pick_device(config.device).type == "cpu" else "small-34m")
    return preset(name, **{**vocabulary, **config.set})


def _model(config: TrainConfig, base: Path | None, tokenizer: Tokenizer, parts: Parts) -> Transformer:
    if base is not None:
        model = load_model(base, parts=parts)
    else:
        end = tokenizer.endoftext_id
        ids = {"bos_token_id": end, "eos_token_id": tokenizer.im_end_id, "pad_token_id": end}
        shape = _new_shape(config, vocab_size=tokenizer.vocab_size, **ids)
        model = Transformer(shape, parts).init_weights(config.seed)
    if tokenizer.vocab_size > model.config.vocab_size:
        whose, mend = (
            say(f"{flag('set')} vocab_size ", f"{flag('set')} vocab_size"),
            say(f"从 {flag('set')} 里去掉 vocab_size", f"leave it out of {flag('set')}"),
        )
        if base:
            whose = say(f"{base} 里的模型", f"the model in {base}")
            mend = say(
                f"去掉 {flag('tokenizer')}，就用模型自带的", f"leave {flag('tokenizer')} out to use the model's own"
            )
        raise UserError(
            say(
                f"分词器有 {tokenizer.vocab_size} 个词元，{whose}只有 {model.config.vocab_size} 个："
                f"它们不是一套；{mend}。",
                f"the tokenizer has {tokenizer.vocab_size} tokens but {whose} only {model.config.vocab_size}: "
                f"they do not belong together; {mend}.",
            )
        )
    return model


def _compiles(config: TrainConfig, device: torch.device) -> bool:
    """auto: on CUDA for runs of five minutes and more. On a CPU compilation costs 20–40 s and won nothing (docs/LOG.md)."""
    if config.compile != "auto":
        return config.compile == "on"
    if device.type != "cuda" or (config.seconds() or math.inf) < 300:
        return False
    if config.parts == "mine":
        off = "torch.compile is off, so that your parts run line by line as you wrote them"
        on = flag("compile", "on")
        print(
            say(f"没有用 torch.compile：你写的部件要照原样一行一行地运行；{on} 可以打开。", f"{off}; {on} turns it on.")
        )
        return False
    import importlib.util

    return importlib.util.find_spec("triton") is not None


def _sampler(
    job: str, model: Transformer, tokenizer: Tokenizer, val: Dataset | None
) -> Callable[[], list[dict[str, str]]]:
    """Continue the beginnings of two validation rows, greedily: the same prompts all through the run."""
    if val is None or not len(val):
        return list
    prompts: list[list[int]] = []
    for i in sorted({0, len(val) // 2}):
        ids, mask = val.example(i)
        length = int(mask.argmax()) if job == "sft" else min(12, len(ids) - 1)
        prompts.append(ids[: max(1, min(length, 128))].tolist())

    def sample() -> list[dict[str, str]]:
        generator = Generator(model, tokenizer)
        completions = generator.generate(prompts, Sampling(max_new_tokens=32, temperature=0.0))
        return [{"prompt": tokenizer.decode(p), "text": c.text} for p, c in zip(prompts, completions)]

    return sample
