"""SFT, supervised fine-tuning: predict the answers of conversations, and nothing else of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from fledge.jobs.job import Job, Setting
from fledge.lang import N_
from fledge.planning.facts import Planning
from fledge.training.config import Range, TrainConfig

if TYPE_CHECKING:
    from fledge.jobs.language import LanguageModeling


@dataclass
class SFTConfig(TrainConfig):
    """Fine-tuning on conversations, from a trained model."""

    replay: list[str] = field(default_factory=list)
    """Text files mixed into fine-tuning, so that what pretraining taught is not forgotten."""
    replay_share: float = 0.25
    """Share of the batches that come from `replay`."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices (0 for embedding, head, norms)."""

    ranges: ClassVar[list[Range]] = [
        *TrainConfig.ranges,
        (("replay_share",), lambda value: 0 < value < 1, N_("between 0 and 1")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        "muon": {"lr": 0.008, "embed_lr": 0.04, "head_lr": 0.006, "norm_lr": 0.002},
        "adamw": {"lr": 0.0003},
    }


def objective(setting: Setting, kind: type[LanguageModeling] | None = None) -> LanguageModeling:
    """Packed conversations, and what is replayed; `kind` may have another loss."""
    from fledge.data import prepare, prepare_rows
    from fledge.jobs.data import datasets, packed, sampler
    from fledge.jobs.language import LanguageModeling

    config, material = setting.config, setting.material
    train, val = datasets(setting, "chat")
    texts = None
    if material is not None and material.replay is not None:
        texts = prepare_rows(material.replay, setting.tokenizer, kind="text", name="replay")
    elif config.replay:
        texts = prepare(config.replay, setting.tokenizer, kind="text")
    return (kind or LanguageModeling)(
        setting.model,
        packed(setting, train, crop=False, epochs=config.epochs),
        val,
        replay=None if texts is None else packed(setting, texts, crop=True),
        replay_share=0.0 if texts is None else config.replay_share,
        sampler=sampler(setting, val, "chat"),
        landmarks=material.landmarks if material else {},
        hidden=setting.hidden,
    )


JOB = Job(
    name="sft",
    about=N_("fine-tuning on conversations"),
    config=SFTConfig,
    rows="chat",
    fresh=False,
    planning=Planning(
        job="sft",
        kind="chat",
        seq_len=((256, 256, 512), (256, 512, 1024)),
        epochs=(1, 2, 3),
    ),
    objective=objective,
    next_command="fledge chat {run}",
    lowest_rate=1e-5,
)
