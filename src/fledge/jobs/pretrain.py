"""Pretraining: predict the next token of text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.lang import N_, _
from fledge.planning.facts import Planning
from fledge.training.config import TrainConfig

if TYPE_CHECKING:
    from fledge.data.dataset import Dataset
    from fledge.jobs.language import LanguageModeling
    from fledge.model.transformer import Transformer


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


# What has begun well is moved less: after 0.6M tokens 2.077 bits per byte with the usual rates, 2.052 with an embedding rate of
# 0.1, 2.038 with 0.03; after 1.8M 1.899 with these and 1.908 with 0.03 and 0.003 (docs/LOG.md).
COUNTED_RATES = {"embed_lr": 0.1, "head_lr": 0.005}


@dataclass
class PretrainConfig(NewShape):
    """Pretraining on text, from new weights or from a model's."""

    vocab_size: int | None = None
    """Vocabulary of a tokenizer trained for this run. Default: chosen for the size of the data."""
    begin: Literal["random", "counted"] = "random"
    """Embedding and head of new weights. counted: they are fitted to how often each token follows each in the text, before the
    first step; `--budget` chooses it for a model with an untied head."""

    def with_rates(self) -> PretrainConfig:
        rates = COUNTED_RATES if self.begin == "counted" and self.optimizer == "muon" else {}
        left: dict[str, Any] = {name: rate for name, rate in rates.items() if getattr(self, name) is None}
        return super(PretrainConfig, replace(self, **left)).with_rates()  # type: ignore[return-value]

    def check(self) -> None:
        super().check()
        if self.begin == "counted" and self.model:
            raise UserError(
                _("{own} is for new weights, and {whose} brings its own: leave {own} out.").format(
                    own=flag("begin"), whose=flag("model")
                )
            )
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
    if setting.config.begin == "counted" and not setting.config.resume:  # one that goes on has its weights already
        begin["counted"] = count_pairs(setting.model, train)
    return LanguageModeling(
        setting.model,
        packed(setting, train, crop=True, epochs=setting.config.epochs),
        val,
        sampler=sampler(setting, val, "text"),
        landmarks=(setting.material.landmarks if setting.material else {}) | begin,
        hidden=setting.hidden,
    )


def count_pairs(model: Transformer, train: Dataset) -> float:
    """Begin with a table of pairs; its loss, nats a token."""
    from fledge.training.counted import begin_counted

    if model.config.tie_word_embeddings:
        raise UserError(
            _("{own} needs a head of its own, and this model's head is its embedding: leave {own} out.").format(
                own=flag("begin", "counted")
            )
        )
    loss = begin_counted(model, train)
    print(_("counted which token follows which: embedding and head begin at {loss:.2f} nats a token").format(loss=loss))
    return loss


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
