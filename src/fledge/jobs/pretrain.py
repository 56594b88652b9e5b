"""Pretraining: predict the next token of text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.lang import N_, _
from fledge.planning.facts import Planning
from fledge.training.config import TrainConfig

if TYPE_CHECKING:
    from fledge.jobs.language import LanguageModeling


@dataclass
class NewShape(TrainConfig):
    """A job that may begin with new weights."""

    preset: str | None = None
    """Shape of a new model, e.g. cpu-2m. Default: what `budget` asks for."""
    set: dict[str, Any] = field(default_factory=dict)
    """Changes to the shape of a new model by HF field name, e.g. num_hidden_layers=6."""

    def check(self) -> None:
        super().check()
        if self.model and (self.preset or self.set):
            raise UserError(
                _(
                    "{flag} and {flag2} shape a new model, and {flag3} names one that has its shape: give one of the two."
                ).format(flag=flag("preset"), flag2=flag("set"), flag3=flag("model"))
            )


@dataclass
class PretrainConfig(NewShape):
    """Pretraining on text, from new weights or from a model's."""

    vocab_size: int | None = None
    """Vocabulary of a tokenizer trained for this run. Default: chosen for the size of the data."""

    def check(self) -> None:
        super().check()
        if self.vocab_size and (self.model or self.tokenizer) and not self.resume:
            whose, own = flag("model" if self.model else "tokenizer"), flag("vocab_size")
            raise UserError(
                _("{own} is for a new tokenizer, and {whose} brings its own: leave {own} out.").format(
                    own=own, whose=whose
                )
            )


def objective(setting: Setting) -> LanguageModeling:
    from fledge.jobs.data import datasets, packed, sampler
    from fledge.jobs.language import LanguageModeling

    train, val = datasets(setting, "text")
    begin = {} if setting.base else {"begin": setting.model.config.initial_loss()}
    return LanguageModeling(
        setting.model,
        packed(setting, train, crop=True, epochs=setting.config.epochs),
        val,
        sampler=sampler(setting, val, "text"),
        landmarks=(setting.material.landmarks if setting.material else {}) | begin,
        hidden=setting.hidden,
    )


JOB = Job(
    name="pretrain",
    about=N_("next-token prediction on text"),
    config=PretrainConfig,
    rows="text",
    fresh=True,
    planning=Planning(
        job="pretrain",
        kind="text",
        seq_len=((256, 256, 256), (256, 512, 1024)),
        budget=(("10m", "1h", "8h"), ("1h", "8h", "24h")),
        dial=True,
    ),
    objective=objective,
    next_command='fledge generate {run} "…"',
    lowest_rate=5e-4,
)
