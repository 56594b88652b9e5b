"""Conservative, standard, aggressive: three sets of settings for a machine, each with the reason for every choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _, commas
from fledge.model.config import ModelConfig
from fledge.model.presets import preset
from fledge.model.source import find_model
from fledge.planning import budget as budgets
from fledge.planning import why
from fledge.planning.calibrate import NONE, Calibration
from fledge.planning.data import Size
from fledge.planning.facts import Planning
from fledge.planning.machines import Machine
from fledge.planning.predict import Plan, predict
from fledge.training.config import LENGTHS, TrainConfig, parse_duration


@dataclass(frozen=True)
class Profile:
    """`share`: of the memory that may be used; the rest is for what else happens on the machine."""

    title: Text
    share: float

    @property
    def name(self) -> str:
        return self.title.en


PROFILES = (
    Profile(N_("conservative"), 0.6),
    Profile(N_("standard"), 0.8),
    Profile(N_("aggressive"), 0.92),
)


FEW = 4  # rows of a pass
USUAL = ("1h", "8h")  # of (CPU, GPU): for what reads its data, to guess the model that it will be given
ASSUMED = {"text": Size(100_000_000, 500, assumed=True), "chat": Size(20_000_000, 1000, assumed=True)}  # no --data


@dataclass
class Proposal:
    """A profile on a machine: the settings that it adds, what they will take, and why (in the reader's language)."""

    profile: Profile
    settings: dict[str, Any]
    plan: Plan
    reasons: dict[str, str]


def profile_named(name: str) -> Profile:
    """By its English or Chinese name."""
    for profile in PROFILES:
        if name in (profile.name, profile.title.zh):
            return profile
    names = [profile.name for profile in PROFILES] + [profile.title.zh for profile in PROFILES]
    near = suggest(name, names)
    raise UserError(
        _("there is no profile '{name}': use {names}.{near}").format(name=name, names=commas(names), near=near)
    )


def profile_settings(
    facts: Planning, name: str, config: TrainConfig, given: Set[str], machine: Machine, size: Size
) -> dict[str, Any]:
    """The fields of TrainConfig that the profile adds; those in `given` (what the user typed) are kept as they are. A length
    of the profile replaces whichever length stands in `config` by default."""
    settings = propose(facts, profile_named(name), config, given, machine, size).settings
    return (dict.fromkeys(LENGTHS) if set(LENGTHS) & set(settings) else {}) | settings


def proposals(
    facts: Planning,
    config: TrainConfig,
    given: Set[str],
    machine: Machine,
    size: Size,
    *,
    calibration: Calibration = NONE,
    price: float | None = None,
    measure: bool = True,
) -> list[Proposal]:
    """All three profiles."""
    return [
        propose(facts, profile, config, given, machine, size, calibration=calibration, price=price, measure=measure)
        for profile in PROFILES
    ]


def propose(
    facts: Planning,
    profile: Profile,
    config: TrainConfig,
    given: Set[str],
    machine: Machine,
    size: Size,
    *,
    calibration: Calibration = NONE,
    price: float | None = None,
    measure: bool = True,
) -> Proposal:
    """The settings of one profile, its plan and its reasons."""
    i = PROFILES.index(profile)
    on_gpu = machine.device != "cpu"
    settings: dict[str, Any] = {}
    reasons: dict[str, str] = {}

    def add(name: str, value: Any, reason: str) -> None:
        nonlocal config
        if name not in given:
            settings[name] = value
            config = dataclasses.replace(config, **{name: value})
        reasons[name] = _("you said so") if name in given else reason

    usual = facts.budget[on_gpu][i] if facts.budget else USUAL[on_gpu]
    if not given & set(LENGTHS):
        config = dataclasses.replace(config, steps=None, epochs=None, budget=None)
        if facts.budget:
            add("budget", usual, why.budget(usual))
        else:
            assert facts.epochs is not None
            add("epochs", float(facts.epochs[i]), why.epochs(facts.epochs[i]))
    seconds = config.seconds() or parse_duration(usual)

    free = config.model is None and not given & {"preset", "set"}
    if free:  # for fine-tuning without --model: the shape that pretraining would have chosen
        chosen = budgets.choose(
            size, seconds, machine, vocab_size=asked(config).vocab_size, seq_len=config.seq_len, share=profile.share
        )
        shape = preset(chosen["preset"], vocab_size=chosen["vocab_size"], **chosen["set"])
        if facts.dial:
            settings |= {name: chosen[name] for name in ("preset", "set") if chosen[name]}
            if "vocab_size" not in given and config.tokenizer is None:
                settings["vocab_size"] = chosen["vocab_size"]
            config = dataclasses.replace(config, **{name: chosen[name] for name in ("preset", "set", "vocab_size")})
    else:
        shape = shape_of(config, size)
    length = facts.seq_len[on_gpu][i]
    add("seq_len", min(length, shape.max_position_embeddings), why.seq_len(length))

    def trial(**changes: Any) -> Plan:
        changed = dataclasses.replace(config, **changes)
        return predict(facts, changed, shape, size, machine, calibration=calibration, measure=False)

    step_tokens = budgets.batch_tokens(trial().tokens)
    rows = max(1, step_tokens // config.seq_len)
    limit = profile.share * machine.usable / 2**20
    for batch_size, checkpoint in _sizes(config, given, rows):
        accumulation = config.accumulation_steps
        if "accumulation_steps" not in given:
            accumulation = max(1, round(rows / batch_size))
        made = {"batch_size": batch_size, "accumulation_steps": accumulation, "checkpoint_activations": checkpoint}
        tried = trial(**made)
        if tried.training_mb <= limit:
            break
    add("batch_size", batch_size, why.batch_size(batch_size, rows, tried.training_mb <= limit, profile.share))
    add("accumulation_steps", accumulation, why.accumulation(batch_size, accumulation))
    saved = trial(**made | {"checkpoint_activations": False}).total_mb - tried.total_mb
    add("checkpoint_activations", checkpoint, why.checkpoint(checkpoint, saved))
    if "budget" in settings and (readings := trial().readings) > budgets.ENOUGH:
        text = budgets.length(seconds * budgets.ENOUGH / readings)
        add("budget", text, why.enough(size))

    plan = predict(facts, config, shape, size, machine, calibration=calibration, price=price, measure=measure)
    reasons["model"] = why.model(plan, free, facts)
    reasons["precision"] = why.precision(plan.step.precision, machine, "precision" in given)
    return Proposal(profile, settings, plan, reasons)


def _sizes(config: TrainConfig, given: Set[str], rows: int) -> Iterator[tuple[int, bool]]:
    """(rows of a pass, checkpoints) to try, the best first: many rows, then the same with blocks computed twice, and only
    then fewer than FEW rows, at which a GPU waits more than it computes."""
    powers = [2**n for n in range(min(6, rows.bit_length() - 1), -1, -1)]  # 64 and less
    sizes = [config.batch_size] if "batch_size" in given else powers
    checkpoints = [config.checkpoint_activations] if "checkpoint_activations" in given else [False, True]
    few = min(FEW, sizes[0])
    for least, most in ((few, sizes[0]), (1, few - 1)):
        for checkpoint in checkpoints:
            yield from ((size, checkpoint) for size in sizes if least <= size <= most)


@dataclass(frozen=True)
class Asked:
    """What a config says of a new model's shape; a job that begins with a model has no such settings."""

    preset: str | None
    set: dict[str, Any]
    vocab_size: int | None


def asked(config: TrainConfig) -> Asked:
    return Asked(
        getattr(config, "preset", None), getattr(config, "set", None) or {}, getattr(config, "vocab_size", None)
    )


def shape_of(config: TrainConfig, size: Size) -> ModelConfig:
    """The model that these settings train: the one it starts from, or the preset with its changes and its vocabulary."""
    if config.model:
        return ModelConfig.load(find_model(config.model))
    new = asked(config)
    vocab = new.vocab_size or (vocab_of(config.tokenizer) if config.tokenizer else budgets.vocabulary(size.num_bytes))
    return preset(new.preset or "cpu-2m", **{"vocab_size": vocab, **new.set})


def vocab_of(folder: str) -> int:
    """Tokens of a tokenizer in a folder."""
    from fledge.tokenizer import Tokenizer

    return Tokenizer.load(folder).vocab_size
