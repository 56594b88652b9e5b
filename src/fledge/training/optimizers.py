"""Which rule updates which parameters, what a rule keeps between steps, and how fast it goes. Nothing here needs torch:
the planner reads it too. The arithmetic is in optim.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["matrices", "embedding", "head", "vectors", "value"]
Choice = Literal["auto", "muon", "adamw"]  # of the setting `optimizer`


@dataclass(frozen=True)
class Rule:
    """`slots`: fp32 tensors of a parameter's shape that stay between steps. Its arithmetic is Optimizer's `_name`."""

    slots: tuple[str, ...]


RULES = {"muon": Rule(("momentum",)), "adamw": Rule(("exp_avg", "exp_avg_sq"))}


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer: the rule of every role, the setting that holds its rate, and rates for new weights of 1–10M parameters
    (docs/LOG.md). A job for weights that are trained already has gentler rates of its own."""

    rules: dict[Role, str]
    settings: dict[Role, str]
    rates: dict[str, float]


# AdamW moves every number by about its rate, Muon a whole matrix: their rates are not the same number.
OPTIMIZERS = {
    "muon": OptimizerSpec(
        rules={"matrices": "muon", "embedding": "adamw", "head": "adamw", "vectors": "adamw", "value": "adamw"},
        settings={
            "matrices": "lr",
            "embedding": "embed_lr",
            "head": "head_lr",
            "vectors": "norm_lr",
            "value": "value_lr",
        },
        rates={"lr": 0.025, "embed_lr": 0.3, "head_lr": 0.01, "norm_lr": 0.004},
    ),
    "adamw": OptimizerSpec(
        rules={"matrices": "adamw", "embedding": "adamw", "head": "adamw", "vectors": "adamw", "value": "adamw"},
        settings={"matrices": "lr", "embedding": "lr", "head": "lr", "vectors": "lr", "value": "value_lr"},
        rates={"lr": 0.003},
    ),
}
WIDTH = 256  # at which the rates of AdamW beside Muon were tuned; they fall as 1/sqrt(width)
DECAYED: tuple[Role, ...] = ("matrices",)  # roles that weight decay pulls towards 0
