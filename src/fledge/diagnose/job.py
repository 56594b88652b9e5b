"""What a job tells the diagnosis about itself; nothing else here knows one job from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class JobFacts:
    """language: its loss is -log p of the next token. prompts: its rows have parts that are no targets (questions).
    usual_rates: optimizer -> setting -> (lowest, highest) rate that suits some model; none is blamed from one to the other."""

    language: bool = False
    prompts: bool = False
    usual_rates: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)


def job_facts(job: str) -> JobFacts:
    """The facts of a job by its name; of one that trains nothing (data, world) there is nothing to know."""
    from fledge.training.config import ADAMW_RATES, JOB_DEFAULTS, TrainConfig

    if job not in JOB_DEFAULTS:
        return JobFacts()
    names = ("lr", "embed_lr", "head_lr", "norm_lr")
    muon = {name: JOB_DEFAULTS[job].get(name, getattr(TrainConfig, name)) for name in names}
    # AdamW's rate falls with the width: ours is for 1M parameters, MiniMind's scripts have 5e-4 and 1e-5 for 26M to 100M.
    lowest = {"pretrain": 5e-4, "sft": 1e-5}[job]
    return JobFacts(
        language=True,
        prompts=job == "sft",
        usual_rates={
            "muon": {name: (rate, rate) for name, rate in muon.items()},
            "adamw": {"lr": (lowest, ADAMW_RATES[job])},
        },
    )
