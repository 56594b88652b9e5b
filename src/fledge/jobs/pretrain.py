"""Pretraining: predict the next token of text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.lang import Text, say
from fledge.planning.facts import Planning
from fledge.training.config import TrainConfig

if TYPE_CHECKING:
    from fledge.jobs.language import LanguageModeling


@dataclass
class PretrainConfig(TrainConfig):
    """Pretraining on text, from new weights or from a model's."""

    preset: str | None = None
    """Shape of a new model, e.g. cpu-2m. Default: what `budget` asks for."""
    vocab_size: int | None = None
    """Vocabulary of a tokenizer trained for this run. Default: chosen for the size of the data."""
    set: dict[str, Any] = field(default_factory=dict)
    """Changes to the shape of a new model by HF field name, e.g. num_hidden_layers=6."""

    def check(self) -> None:
        super().check()
        if self.vocab_size and (self.model or self.tokenizer) and not self.resume:
            whose, own = flag("model" if self.model else "tokenizer"), flag("vocab_size")
            raise UserError(
                say(
                    f"{own} 是给新分词器用的，而 {whose} 已带着自己的分词器：去掉 {own}。",
                    f"{own} is for a new tokenizer, and {whose} brings its own: leave {own} out.",
                )
            )
        if self.model and (self.preset or self.set):
            raise UserError(
                say(
                    f"{flag('preset')} 和 {flag('set')} 决定新模型的形状，而 {flag('model')} 给出的模型已有自己的形状："
                    "两者只能选一种。",
                    f"{flag('preset')} and {flag('set')} shape a new model, and {flag('model')} names one that has its shape: "
                    "give one of the two.",
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
    about=Text("在文本上预训练（预测下一个词元）", "next-token prediction on text"),
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
