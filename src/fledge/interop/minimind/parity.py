"""MiniMind's own maths as a job, to compare with it: rows padded and in its order, the mean of the batches' means, its AdamW (decay
on everything) and its cosine. Slower than `pretrain`, and no better."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.jobs.pretrain import JOB as PRETRAIN
from fledge.jobs.pretrain import PretrainConfig
from fledge.lang import N_, _
from fledge.training.optimizers import Role

if TYPE_CHECKING:
    from fledge.interop.minimind.padded import ParityObjective

ADAMW: dict[str, Any] = {
    "optimizer": "adamw", "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.01, "schedule": "minimind", "warmup": 0.0,
}  # fmt: skip
"""MiniMind's optimizer and curve as settings of any job."""


@dataclasses.dataclass
class ParityConfig(PretrainConfig):
    """MiniMind's pretraining with its maths."""

    optimizer: Literal["auto", "muon", "adamw"] = "adamw"
    """torch's AdamW as MiniMind calls it, with decay on everything."""
    beta2: float = 0.999
    """AdamW second-moment decay."""
    weight_decay: float = 0.01
    """Decoupled weight decay, of everything."""
    schedule: Literal["linear", "cosine", "wsd", "constant", "minimind"] = "minimind"
    """A cosine down to a tenth."""
    warmup: float = 0.0
    """MiniMind has none."""

    decayed: ClassVar[tuple[Role, ...]] = ("matrices", "embedding", "head", "vectors")

    def check(self) -> None:
        super().check()
        if self.budget:
            raise UserError(
                _("minimind_pretrain goes by steps: give {flag} or {flag2} instead of {flag3}.").format(
                    flag=flag("epochs"), flag2=flag("steps"), flag3=flag("budget")
                )
            )


def objective(setting: Setting) -> ParityObjective:
    from fledge.interop.minimind.padded import build

    return build(setting)


JOB = Job(
    name="minimind_pretrain",
    about=N_("pretraining with MiniMind's own maths, to compare with it"),
    config=ParityConfig,
    rows="text",
    fresh=True,
    planning=dataclasses.replace(PRETRAIN.planning, job="minimind_pretrain", dial=False, budget=None, epochs=(1, 2, 3)),
    objective=objective,
    next_command=PRETRAIN.next_command,
    lowest_rate=PRETRAIN.lowest_rate,
)
