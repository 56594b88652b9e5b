"""MiniMind's own maths as a job, to compare with it: rows padded and in its order, the mean of the batches' means, its AdamW (decay
on everything) and its cosine. Slower than `pretrain`, and no better."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.jobs.pretrain import JOB as PRETRAIN
from fledge.jobs.pretrain import PretrainConfig
from fledge.lang import Text, say
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
                say(
                    f"minimind_pretrain 按步数训练：把 {flag('budget')} 换成 {flag('epochs')} 或 {flag('steps')}。",
                    f"minimind_pretrain goes by steps: give {flag('epochs')} or {flag('steps')} instead of {flag('budget')}.",
                )
            )


def objective(setting: Setting) -> ParityObjective:
    from fledge.interop.minimind.padded import build

    return build(setting)


JOB = Job(
    name="minimind_pretrain",
    about=Text("用 MiniMind 自己的算法预训练（对照用）", "pretraining with MiniMind's own maths, to compare with it"),
    config=ParityConfig,
    rows="text",
    fresh=True,
    planning=dataclasses.replace(PRETRAIN.planning, job="minimind_pretrain", dial=False, budget=None, epochs=(1, 2, 3)),
    objective=objective,
    next_command=PRETRAIN.next_command,
    lowest_rate=PRETRAIN.lowest_rate,
)
