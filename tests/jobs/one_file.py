"""A third job, whole in this one file: predict the token before, by an objective of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fledge.jobs.job import Job, Setting
from fledge.lang import Text
from fledge.planning.facts import Planning
from fledge.training.config import Range, TrainConfig


@dataclass
class EchoConfig(TrainConfig):
    """Say again what was read."""

    sharpness: float = 1.0
    """What the logits are multiplied by."""

    ranges: ClassVar[list[Range]] = [
        *TrainConfig.ranges,
        (("sharpness",), lambda value: value > 0, Text("大于 0", "above 0")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        "muon": {"lr": 0.01, "embed_lr": 0.1, "head_lr": 0.01, "norm_lr": 0.002},
        "adamw": {"lr": 0.001},
    }


def objective(setting: Setting) -> Any:
    from fledge.jobs.data import datasets, packed
    from fledge.jobs.language import LanguageModeling
    from fledge.training.objective import Loss

    class Echo(LanguageModeling):
        def loss(self, batch: Any) -> Loss:
            logits = self.model(batch.inputs_BT).flatten(0, 1) * setting.config.sharpness
            again = batch.inputs_BT.flatten()
            right = (logits.argmax(-1) == again).sum()
            total = self.model.parts.cross_entropy(logits, again)
            return Loss(total, batch.num_tokens, {"right": (right, batch.num_tokens)})

    train, val = datasets(setting, "text")
    return Echo(setting.model, packed(setting, train, crop=True, epochs=setting.config.epochs), val)


JOB = Job(
    name="echo",
    about=Text("重复读到的词元", "say again what was read"),
    config=EchoConfig,
    rows="text",
    fresh=False,
    planning=Planning(job="echo", kind="text", seq_len=((64, 64, 64), (64, 64, 64)), epochs=(1, 2, 3)),
    objective=objective,
    next_command="fledge generate {run} …",
    language=False,
)
