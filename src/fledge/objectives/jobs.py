"""From a TrainConfig to a finished run: tokenizer, data, model, fit, and the model folder at the end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from fledge.data import Dataset, Mixture, PackedBatches, prepare, prepare_rows, read_rows
from fledge.data.rows import Text
from fledge.device import pick_device, pick_precision, set_threads
from fledge.errors import UserError
from fledge.generate import Generator, Sampling
from fledge.model.folder import load_model, save_model
from fledge.model.presets import preset
from fledge.model.source import find_model
from fledge.model.transformer import Transformer
from fledge.objectives.language import LanguageModeling
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.train.config import TrainConfig, default_vocab_size
from fledge.train.loop import fit

KIND = {"pretrain": "text", "sft": "chat"}
DEFAULT_BUDGET = "5m"


@dataclasses.dataclass
class Material:
    """Data of a job that does not come from files: rows in memory, and known landmarks of their curve."""

    train: Iterable[Any]
    val: Iterable[Any] | None = None
    replay: Iterable[Any] | None = None
    landmarks: dict[str, Any] = dataclasses.field(default_factory=dict)


def run_job(job: str, config: TrainConfig, material: Material | None = None) -> Run:
    """Train. Returns the finished run, whose `model_dir` holds the model and its tokenizer."""
    config.check()
    if config.steps is None and config.epochs is None and config.budget is None:
        config = dataclasses.replace(config, budget=DEFAULT_BUDGET)
    if not config.data and material is None:
        raise UserError(f"nothing to train on: give `fledge train {job}` files with --data.")
    if job != "pretrain" and not config.model:
        raise UserError(
            f"`fledge train {job}` starts from a trained model: give it with --model (a run or a model folder)."
        )
    set_threads()
    device = pick_device(config.device)
    base = find_model(config.model) if config.model else None
    tokenizer = _tokenizer(config, base, material)
    train, val = _datasets(job, config, tokenizer, material)
    batches = _batches(job, config, train, tokenizer)
    model = _model(job, config, base, tokenizer).to(device)
    model.compute_dtype = pick_precision(config.precision, device)
    model.checkpoint_activations = config.checkpoint_activations
    if model.config.num_experts and model.config.num_experts_per_tok == 1 and model.config.norm_topk_prob:
        raise UserError(
            "a router that picks one expert and normalises its weight to 1 learns nothing from the loss: "
            "set num_experts_per_tok=2 with --set, or norm_topk_prob=false."
        )
    steps = config.steps
    if config.epochs is not None:
        per_step = config.seq_len * config.batch_size * config.accumulation_steps
        steps = max(1, math.ceil(config.epochs * batches.tokens_per_epoch / per_step))
    replay = _replay(config, tokenizer, material)
    objective = LanguageModeling(
        model,
        batches if replay is None else Mixture(batches, replay, config.replay_share),
        val,
        sampler=_sampler(job, model, tokenizer, val),
        landmarks=material.landmarks if material else None,
        hidden=torch.compile(model.hidden, dynamic=False) if _compiles(config, device) else None,
    )
    run = _open_run(job, config)
    run.update(
        data={"train": train.describe(), "val": val.describe() if val else None, "batches": batches.report()},
        model=model.config.to_dict() | {"num_parameters": model.config.num_parameters()},
        precision=str(model.compute_dtype).removeprefix("torch."),
    )
    print(_banner(run, model, tokenizer, train, config, steps))
    results = fit(objective, config, run, steps)
    save_model(model, run.model_dir)
    tokenizer.save(run.model_dir)
    run.finish("done", **results)
    return run


def _tokenizer(config: TrainConfig, base: Path | None, material: Material | None) -> Tokenizer:
    if config.tokenizer:
        return Tokenizer.load(config.tokenizer)
    if base is not None:
        return Tokenizer.load(base)
    if material is not None:
        raise UserError("rows in memory need a tokenizer: give --tokenizer.")
    texts = [row.text for path in config.data for row in read_rows(path, "text") if isinstance(row, Text)]
    size = config.vocab_size or default_vocab_size(sum(len(text.encode("utf-8")) for text in texts))
    print(f"training a tokenizer of {size} tokens on the data …")
    kept = [text[: math.ceil(len(text) * (1 - config.val_fraction))] for text in texts] if len(texts) == 1 else texts
    return Tokenizer.train(kept, size)


def _datasets(
    job: str, config: TrainConfig, tokenizer: Tokenizer, material: Material | None
) -> tuple[Dataset, Dataset | None]:
    kind: Any = KIND[job]
    if material is not None:
        train = prepare_rows(material.train, tokenizer, kind=kind, name="train")
        return train, None if material.val is None else prepare_rows(material.val, tokenizer, kind=kind, name="val")
    data = prepare(config.data, tokenizer, kind=kind)
    if config.val:
        return data, prepare(config.val, tokenizer, kind=kind)
    return data.split(config.val_fraction)


def _batches(job: str, config: TrainConfig, dataset: Dataset, tokenizer: Tokenizer) -> PackedBatches:
    """Packed rows: text is cut where a row is full, conversations never are."""
    return PackedBatches(
        dataset,
        seq_len=config.seq_len,
        batch_size=config.batch_size,
        pad_id=tokenizer.endoftext_id,
        crop=job == "pretrain",
        seed=config.seed,
    )


def _replay(config: TrainConfig, tokenizer: Tokenizer, material: Material | None) -> PackedBatches | None:
    if material is not None and material.replay is not None:
        return _batches(
            "pretrain", config, prepare_rows(material.replay, tokenizer, kind="text", name="replay"), tokenizer
        )
    if config.replay:
        return _batches("pretrain", config, prepare(config.replay, tokenizer, kind="text"), tokenizer)
    return None


def _model(job: str, config: TrainConfig, base: Path | None, tokenizer: Tokenizer) -> Transformer:
    if base is not None:
        model = load_model(base)
        if tokenizer.vocab_size > model.config.vocab_size:
            raise UserError(
                f"the tokenizer has {tokenizer.vocab_size} tokens but the model in {base} only {model.config.vocab_size}: "
                "they do not belong together; leave --tokenizer out to use the model's own."
            )
        shape = model.config
    else:
        name = config.preset or ("small-34m" if pick_device(config.device).type == "cuda" else "cpu-4m")
        ids = {
            "bos_token_id": tokenizer.endoftext_id,
            "eos_token_id": tokenizer.im_end_id,
            "pad_token_id": tokenizer.endoftext_id,
        }
        shape = preset(name, **{"vocab_size": tokenizer.vocab_size, **ids, **config.set})
        model = Transformer(shape).init_weights(config.seed)
    if config.seq_len > shape.max_position_embeddings:
        raise UserError(
            f"--seq-len {config.seq_len} is longer than the model's context of {shape.max_position_embeddings} tokens; "
            "make it shorter, or raise max_position_embeddings with --set."
        )
    return model


def _compiles(config: TrainConfig, device: torch.device) -> bool:
    """auto: on CUDA for runs of five minutes and more. On a CPU compilation costs 20–60 s and wins about a tenth."""
    if config.compile != "auto":
        return config.compile == "on"
    if device.type != "cuda" or (config.seconds() or math.inf) < 300:
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


def _open_run(job: str, config: TrainConfig) -> Run:
    if not config.resume:
        return Run.create(job, dataclasses.asdict(config), config.run)
    if not config.run:
        raise UserError("--resume needs the run's name: give it with --run.")
    return Run.open(config.run)


def _banner(
    run: Run, model: Transformer, tokenizer: Tokenizer, train: Dataset, config: TrainConfig, steps: int | None
) -> str:
    shape, sizes = model.config, model.config.num_parameters()
    length = f"{steps} steps" if steps else f"{config.budget}"
    active = f" ({sizes['active'] / 1e6:.2f}M active)" if sizes["active"] != sizes["total"] else ""
    return (
        f"run {run.name}: {shape.model_type} {shape.hidden_size}×{shape.num_hidden_layers}, "
        f"{sizes['total'] / 1e6:.2f}M parameters{active}, {sizes['embedding'] / sizes['total']:.0%} in the embedding\n"
        f"  data: {train.num_tokens:,} tokens, {train.num_bytes / 1e6:.2f} MB"
        f" ({train.num_bytes / max(1, train.num_targets):.2f} bytes a token)"
        f" · vocabulary {tokenizer.vocab_size} · {config.batch_size}×{config.seq_len}×{config.accumulation_steps} tokens a step"
        f" · {str(model.compute_dtype).removeprefix('torch.')} on {model.device} · {length}"
    )
