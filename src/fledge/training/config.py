"""TrainConfig: every setting of a training job. Nothing here needs torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fledge.errors import UserError, suggest
from fledge.lang import Text, say
from fledge.records import Run, quoted
from fledge.settings import fit_types


@dataclass
class TrainConfig:
    """Settings of one training job. Rates are for a batch of about 2,000–4,000 tokens; the defaults suit 1–10M parameters."""

    data: list[str] = field(default_factory=list)
    """Training files: .txt, .jsonl(.gz), .json, .csv, .parquet."""
    val: list[str] = field(default_factory=list)
    """Validation files. Without any, the last `val_fraction` of every training file is held out."""
    val_fraction: float = 0.1
    """Share of every source that is held out when `val` is empty."""
    replay: list[str] = field(default_factory=list)
    """Text files mixed into fine-tuning, so that what pretraining taught is not forgotten."""
    replay_share: float = 0.25
    """Share of the batches that come from `replay`."""
    run: str | None = None
    """Name of the run folder. Default: job and time."""
    model: str | None = None
    """Model to start from: a run, or a model folder. Default for pretraining: new weights of `preset`."""
    tokenizer: str | None = None
    """Tokenizer folder. Default: the model's own, else one trained on the data."""
    profile: str | None = None
    """Settings that `fledge plan` proposes for this machine: conservative, standard or aggressive. What you type wins."""
    preset: str | None = None
    """Shape of a new model, e.g. cpu-2m. Default: what `budget` asks for."""
    vocab_size: int | None = None
    """Vocabulary of a tokenizer trained for this run. Default: chosen for the size of the data."""
    steps: int | None = None
    """Optimizer steps. Give this, `epochs` or `budget`."""
    epochs: float | None = None
    """Passes over the data."""
    budget: str | None = None
    """Training time, e.g. 90s, 10m, 2h: the schedule follows the clock and ends on time."""
    seq_len: int = 256
    """Tokens per row."""
    batch_size: int = 8
    """Rows per forward pass."""
    accumulation_steps: int = 1
    """Forward passes per optimizer step."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """muon: Muon for the matrices of the blocks and AdamW for the rest; adamw: AdamW for everything at rate `lr`."""
    lr: float = 0.025
    """Learning rate of the block matrices (of everything for adamw)."""
    embed_lr: float = 0.3
    """AdamW rate of an untied embedding at width 256; it falls as 1/sqrt(width), like the next two (muon only)."""
    head_lr: float = 0.01
    """AdamW rate of the head, tied or not, at width 256 (muon only)."""
    norm_lr: float = 0.004
    """AdamW rate of norms and biases at width 256 (muon only)."""
    weight_decay: float = 0.1
    """Decoupled weight decay of matrices (0 for embedding, head, norms)."""
    beta1: float = 0.9
    """AdamW first-moment decay."""
    beta2: float = 0.95
    """AdamW second-moment decay."""
    momentum: float = 0.95
    """Muon momentum (Nesterov)."""
    schedule: Literal["linear", "cosine", "wsd", "constant", "minimind"] = "linear"
    """Shape of the learning rate after warm-up. minimind: a cosine down to a tenth, without warm-up."""
    warmup: float = 0.02
    """Share of the run in which the rate rises from 0."""
    grad_clip: float = 1.0
    """Largest gradient norm; 0 = do not clip."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of activations and products. auto measures what is fast here."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile. auto: on for runs long enough to repay it, when a compiler is there."""
    checkpoint_activations: bool = False
    """Recompute blocks in the backward pass: less memory, about a third more time."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    seed: int = 0
    """Seed of weights and data order."""
    val_every: int | None = None
    """Steps between validations. Default: ten times a run."""
    val_tokens: int = 16_000
    """Validation tokens used during training; the last one uses up to 64 times as many."""
    save_every: int | None = None
    """Steps between checkpoints. Default: every ten minutes, and they go when the run is done."""
    keep: int = 2
    """Checkpoints kept: should the newest be damaged, the one before it is used."""
    resume: bool = False
    """Go on from the newest checkpoint of `run`, with the settings it was started with."""
    parts: Literal["reference", "mine"] = "reference"
    """Whose functions the model and the training are made of. mine: yours, of the exercises that you passed
    (`fledge parts list`), the rest from the reference."""
    parts_fallback: bool = False
    """With `parts mine`: a part of yours that fails is replaced by the reference, and the run goes on."""
    parity: bool = False
    """MiniMind's own maths, to compare with it: rows padded and in its order, the mean of the batches' means, its AdamW
    (decay on everything) and its cosine. Slower, and no better."""
    tensorboard: bool = False
    """Also write TensorBoard files into the run folder."""
    track: Literal["wandb", "swanlab"] | None = None
    """Also report to Weights & Biases or SwanLab."""
    track_project: str = "fledge"
    """The project there."""
    set: dict[str, Any] = field(default_factory=dict)
    """Changes to the shape of a new model by HF field name, e.g. num_hidden_layers=6."""

    def __post_init__(self) -> None:
        fit_types(self, _flag)

    def seconds(self) -> float | None:
        """`budget` in seconds."""
        return None if self.budget is None else parse_duration(self.budget)

    def check(self) -> None:
        """Refuse what cannot work, with the field's name."""
        if sum(x is not None for x in (self.steps, self.epochs, self.budget)) > 1:
            raise UserError(
                say(
                    "--steps、--epochs 和 --budget 只能给一个，不能同时给几个。",
                    "Give one of --steps, --epochs and --budget, not several.",
                )
            )
        for names, right, words in RANGES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not right(value):
                    raise UserError(
                        say(
                            f"{_flag(name)} 是 {value}，但应该{words}。",
                            f"{_flag(name)} is {value}; it must be {words}.",
                        )
                    )
        if self.model and (self.preset or self.set):
            raise UserError(
                say(
                    "--preset 和 --set 决定新模型的形状，而 --model 给出的模型已有自己的形状：两者只能选一种。",
                    "--preset and --set shape a new model, and --model names one that has its shape: give one of the two.",
                )
            )
        if self.vocab_size and (self.model or self.tokenizer) and not self.resume:
            whose = "--model" if self.model else "--tokenizer"
            raise UserError(
                say(
                    f"--vocab-size 是给新分词器用的，而 {whose} 已带着自己的分词器：去掉 --vocab-size。",
                    f"--vocab-size is for a new tokenizer, and {whose} brings its own: leave --vocab-size out.",
                )
            )
        if self.resume and Run.exists(self.run or ""):
            self._refuse_lost_files()
        self.seconds()

    def _refuse_lost_files(self) -> None:
        """Files that were moved: the run goes on with them when it is told where they are."""
        for name in ("data", "val", "replay"):
            for path in getattr(self, name):
                if not Path(path).exists():
                    raise UserError(
                        say(
                            f"训练 '{self.run}' 的数据 {path} 不在这里：用 {_flag(name)} 写出它现在在哪里，内容没变就接着练。",
                            f"{path}, which run '{self.run}' needs, is not there: give its new place with {_flag(name)}; the run "
                            "goes on when its content is the same.",
                        )
                    )


RANGES: list[tuple[tuple[str, ...], Callable[[float], bool], Text]] = [
    (("steps", "epochs", "val_every", "save_every"), lambda value: value > 0, Text("大于 0", "above 0")),
    (
        ("seq_len", "batch_size", "accumulation_steps", "val_tokens", "keep"),
        lambda value: value >= 1,
        Text("至少是 1", "at least 1"),
    ),
    (
        ("lr", "embed_lr", "head_lr", "norm_lr", "weight_decay", "grad_clip", "seed"),
        lambda value: value >= 0,
        Text("是 0 或更大", "0 or more"),
    ),
    (
        ("warmup", "momentum", "beta1", "beta2"),
        lambda value: 0 <= value < 1,
        Text("不小于 0 且小于 1", "from 0 to below 1"),
    ),
    (("val_fraction", "replay_share"), lambda value: 0 < value < 1, Text("大于 0 且小于 1", "between 0 and 1")),
]

# What each job changes of the defaults. SFT: gentler rates, and rows are conversations.
JOB_DEFAULTS: dict[str, dict[str, Any]] = {
    "pretrain": {},
    "sft": {"lr": 0.008, "embed_lr": 0.04, "head_lr": 0.006, "norm_lr": 0.002, "weight_decay": 0.0},
}


# AdamW moves every number by about its rate, Muon a whole matrix: their rates are not the same number (docs/LOG.md).
ADAMW_RATES = {"pretrain": 0.003, "sft": 0.0003}

PARITY: dict[str, Any] = {
    "optimizer": "adamw", "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.01, "schedule": "minimind", "warmup": 0.0,
}  # fmt: skip
"""What `parity` means for the settings."""

# What may differ when a run goes on; any other setting would make it another run.
CHANGEABLE = {"run", "resume", "steps", "epochs", "budget", "device", "compile", "checkpoint_activations"}
CHANGEABLE |= {"batch_size", "accumulation_steps", "parts", "parts_fallback"}
CHANGEABLE |= {"val_every", "val_tokens", "save_every", "keep", "tensorboard", "track", "track_project"}


def job_config(job: str, **changes: Any) -> TrainConfig:
    """The job's defaults with `changes`; an unknown name is refused with the nearest one.

    With `resume` the defaults are what the run was started with, and only settings in CHANGEABLE may differ from them.
    """
    if job not in JOB_DEFAULTS:
        near = suggest(job, JOB_DEFAULTS)
        raise UserError(
            say(
                f"没有 '{job}' 这种训练，可用的有 {'、'.join(JOB_DEFAULTS)}。{near}",
                f"There is no training job '{job}'; the jobs are {', '.join(JOB_DEFAULTS)}.{near}",
            )
        )
    known = [f.name for f in dataclasses.fields(TrainConfig)]
    for name in changes:
        if name not in known:
            near = suggest(name, known)
            raise UserError(say(f"训练没有 '{name}' 这个设置。{near}", f"Training has no setting '{name}'.{near}"))
    return _resumed(job, changes) if changes.get("resume") else _new(job, changes)


def _new(job: str, changes: dict[str, Any]) -> TrainConfig:
    adamw = {"lr": ADAMW_RATES[job]} if changes.get("optimizer") == "adamw" else {}
    return TrainConfig(**{**JOB_DEFAULTS[job], **adamw, **changes})


def _resumed(job: str, changes: dict[str, Any]) -> TrainConfig:
    """The settings of the run that goes on, with `changes`; refuses what would make it another run.

    A run that does not exist yet (it was killed before it began) has only `changes`.
    """
    if not changes.get("run"):
        raise UserError(
            say(
                "用 --resume 时要说明接着哪次训练：用 --run 给出它的名字。",
                "--resume needs the run's name: give it with --run.",
            )
        )
    if not Run.exists(changes["run"]):
        return _new(job, changes)
    run = Run.open(changes["run"])
    if run.info["job"] != job:
        began, name = run.info["job"], quoted(run.name)
        raise UserError(
            say(
                f"训练 '{run.name}' 做的是 {began}：用 `fledge train {began} --run {name} --resume` 继续，或换一个名字。",
                f"run '{run.name}' is a {began} run: go on with `fledge train {began} --run {name} --resume`, or choose "
                "another name.",
            )
        )
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    begun = {name: value for name, value in run.info["config"].items() if name in known}
    if any(changes.get(name) is not None for name in ("steps", "epochs", "budget")):
        begun |= {"steps": None, "epochs": None, "budget": None}
    config = TrainConfig(**{**begun, **changes})
    for name, value in begun.items():
        if (
            name not in CHANGEABLE
            and getattr(config, name) != value
            and not _same_files(run, name, getattr(config, name))
        ):
            raise UserError(
                say(
                    f"训练 '{run.name}' 开始时 {_flag(name)} 是 {value}，不是 {getattr(config, name)}：去掉 {_flag(name)} "
                    "接着练，或去掉 --resume 另开一次训练。",
                    f"run '{run.name}' was started with {_flag(name)} {value}, not {getattr(config, name)}: leave "
                    f"{_flag(name)} out to go on, or start another run without --resume.",
                )
            )
    return config


def _same_files(run: Run, name: str, paths: list[str]) -> bool:
    """Whether a setting names files that hold what the run was started with."""
    from fledge.data.shards import same_files

    described = (run.info.get("data") or {}).get("train" if name == "data" else name) or {}
    return name in ("data", "val", "replay") and same_files(described.get("inputs", []), paths)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def parse_duration(text: str) -> float:
    """'90s', '10m', '1.5h' or a number of seconds -> seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h)?\s*", str(text))
    if not match or float(match[1]) <= 0:
        raise UserError(
            say(
                f"'{text}' 不是一段时间，要写成 90s、10m 或 2h 这样。",
                f"'{text}' is not a length of time; write it like 90s, 10m or 2h.",
            )
        )
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2] or "s"]
