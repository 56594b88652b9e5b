"""predict(): what a training run takes, before it starts."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from fledge.model.config import ModelConfig
from fledge.planning.budget import warnings
from fledge.planning.facts import Planning, Size, frozen_shapes
from fledge.planning.machines import FRAGMENTS, UNCALIBRATED, Calibration, Machine, calibration_of
from fledge.planning.measure import machine_of, ratio, too_short_to_measure
from fledge.planning.memory import TABLES, Pass, Terms, attention_kind, peak
from fledge.planning.rollout import cache_bytes, rows, writing
from fledge.planning.rollout import steps as rollout_steps
from fledge.planning.work import chosen_optimizer, seconds_of, step_work
from fledge.training.config import TrainConfig
from fledge.training.due import LAST, VALIDATIONS
from fledge.training.length import training_seconds

PROCESS_MB = 240  # Python, torch and the tokenizer library on a CPU build of torch, before any data
# A tokenizer that is trained for the run, and preparing the data, by byte of text (measured: docs/LOG.md).
TOKENIZER_SECONDS, PREPARE_SECONDS, START_SECONDS = 1.5e-6, 0.5e-6, 5.0
TOKENIZER_MB, TOKENIZER_MEMORY = 60, 38
TOKENIZER_BYTES = (
    30_000_000  # of text at most: evenly drawn, they count pairs as well, and more would need that much memory
)
TOKENIZER_SHARE = 0.1  # of a budget that a new tokenizer may take: of more text than that allows, it sees a part
FORWARD_SHARE = 0.3  # of a training token's time: a validation token


@dataclass
class Plan:
    """What a run will take. `memory` (bytes) and `seconds` are made of named terms; totals come with what past runs on
    this machine taught (`calibration`)."""

    job: str
    machine: Machine
    shape: ModelConfig
    config: TrainConfig
    step: Pass
    memory: Terms
    moment: str  # when memory is highest: loss, backward, end of backward, optimizer
    seconds: dict[str, float]
    tokens: int
    steps: int
    text_tokens: int
    tokens_per_second: float
    calibration: Calibration
    price: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def tensors_mb(self) -> float:
        """What torch allocates at the peak, MiB: what a run on a GPU reports as its memory."""
        own = sum(size for name, size in self.memory.items() if name not in OVERHEAD)
        return own * self.calibration.memory / 2**20

    @property
    def total_mb(self) -> float:
        """What the run needs of the machine's memory, MiB; on a CPU the whole process."""
        return sum(self.memory.values()) * self.calibration.memory / 2**20

    @property
    def training_mb(self) -> float:
        """The same without the text and the training of a tokenizer, which are over when the model trains."""
        return self.total_mb - self.memory.get("text and tokenizer", 0) * self.calibration.memory / 2**20

    @property
    def fits(self) -> bool:
        return self.total_mb * 2**20 <= self.machine.usable

    @property
    def run_seconds(self) -> float:
        """What the run's own clock will show: training and the validations on the way."""
        return self.seconds["training"] + self.seconds["validation on the way"]

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def cost(self) -> float | None:
        """In the currency of `price`, which is for an hour."""
        return None if self.price is None else self.price * self.total_seconds / 3600

    @property
    def readings(self) -> float:
        """How often the text is read."""
        return self.tokens / self.text_tokens

    def to_dict(self) -> dict[str, Any]:
        """For the run record: predictions in the units in which the outcome is recorded, and what they rest on."""
        return {
            "predicted_seconds": round(self.run_seconds, 1),
            "predicted_total_seconds": round(self.total_seconds, 1),
            "predicted_memory_mb": round(self.tensors_mb if self.machine.device == "cuda" else self.total_mb),
            "predicted_tokens_per_second": round(self.tokens_per_second),
            "needed_memory_mb": round(self.total_mb),
            "tokens": self.tokens,
            "steps": self.steps,
            "cost": None if self.cost is None else round(self.cost, 2),
            "moment": self.moment,
            "memory_mb": {name: round(size / 2**20, 1) for name, size in self.memory.items()},
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
            "machine": self.machine.title,
            "machine_key": self.machine.key,
            "measured": self.machine.measured,
            "calibration": dataclasses.asdict(self.calibration),
            "notes": self.notes,
        }


OVERHEAD = ("Python and libraries", "text and tokenizer", "fragmentation")


def predict(
    facts: Planning,
    config: TrainConfig,
    shape: ModelConfig,
    size: Size,
    machine: Machine,
    *,
    calibration: Calibration = UNCALIBRATED,
    price: float | None = None,
    measure: bool = True,
) -> Plan:
    """Memory and minutes of a run with these settings on that machine.

    Args:
        config: `steps`, `epochs` or `budget` says how long; none of them means one reading of the text.
        shape: of the model, with its real vocabulary.
        measure: take one step of the shape (or a smaller neighbour) on this machine, unless it was taken before.
    """
    frozen = frozen_shapes(facts, config, shape)
    optimizer, _ = chosen_optimizer(config, shape)
    precision = machine.precision if config.precision == "auto" else config.precision
    if facts.answers and not (config.steps or config.budget):
        config = dataclasses.replace(config, steps=rollout_steps(config, size), epochs=None)
    step = pass_of(facts, config, shape, size, machine, precision)
    if not step.tables:  # no table of its own for a head
        shape = dataclasses.replace(shape, tie_word_embeddings=True)
    if facts.answers:
        step = dataclasses.replace(step, batch_size=rows(config, size, shape.vocab_size))
    work = step_work(shape, step, optimizer, config.accumulation_steps, frozen)
    taken = ratio(machine, shape, step, optimizer) if measure else 1.0
    step_seconds = seconds_of(work, machine) * taken * calibration.time
    if facts.answers:
        step_seconds += seconds_of(writing(shape, config, size), machine) * calibration.time
    per_step = step.num_tokens * config.accumulation_steps
    text_tokens = size.tokens(shape.vocab_size)
    if facts.answers:  # a reading of the prompts is so many tokens, with the answers
        text_tokens = per_step * rollout_steps(dataclasses.replace(config, epochs=1), size)
    trains_tokenizer = config.tokenizer is None and config.model is None and not facts.beside
    preparing = PREPARE_SECONDS * size.num_bytes
    if trains_tokenizer:
        most = TOKENIZER_SHARE * (config.seconds() or math.inf)
        preparing += min(TOKENIZER_SECONDS * min(size.num_bytes, TOKENIZER_BYTES), most)
    if getattr(config, "reads_first", False):  # once through all rows, forward only
        preparing += FORWARD_SHARE * step_seconds / per_step * text_tokens
    steps, seconds = _times(config, step_seconds, per_step, text_tokens, preparing)
    moment, memory = peak(shape, step, optimizer, config.accumulation_steps, frozen)
    if facts.answers:
        memory["answers' keys and values"] = cache_bytes(shape, config, size, precision)
    plan = Plan(
        job=facts.job,
        machine=machine,
        shape=shape,
        config=config,
        step=step,
        memory=memory | _overhead(memory, machine, size if trains_tokenizer else None),
        moment=moment,
        seconds=seconds,
        tokens=steps * per_step,
        steps=steps,
        text_tokens=text_tokens,
        tokens_per_second=steps * per_step / (seconds["training"] + seconds["validation on the way"]),
        calibration=calibration,
        price=price,
    )
    readings = 0.0 if facts.answers else plan.readings  # prompts may be read often: they are answered anew each time
    plan.notes += warnings(plan.steps, size, readings, config.seconds())
    return plan


def _times(
    config: TrainConfig, step_seconds: float, per_step: int, text_tokens: int, preparing: float
) -> tuple[int, dict[str, float]]:
    """(optimizer steps, seconds by what they go into) of a run whose steps take `step_seconds` for `per_step` tokens.

    A budget holds the `preparing` seconds too; the start of the program comes on top.
    """
    token_seconds = FORWARD_SHARE * step_seconds / per_step
    held_out = math.inf if config.val else text_tokens * config.val_fraction
    one = min(config.val_tokens, held_out) * token_seconds
    if asked := config.seconds():
        budget = training_seconds(asked, preparing)
        on_the_way = min(VALIDATIONS * one, budget / 2)
        steps = max(1, int((budget - on_the_way) / step_seconds))
        training = budget - on_the_way
    else:
        train_tokens = text_tokens * (1 if config.val else 1 - config.val_fraction)
        steps = config.steps or max(1, math.ceil((config.epochs or 1) * train_tokens / per_step))
        training = steps * step_seconds
        on_the_way = one * (min(steps / config.val_every, steps) if config.val_every else VALIDATIONS)
    last = min(LAST * config.val_tokens, held_out) * token_seconds
    start = START_SECONDS + preparing
    return steps, {"start": start, "training": training, "validation on the way": on_the_way, "last validation": last}


def pass_of(
    facts: Planning, config: TrainConfig, shape: ModelConfig, size: Size, machine: Machine, precision: str
) -> Pass:
    packed = size.packed(shape.vocab_size, config.seq_len)
    grouped = shape.num_key_value_heads != shape.num_attention_heads
    return Pass(
        config.batch_size,
        config.seq_len,
        precision,
        attention_kind(machine.device, precision, config.seq_len, packed, grouped),
        packed,
        config.checkpoint_activations,
        facts.adapter(config) if facts.adapter else None,
        facts.tables(config) if facts.tables else TABLES,
    )


def _overhead(memory: Terms, machine: Machine, text: Size | None) -> Terms:
    """What lies beside the tensors. On a GPU the context is part of what is reserved of the card, and the text is elsewhere."""
    terms: Terms = {"fragmentation": FRAGMENTS[machine.device] * sum(memory.values())}
    if machine.device == "cpu":
        terms["Python and libraries"] = PROCESS_MB * 2**20
        if text is not None:
            terms["text and tokenizer"] = TOKENIZER_MB * 2**20 + TOKENIZER_MEMORY * min(text.num_bytes, TOKENIZER_BYTES)
    return terms


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
    """The prediction of a run that is about to start, for its record (`plan` of run.json; `outcome` adds what came of
    it). `num_bytes` and `num_rows` are of its training text, `steps` is None when the clock decides. This machine is
    measured only when that is a small part of the run."""
    size = Size(num_bytes, num_bytes / max(1, num_rows))
    if steps:
        config = dataclasses.replace(config, steps=steps, epochs=None, budget=None)
    if machine is None:
        machine = machine_of(None, config, quick=too_short_to_measure(config))
    calibration = calibration_of(machine.key)
    return predict(facts, config, shape, size, machine, calibration=calibration, measure=False).to_dict()


def outcome(results: dict[str, Any]) -> dict[str, Any]:
    """What the run's record adds to its plan at the end, beside the prediction of each."""
    seconds = results.get("seconds") or 0
    return {
        "actual_seconds": seconds,
        "actual_memory_mb": results.get("memory_mb"),
        "actual_tokens_per_second": round(results["tokens"] / seconds) if seconds and results.get("tokens") else None,
    }
