"""QLoRA: LoRA beside a model whose frozen layers are kept in four bits (Dettmers et al., 2023, arXiv:2305.14314)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fledge.jobs import lora, sft
from fledge.jobs.job import Setting
from fledge.lang import N_
from fledge.planning.memory import Adapter

if TYPE_CHECKING:
    from fledge.jobs.language import LanguageModeling


@dataclass
class QLoraConfig(lora.LoraConfig):
    """Fine-tuning on conversations of a low-rank adapter beside a model in four bits: the least memory, about half as fast."""


def objective(setting: Setting) -> LanguageModeling:
    """LoRA's, with the blocks in NF4."""
    lora.adapt(setting, quantization="nf4")
    return sft.objective(setting)


def planned(config: Any) -> Adapter:
    """For the planner: 4.13 bits a weight of the blocks."""
    return lora.planned(config, bits=4 + 8 / 64 + 32 / (64 * 256))


JOB = dataclasses.replace(
    lora.JOB,
    name="qlora",
    about=N_("LoRA beside a model in four bits (QLoRA)"),
    config=QLoraConfig,
    objective=objective,
    planning=dataclasses.replace(lora.JOB.planning, job="qlora", adapter=planned),
)
