"""One dial: from text, time and machine to a model's size, its vocabulary and its batch.

The rule, in one sentence: take the largest model that can still read as many tokens as its size wants. How many a size
wants grows faster than the size (`wanted`), because a small budget is best spent on few parameters; but a text that is
short is not worth more than a few readings, so that from there on a larger model is the better use of the time.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from fledge.errors import UserError
from fledge.lang import _
from fledge.model.config import ModelConfig
from fledge.model.presets import PRESETS, preset
from fledge.model.source import find_model
from fledge.planning.facts import Size, bytes_per_token
from fledge.planning.machines import FRAGMENTS, Machine
from fledge.planning.memory import Pass, attention_kind, peak
from fledge.planning.work import computing, seconds_of, step_work
from fledge.training.config import TrainConfig

LIKELY = 4096  # vocabulary of the model that a job begins with, while none is named
DEFAULT_BUDGET = "5m"  # of a run whose length is not said
TYPICAL_SECONDS = 600.0  # for a run by steps or epochs: they say nothing of the time that it may take
# (preset, layers): shapes from small to large, each 1.3 to 2 times the one before; widths are multiples of 256.
LADDER = [
    ("cpu-2m", 2),
    ("cpu-2m", 3),
    ("cpu-4m", 5),
    ("cpu-6m", 8),
    ("small-34m", 4),
    ("small-34m", 6),
    ("small-34m", 8),
    ("base-88m", 8),
    ("base-88m", 12),
    ("large-285m", 12),
    ("large-285m", 20),
]
# A model with UNIT parameters in its blocks wants UNIT_TOKENS (a head that has counted hardly asks for more); one k times as
# large wants k ** GROWTH times as many. Measured at width 256 and equal computing time: with 0.4M tokens two layers beat three
# and five (on both texts of bench/), with 1.5M three beat two and five. The growth leads from there to nanochat's depth 20
# (393M parameters in its blocks, 11.2B tokens), which keeps Hoffmann et al.'s (2022) 20 tokens a parameter; between the two
# ends nothing was measured.
UNIT, UNIT_TOKENS, GROWTH = 1.77e6, 1.5e6, 1.66
# A short text: on one megabyte of plays three layers ended at 2.08 bits per byte after 3.4 readings and at 2.12 after 6.9, five
# layers at 2.04 after 3.2 (about the computing time of the 2.12; one seed each).
READINGS = 3  # before a larger model is the better use of the time
ENOUGH = 5  # after which more time does harm
LARGEST = 4  # parameters of the blocks for each byte of the text; nothing larger was tried
MIN_STEPS, FEWEST = 50, 3  # fewer steps than MIN_STEPS are warned of, fewer than FEWEST refused
# Rows of half the length while few tokens are read: on the mix (documents of 230 tokens), 256×3 after 2.4M tokens ended at
# 2.158 bits per byte with rows of 128 and at 2.163 with 256, and 128 took a sixth less time (docs/LOG.md; one seed).
FEW_TOKENS, SHORT_ROW = 6e6, 128
COUNTING, COUNTING_STEPS = 0.08, 40  # share of the time that counting pairs may take, and the steps of its fit
BATCH_TOKENS, LONG_BATCH = 5e6, 0.38  # 2,048 tokens a step at 5M; the best batch grows like tokens ** 0.38 (nanochat)


def wanted(parameters: float) -> float:
    """Tokens that a model with so many parameters in its blocks wants."""
    return UNIT_TOKENS * (parameters / UNIT) ** GROWTH


def vocabulary(num_bytes: float) -> int:
    """Tokens of a vocabulary for a corpus: 3,072 at 1 MB and more like its square root, up to 32,768; a multiple of 64.

    A larger one shortens the text and splits the evidence for each token. Measured with a beginning that has counted, which
    knows rare tokens too: on 1 MB of plays 3,072 beat 1,536 and 512, on 7 MB of books 4,096 and 8,192 beat 2,048, and 12,288
    was no better (docs/LOG.md; one seed each).
    """
    return int(min(32768, max(512, 3072 * (num_bytes / 1e6) ** 0.5)) // 64 * 64)


def countable(seconds: float, machine: Machine) -> int:
    """The largest vocabulary whose pairs are fitted within COUNTING of the time, at width 256; a multiple of 64. The three
    products of a step of the fit (training/counted.py) take 6 V² D operations."""
    return int((COUNTING * seconds * machine.flops / (COUNTING_STEPS * 6 * 256)) ** 0.5) // 64 * 64


def batch_tokens(tokens: float) -> int:
    """Tokens of an optimizer step: 2,048 for runs up to some millions (what the learning rates were tuned for), more for
    longer ones; the nearest power of two up to 65,536."""
    goal = 2048 * (tokens / BATCH_TOKENS) ** LONG_BATCH
    return 2 ** min(16, max(11, round(math.log2(goal))))


@dataclass(frozen=True)
class Candidate:
    """A shape of the ladder on a machine: what it reads in the time."""

    name: str
    layers: int
    shape: ModelConfig
    row: int
    tokens: float
    step_tokens: int

    @property
    def steps(self) -> float:
        return self.tokens / self.step_tokens

    def settings(self) -> dict[str, Any]:
        """Its shape as fields of TrainConfig."""
        usual = PRESETS[self.name]["num_hidden_layers"] == self.layers
        return {"preset": self.name, "set": {} if usual else {"num_hidden_layers": self.layers}}


def choose(
    size: Size,
    seconds: float,
    machine: Machine,
    *,
    vocab_size: int | None = None,
    seq_len: int | None = None,
    short: bool = True,
    share: float = 0.9,
) -> dict[str, Any]:
    """Settings of TrainConfig for pretraining on that much text in `seconds` on `machine`, within `share` of its memory.

    `short` False: rows are never shorter than a model of that width has them (the shape, the batch or the steps are the user's).
    Returns preset, set, vocab_size, seq_len, batch_size, accumulation_steps. UserError when not even the smallest model
    does FEWEST steps. The learning rates stay the defaults: they were measured at these batches (docs/LOG.md).
    """
    found = candidates(size, seconds, machine, vocab_size=vocab_size, seq_len=seq_len, short=short, share=share)
    smallest = found[0]
    if smallest.steps < FEWEST:
        needed = seconds * MIN_STEPS / max(smallest.steps, 1e-9)
        raise UserError(
            _(
                "a budget of {seconds} is enough for {steps} steps of the smallest model here, "
                "and nothing is learned in so few: give --budget {needed} or more."
            ).format(seconds=length(seconds), steps=int(smallest.steps), needed=length(needed))
        )
    best = max((c for c in found if fits_time(c, size)), key=lambda c: computing(c.shape), default=smallest)
    batch_size = max(1, best.step_tokens // best.row)
    while batch_size > 1 and not _fits(best.shape, batch_size, best.row, machine, share):
        batch_size //= 2
    return best.settings() | {
        "vocab_size": best.shape.vocab_size,
        "seq_len": best.row,
        "batch_size": batch_size,
        "accumulation_steps": max(1, best.step_tokens // (best.row * batch_size)),
    }


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
    chosen = choose(size, seconds, machine, vocab_size=vocab_size, seq_len=seq_len, short=short)
    groups = [{"preset", "set"}, {"batch_size", "accumulation_steps"}, {"seq_len"}, {"vocab_size"}]
    kept = {name for group in groups if group & given for name in group}
    if config.tokenizer:
        kept.add("vocab_size")
    if config.budget and "begin" not in given and not shape_of(config, size).tie_word_embeddings:
        chosen["begin"] = "counted"
    return {name: value for name, value in chosen.items() if name not in kept}


@dataclass(frozen=True)
class Asked:
    """What a config says of a new model's shape; a job that begins with a model has no such settings."""

    preset: str | None
    set: dict[str, Any]
    vocab_size: int | None


def asked(config: TrainConfig) -> Asked:
    return Asked(
        getattr(config, "preset", None), getattr(config, "set", None) or {}, getattr(config, "vocab_size", LIKELY)
    )


def shape_of(config: TrainConfig, size: Size) -> ModelConfig:
    """The model that these settings train: the one it starts from, or the preset with its changes and its vocabulary."""
    if config.model:
        return ModelConfig.load(find_model(config.model))
    new = asked(config)
    vocab = new.vocab_size or (vocab_of(config.tokenizer) if config.tokenizer else vocabulary(size.num_bytes))
    return preset(new.preset or "cpu-2m", **{"vocab_size": vocab, **new.set})


def vocab_of(folder: str) -> int:
    """Tokens of a tokenizer in a folder."""
    from fledge.tokenizer import Tokenizer

    return Tokenizer.load(folder).vocab_size


def row_length(hidden_size: int) -> int:
    """Tokens of a row: 256 for models of width 256, 512 up to 768, else 1,024. Larger models learn from longer contexts."""
    return 256 if hidden_size <= 256 else 512 if hidden_size <= 768 else 1024


def short_rows(tokens: float, document: float) -> bool:
    """Whether rows of SHORT_ROW do better: few `tokens` to read, of documents that are no longer than an ordinary row."""
    return tokens < FEW_TOKENS and document <= row_length(256)


def fits_time(candidate: Candidate, size: Size) -> bool:
    """Whether the shape reads as much as it wants, or the text READINGS times; and is no larger than a short text bears."""
    in_text = size.tokens(candidate.shape.vocab_size)
    blocks = candidate.shape.num_parameters()["body"]
    return candidate.tokens >= min(wanted(blocks), READINGS * in_text) and blocks <= LARGEST * size.num_bytes


def candidates(
    size: Size,
    seconds: float,
    machine: Machine,
    *,
    vocab_size: int | None,
    seq_len: int | None,
    short: bool,
    share: float,
) -> list[Candidate]:
    """The shapes of the ladder that fit the memory, smallest first, with what each would read."""
    vocab = vocab_size or min(vocabulary(size.num_bytes), max(512, countable(seconds, machine)))
    found: list[Candidate] = []
    for name, layers in LADDER:
        shape = preset(name, vocab_size=vocab, num_hidden_layers=layers)
        row = seq_len or row_length(shape.hidden_size)
        step_tokens, tokens = _reads(shape, seconds, row, machine)
        document = size.row_bytes / bytes_per_token(vocab)
        if short and not seq_len and shape.hidden_size <= 256 and short_rows(tokens, document):
            row = SHORT_ROW
            step_tokens, tokens = _reads(shape, seconds, row, machine)
        if not found or _fits(shape, 1, row, machine, share):
            found.append(Candidate(name, layers, shape, row, tokens, step_tokens))
    return found


def _reads(shape: ModelConfig, seconds: float, seq_len: int, machine: Machine) -> tuple[int, float]:
    """(tokens of a step, tokens of the run). The batch follows from the tokens, and those from the speed, which is higher at a
    larger batch."""
    step_tokens = batch_tokens(seconds * 2048 / _step_seconds(shape, 2048, seq_len, machine))
    return step_tokens, seconds * step_tokens / _step_seconds(shape, step_tokens, seq_len, machine)


def _step_seconds(shape: ModelConfig, step_tokens: int, seq_len: int, machine: Machine) -> float:
    step = _pass(shape, max(1, step_tokens // seq_len), seq_len, machine)
    return seconds_of(step_work(shape, step, "muon", 1), machine)


def _fits(shape: ModelConfig, batch_size: int, seq_len: int, machine: Machine, share: float) -> bool:
    step = _pass(shape, batch_size, seq_len, machine)
    tensors = sum(peak(shape, step, "muon", 2)[1].values())
    return tensors * (1 + FRAGMENTS[machine.device]) <= share * machine.usable


def _pass(shape: ModelConfig, batch_size: int, seq_len: int, machine: Machine) -> Pass:
    grouped = shape.num_key_value_heads != shape.num_attention_heads
    return Pass(
        batch_size,
        seq_len,
        machine.precision,
        attention_kind(machine.device, machine.precision, seq_len, True, grouped),
    )


def warnings(steps: int, size: Size, readings: float, seconds: float | None) -> list[str]:
    """Sentences about a run that will disappoint."""
    found: list[str] = []
    if steps < MIN_STEPS and seconds:
        better = length(seconds * MIN_STEPS / steps)
        found.append(
            _(
                "{seconds} is enough for about {steps} steps, and a model learns something from {min_steps} on: "
                "give --budget {better}, or a smaller model or batch."
            ).format(seconds=length(seconds), steps=steps, min_steps=MIN_STEPS, better=better)
        )
    if readings > ENOUGH + 0.5 and not size.assumed:
        found.append(
            _(
                "the text is read {readings:.0f} times, and after {enough} it is learned by heart and the model gets "
                "worse: add text, or train for less time."
            ).format(readings=readings, enough=ENOUGH)
        )
    return found


def length(seconds: float) -> str:
    """A length of time as --budget takes it, rounded up: 8s, 3m, 2h."""
    for unit, name, limit in ((1, "s", 120), (60, "m", 7200)):
        if seconds <= limit:
            return f"{max(1, -int(-seconds // unit))}{name}"
    return f"{-int(-seconds // 3600)}h"
