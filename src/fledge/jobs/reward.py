"""A reward model: one number that says how good an answer is, learnt from pairs of a better and a worse one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fledge.jobs.job import Job, Setting
from fledge.lang import N_
from fledge.planning.facts import Planning
from fledge.training.config import Range, TrainConfig

if TYPE_CHECKING:
    from fledge.training.objective import Objective


@dataclass
class RewardConfig(TrainConfig):
    """A reward model from pairs of a better and a worse answer, on the body of a fine-tuned model."""

    centre: float = 0.01
    """Weight of the squared sum of a pair's rewards: it holds their mean near 0. 0 = off."""
    seq_len: int = 512
    """Tokens per row; a pair stands in one row."""
    batch_size: int = 4
    """Rows per forward pass; a row holds as many pairs as fit."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices (0 for embedding, head, norms)."""

    ranges: ClassVar[list[Range]] = [*TrainConfig.ranges, (("centre",), lambda value: value >= 0, N_("0 or more"))]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        "muon": {"lr": 0.004, "embed_lr": 0.02, "head_lr": 0.003, "norm_lr": 0.001},
        "adamw": {"lr": 0.0001},
    }


def objective(setting: Setting) -> Objective:
    import torch
    from torch import Tensor

    from fledge.data.pairs import AnswerBatch
    from fledge.jobs.answers import Answers, pair_measures
    from fledge.jobs.language import model_inputs
    from fledge.model.reward import RewardTransformer
    from fledge.training.objective import Loss
    from fledge.training.preference import reward_loss

    model = RewardTransformer.of(setting.model)

    class Rewards(Answers):
        def judge(self, batch: AnswerBatch, hidden: Callable[..., Tensor], held_out: bool) -> Loss:
            hidden_BTD = hidden(**model_inputs(batch.tokens, model.device))
            rewards_N = model.rewards(hidden_BTD.flatten(0, 1)[batch.ends_N().to(model.device)])
            chosen_P, rejected_P = rewards_N[0::2], rewards_N[1::2]
            data = self.val if held_out else self.train
            assert data is not None and data.margins is not None
            margins_P = torch.from_numpy(data.margins)[batch.answers_N[0::2]].to(model.device)
            losses = reward_loss(chosen_P, rejected_P, margins_P, setting.config.centre)
            return Loss(losses.sum(), batch.count, pair_measures(chosen_P, rejected_P))  # type: ignore[arg-type]

        def landmarks(self) -> dict[str, float]:
            """Before the first step the head is 0 and all rewards are equal."""
            return {"indifferent": math.log(2)}

    setting = dataclasses.replace(setting, model=model)
    return Rewards(setting, "preference", in_pairs=True, cut=False)


JOB = Job(
    name="reward",
    about=N_("a reward model from pairs of answers"),
    config=RewardConfig,
    rows="preference",
    fresh=False,
    planning=Planning(
        job="reward",
        kind="preference",
        seq_len=((512, 512, 1024), (512, 1024, 2048)),
        epochs=(1, 1, 2),
        tables=lambda config: 0,
    ),
    objective=objective,
    next_command="fledge runs show {run}",
    language=False,
    lowest_rate=1e-6,
)
