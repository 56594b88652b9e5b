"""TrainConfig: the settings that every training job shares. A job adds its own (fledge.jobs). Nothing here needs torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from fledge.errors import UserError, flag
from fledge.lang import N_, Text, _
from fledge.model.settings import fit_types
from fledge.training.optimizers import DECAYED, OPTIMIZERS, Choice, Role

Range = tuple[tuple[str, ...], Callable[[float], bool], Text]


RANGES: list[Range] = [
    (("steps", "epochs", "val_every", "save_every"), lambda value: value > 0, N_("above 0")),
    (
        ("seq_len", "batch_size", "accumulation_steps", "val_tokens", "keep"),
        lambda value: value >= 1,
        N_("at least 1"),
    ),
    (
        ("lr", "embed_lr", "head_lr", "norm_lr", "weight_decay", "grad_clip", "seed"),
        lambda value: value >= 0,
        N_("0 or more"),
    ),
    (
        ("warmup", "momentum", "beta1", "beta2"),
        lambda value: 0 <= value < 1,
        N_("from 0 to below 1"),
    ),
    (("val_fraction",), lambda value: 0 < value < 1, N_("between 0 and 1")),
]


@dataclass
class TrainConfig:
    """Settings that every training job has. Rates are for a batch of about 2,000–4,000 tokens and 1–10M parameters."""

    data: list[str] = field(default_factory=list)
    """Training files: .jsonl, .json, .csv, .tsv (each also .gz), .parquet, or plain text; `fledge data check FILE` shows one."""
    val: list[str] = field(default_factory=list)
    """Validation files. Without any, the last `val_fraction` of every training file is held out."""
    val_fraction: float = 0.1
    """Share of every source that is held out when `val` is empty."""
    run: str | None = None
    """Name of the run folder. Default: job and time."""
    model: str | None = None
    """Model to start from: a run, or a model folder."""
    tokenizer: str | None = None
    """Tokenizer folder. Default: the model's own, else one trained on the data."""
    profile: str | None = None
    """Settings that `fledge plan` proposes for this machine: conservative, standard or aggressive. What you type wins."""
    steps: int | None = None
    """Optimizer steps. Give this, `epochs` or `budget`."""
    epochs: float | None = None
    """Passes over the data."""
    budget: str | None = None
    """Time for the run, e.g. 90s, 10m, 2h. A new tokenizer and the data's preparation are taken from it (half of it at most),
    the schedule follows the clock and ends on time, and the last validation comes after it."""
    seq_len: int = 256
    """Tokens per row."""
    batch_size: int = 8
    """Rows per forward pass."""
    accumulation_steps: int = 1
    """Forward passes per optimizer step."""
    optimizer: Choice = "auto"
    """muon: Muon for the matrices of the blocks and AdamW for the rest; adamw: AdamW for everything at rate `lr`. auto: muon
    for new weights and for those that it made, adamw for a model that was trained elsewhere."""
    lr: float | None = None
    """Learning rate of the block matrices (of everything for adamw). Default: the optimizer's, for this job."""
    embed_lr: float | None = None
    """AdamW rate of an untied embedding at width 256; it falls as 1/sqrt(width), like the next two (muon only)."""
    head_lr: float | None = None
    """AdamW rate of the head, tied or not, at width 256 (muon only)."""
    norm_lr: float | None = None
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
    tensorboard: bool = False
    """Also write TensorBoard files into the run folder."""
    track: Literal["wandb", "swanlab"] | None = None
    """Also report to Weights & Biases or SwanLab."""
    track_project: str = "fledge"
    """The project there."""

    ranges: ClassVar[list[Range]] = RANGES
    rates: ClassVar[dict[str, dict[str, float]]] = {name: recipe.rates for name, recipe in OPTIMIZERS.items()}
    """Learning rates of this job by optimizer, for those that are not set."""
    decayed: ClassVar[tuple[Role, ...]] = DECAYED
    """Roles that `weight_decay` is for."""

    def __post_init__(self) -> None:
        fit_types(self, flag)

    def with_rates(self) -> TrainConfig:
        """The same with the optimizer's rates for this job where none are set; `optimizer` is decided."""
        rates: dict[str, Any] = self.rates[self.optimizer]
        return replace(self, **{name: rate for name, rate in rates.items() if getattr(self, name) is None})

    def seconds(self) -> float | None:
        """`budget` in seconds."""
        return None if self.budget is None else parse_duration(self.budget)

    def check(self) -> None:
        """Refuse what cannot work, with the field's name."""
        if sum(getattr(self, name) is not None for name in LENGTHS) > 1:
            raise UserError(
                _("Give one of {flag}, {flag2} and {flag3}, not several.").format(
                    flag=flag("steps"), flag2=flag("epochs"), flag3=flag("budget")
                )
            )
        for names, right, words in self.ranges:
            for name in names:
                value = getattr(self, name)
                if value is not None and not right(value):
                    raise UserError(
                        _("{flag} is {value}; it must be {words}.").format(flag=flag(name), value=value, words=words)
                    )
        self.seconds()


LENGTHS = ("steps", "epochs", "budget")  # they exclude each other

# What may differ when a run goes on; any other setting would make it another run.
CHANGEABLE = {"run", "resume", "steps", "epochs", "budget", "device", "compile", "checkpoint_activations"}
CHANGEABLE |= {"batch_size", "accumulation_steps", "parts", "parts_fallback"}
CHANGEABLE |= {"val_every", "val_tokens", "save_every", "keep", "tensorboard", "track", "track_project"}


def parse_duration(text: str) -> float:
    """'90s', '10m', '1.5h' or a number of seconds -> seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h)?\s*", str(text))
    if not match or float(match[1]) <= 0:
        raise UserError(_("'{text}' is not a length of time; write it like 90s, 10m or 2h.").format(text=text))
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2] or "s"]
