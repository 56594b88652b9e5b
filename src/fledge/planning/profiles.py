"""Conservative, standard, aggressive: three sets of settings for a machine, each with the reason for every choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Any

from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _, commas
from fledge.model.config import ModelConfig
from fledge.model.presets import preset
from fledge.planning import budget as budgets
from fledge.planning.budget import asked, budget_settings, shape_of
from fledge.planning.facts import Planning, Size, size_of
from fledge.planning.machines import UNCALIBRATED, Calibration, Machine, calibration_of
from fledge.planning.measure import machine_of
from fledge.planning.predict import Plan, predict
from fledge.planning.work import computing
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
    calibration: Calibration = UNCALIBRATED,
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
    calibration: Calibration = UNCALIBRATED,
    price: float | None = None,
    measure: bool = True,
) -> Proposal:
    """The settings of one profile, its plan and its reasons."""
    draft = _Draft(facts, profile, config, given, machine, size, calibration)
    seconds = draft.choose_length()
    shape, free = draft.choose_shape(seconds)
    draft.choose_batch(shape)
    draft.shorten(shape, seconds)
    plan = predict(facts, draft.config, shape, size, machine, calibration=calibration, price=price, measure=measure)
    draft.reasons["model"] = why_model(plan, free, facts)
    draft.reasons["precision"] = why_precision(plan.step.precision, machine, "precision" in given)
    return Proposal(profile, draft.settings, plan, draft.reasons)


@dataclass
class _Draft:
    """A proposal in the making: `config` is the user's with all that was chosen so far."""

    facts: Planning
    profile: Profile
    config: TrainConfig
    given: Set[str]
    machine: Machine
    size: Size
    calibration: Calibration
    settings: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: Any, reason: str) -> None:
        if name not in self.given:
            self.settings[name] = value
            self.config = dataclasses.replace(self.config, **{name: value})
        self.reasons[name] = _("you said so") if name in self.given else reason

    def usual(self, values: tuple[Any, Any]) -> Any:
        """Of a pair for (CPU, GPU) the one of this machine; of three for the profiles the one of this profile."""
        found = values[self.machine.device != "cpu"]
        return found[PROFILES.index(self.profile)] if isinstance(found, tuple) else found

    def trial(self, shape: ModelConfig, **changes: Any) -> Plan:
        changed = dataclasses.replace(self.config, **changes)
        return predict(self.facts, changed, shape, self.size, self.machine, calibration=self.calibration, measure=False)

    def choose_length(self) -> float:
        """Seconds that the run has; a guess of them for what reads its data."""
        usual = self.usual(self.facts.budget or USUAL)
        if not self.given & set(LENGTHS):
            self.config = dataclasses.replace(self.config, steps=None, epochs=None, budget=None)
            if self.facts.budget:
                self.add("budget", usual, why_budget(usual))
            else:
                assert self.facts.epochs is not None
                number = self.facts.epochs[PROFILES.index(self.profile)]
                self.add("epochs", float(number), why_epochs(number))
        return self.config.seconds() or parse_duration(usual)

    def choose_shape(self, seconds: float) -> tuple[ModelConfig, bool]:
        """(the model's shape, whether it was free to choose), and its row length. For fine-tuning without --model: the shape
        that pretraining would have chosen."""
        config = self.config
        free = config.model is None and not self.given & {"preset", "set"}
        if free:
            # Of a model that a job begins with, half the share: a reference or a teacher may stand beside it.
            vocab_size, share = asked(config).vocab_size, self.profile.share * (1 if self.facts.dial else 0.5)
            chosen = budgets.choose(
                self.size, seconds, self.machine, vocab_size=vocab_size, seq_len=config.seq_len, share=share
            )
            shape = preset(chosen["preset"], vocab_size=chosen["vocab_size"], **chosen["set"])
            if self.facts.dial:
                self.settings |= {name: chosen[name] for name in ("preset", "set") if chosen[name]}
                if "vocab_size" not in self.given and config.tokenizer is None:
                    self.settings["vocab_size"] = chosen["vocab_size"]
                fields = {name: chosen[name] for name in ("preset", "set", "vocab_size")}
                self.config = dataclasses.replace(config, **fields)
        else:
            shape = shape_of(config, self.size)
        length = self.usual(self.facts.seq_len)
        self.add("seq_len", min(length, shape.max_position_embeddings), why_seq_len(length))
        return shape, free

    def choose_batch(self, shape: ModelConfig) -> None:
        """The first of `_sizes` that fits the profile's share of the memory, or the last."""
        config, share = self.config, self.profile.share
        rows = max(1, budgets.batch_tokens(self.trial(shape).tokens) // config.seq_len)
        limit = share * self.machine.usable / 2**20
        for batch_size, checkpoint in _sizes(config, self.given, rows):
            accumulation = config.accumulation_steps
            if "accumulation_steps" not in self.given:
                accumulation = max(1, round(rows / batch_size))
            made = {"batch_size": batch_size, "accumulation_steps": accumulation, "checkpoint_activations": checkpoint}
            tried = self.trial(shape, **made)
            if tried.training_mb <= limit:
                break
        self.add("batch_size", batch_size, why_batch_size(batch_size, rows, tried.training_mb <= limit, share))
        self.add("accumulation_steps", accumulation, why_accumulation(batch_size, accumulation))
        saved = self.trial(shape, **made | {"checkpoint_activations": False}).total_mb - tried.total_mb
        self.add("checkpoint_activations", checkpoint, why_checkpoint(checkpoint, saved))

    def shorten(self, shape: ModelConfig, seconds: float) -> None:
        """A budget that the text is worth."""
        if "budget" in self.settings and (readings := self.trial(shape).readings) > budgets.ENOUGH:
            self.add("budget", budgets.length(seconds * budgets.ENOUGH / readings), why_enough(self.size))


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


def plan_job(
    facts: Planning,
    config: TrainConfig,
    given: Set[str],
    *,
    machine: Machine | None = None,
    profile: str | None = None,
    price: float | None = None,
) -> Plan:
    """What `fledge train JOB` with these settings will take; those not in `given` are chosen as training chooses them,
    or as `profile` does."""
    machine = machine or machine_of(None, config)
    size, calibration = size_of(facts, config), calibration_of(machine.key)
    if profile:
        chosen = profile_named(profile)
        return propose(facts, chosen, config, given, machine, size, calibration=calibration, price=price).plan
    if all(getattr(config, name) is None for name in LENGTHS):
        config = dataclasses.replace(config, budget=budgets.DEFAULT_BUDGET)
    if facts.dial and config.model is None:
        config = dataclasses.replace(config, **budget_settings(config, given, size, machine))
    return predict(facts, config, shape_of(config, size), size, machine, calibration=calibration, price=price)


def why_budget(text: str) -> str:
    return {
        "10m": _("a first try: does it run?"),
        "1h": _("one hour"),
        "8h": _("one night"),
        "24h": _("a day and a night"),
    }[text]


def why_enough(size: Size) -> str:
    megabytes = f"{size.num_bytes / 1e6:.1f} MB"
    return _(
        "the text has only {megabytes}: after five readings it is learned by heart; more time wants more text"
    ).format(megabytes=megabytes)


def why_epochs(number: int) -> str:
    return {
        1: _("one reading: nothing is learned by heart"),
        2: _("two readings: usual for fine-tuning"),
        3: _("three readings: with more it learns answers by heart"),
    }[number]


def why_seq_len(tokens: int) -> str:
    if tokens <= 256:
        return _("short rows take the least memory")
    if tokens <= 512:
        return _("most documents and conversations fit")
    return _("long documents are cut less often; attention costs more")


def why_batch_size(rows: int, wanted_rows: int, fits: bool, share: float) -> str:
    if not fits:
        return _("not even this fits: take a smaller model or shorter rows")
    if rows >= wanted_rows:
        return _("all rows of a step at once")
    return _("the most rows in {share:.0%} of the usable memory").format(share=share)


def why_accumulation(rows: int, times: int) -> str:
    if times == 1:
        return _("nothing to add up")
    return _("{times} passes of {rows} rows make one step: the same as {total} rows at once").format(
        times=times, rows=rows, total=rows * times
    )


def why_checkpoint(used: bool, saved_mb: float) -> str:
    if not used:
        return _("not needed: the activations fit")
    return _("blocks are computed again on the way back: a third slower, {saved_gb:.1f} GB less").format(
        saved_gb=saved_mb / 1024
    )


def why_precision(name: str, machine: Machine, typed: bool) -> str:
    if typed:
        return _("you said so")
    if machine.device == "cpu":
        if name == "bf16":
            return _("measured to be faster on this CPU")
        return _("bf16 is slower on this CPU")
    if name == "bf16":
        return _("the card has it: half the activations, no loss scaling")
    return _("the card has no bf16; fp16 with loss scaling")


def why_model(plan: Plan, free: bool, facts: Planning) -> str:
    """Why this shape: what it wants to read and what it reads."""
    if not free:
        return _("you said so")
    if not facts.dial:
        return _("no --model was given: as if from a model of this shape")
    wants, reads = budgets.wanted(computing(plan.shape)), plan.tokens
    if budgets.READINGS * plan.text_tokens < wants:
        return _(
            "the text is short and read {readings:.0f} times: then a larger model is the better use of the time"
        ).format(readings=plan.readings)
    if reads < wants:
        return _("the smallest there is: the time is short (it wants {wants} tokens, it reads {reads})").format(
            wants=_count(wants), reads=_count(reads)
        )
    return _("the largest that reads enough in the time (it wants {wants} tokens, it reads {reads})").format(
        wants=_count(wants), reads=_count(reads)
    )


def _count(number: float) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.0f}"
