"""LoRA: fine-tuning on conversations of a low-rank update beside a frozen model. Kept is the update alone, in PEFT's form."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from fledge.jobs import sft
from fledge.jobs.job import Setting
from fledge.lang import N_
from fledge.planning.memory import Adapter
from fledge.training.config import Range
from fledge.training.optimizers import Choice

if TYPE_CHECKING:
    from pathlib import Path

    from fledge.jobs.language import LanguageModeling
    from fledge.model.transformer import Transformer

NAME = "default"  # of the adapter while it is trained, as in PEFT


@dataclass
class LoraConfig(sft.SFTConfig):
    """Fine-tuning on conversations of a low-rank adapter, from a trained model that stays as it is."""

    rank: int = 16
    """Rank of the update: its parameters and what it can express grow with it."""
    alpha: float = 32.0
    """The update counts alpha / rank times; with rslora alpha / √rank times."""
    dropout: float = 0.0
    """Dropout on the way into the adapter; the frozen layer gets everything."""
    targets: list[str] = field(default_factory=list)
    """Layers that get an adapter, by PEFT's names: q_proj v_proj …. Default: all linear layers of the blocks."""
    rslora: bool = False
    """Divide alpha by √rank, so that large ranks learn as fast as small ones (rsLoRA)."""
    dora: bool = False
    """Also train the lengths of the weights' rows (DoRA): a little better, slower."""
    optimizer: Choice = "adamw"
    """adamw: AdamW at rate `lr`; muon: Muon for the two matrices of every update; auto: as in full fine-tuning."""

    ranges: ClassVar[list[Range]] = [
        *sft.SFTConfig.ranges,
        (("rank",), lambda value: value >= 1, N_("at least 1")),
        (("alpha",), lambda value: value > 0, N_("above 0")),
        (("dropout",), lambda value: 0 <= value < 1, N_("from 0 to below 1")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = sft.SFTConfig.rates | {"adamw": {"lr": 0.002}}


def objective(setting: Setting) -> LanguageModeling:
    """Fine-tuning as it is, of what the adapter leaves to train."""
    adapt(setting, quantization="")
    return sft.objective(setting)


def adapt(setting: Setting, quantization: str) -> None:
    """Put the adapter on the model. What is frozen is kept in the precision of the products, which round it anyway."""
    from fledge.adapt.format import LINEAR, AdapterConfig, with_base
    from fledge.adapt.lora import add_adapter
    from fledge.adapt.quantised import keep_frozen_in, quantise_blocks

    config, model = setting.config, setting.model
    assert setting.base is not None  # this job never begins with new weights
    adapter = AdapterConfig(
        config.rank, config.alpha, config.dropout, tuple(config.targets) or LINEAR, config.rslora, config.dora,
        base_quantization=quantization,
    )  # fmt: skip
    if quantization:
        quantise_blocks(model)
    add_adapter(model, NAME, with_base(adapter, setting.base, config.model), config.seed)
    keep_frozen_in(model, model.compute_dtype)


def save(model: Transformer, folder: Path) -> None:
    """The adapter alone; its files name the base, so that the folder works like a model's."""
    from fledge.adapt.lora import save_adapter

    save_adapter(model, NAME, folder)


def planned(config: Any, bits: float | None = None) -> Adapter:
    """For the planner."""
    from fledge.adapt.format import LINEAR

    return Adapter(config.rank, tuple(config.targets) or LINEAR, config.dropout > 0, config.dora, bits)


JOB = dataclasses.replace(
    sft.JOB,
    name="lora",
    about=N_("fine-tuning of a small adapter beside a frozen model (LoRA, DoRA)"),
    config=LoraConfig,
    planning=dataclasses.replace(sft.JOB.planning, job="lora", adapter=planned),
    objective=objective,
    save=save,
    lowest_rate=1e-4,
)
