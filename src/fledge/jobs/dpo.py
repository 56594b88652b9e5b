"""Learning from preferences, without a reward model: DPO, and IPO, SimPO, ORPO and KTO as its variants."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.lang import N_, _
from fledge.planning.facts import Planning
from fledge.training.config import Range, TrainConfig

if TYPE_CHECKING:
    from fledge.data.rows import Kind
    from fledge.training.objective import Objective

# 0.5 is SmolLM2's own, and for the world's pairs far better than the paper's 0.1 (docs/LOG.md): easy pairs are settled after a
# fifth of the way, what is hard gets the rest of the gradient, and the model stays near to what it was.
BETA = {"dpo": 0.5, "ipo": 0.1, "simpo": 2.0, "orpo": 0.1, "kto": 0.1}
OWN = {"label_smoothing": "dpo", "gamma": "simpo", "good_weight": "kto", "bad_weight": "kto"}
"""Setting -> the loss that knows it."""


@dataclass
class DPOConfig(TrainConfig):
    """Learning from pairs of a better and a worse answer, from a fine-tuned model."""

    loss: Literal["dpo", "ipo", "simpo", "orpo", "kto"] = "dpo"
    """dpo; ipo: with a goal for the margin; simpo: by the mean log-probability of a token, without a reference; orpo: fine-tuning
    and preferring at once, without a reference; kto: single answers called good or bad (pairs are read as two)."""
    beta: float | None = None
    """How much a log-probability ratio counts; small: far from the reference. Default: 0.5 for dpo, 2 for simpo, else 0.1."""
    label_smoothing: float = 0.0
    """Share of pairs that are taken to be the wrong way round (dpo)."""
    gamma: float = 1.0
    """By how much the better answer is to be ahead (simpo)."""
    good_weight: float = 1.0
    """Weight of good answers (kto)."""
    bad_weight: float = 1.0
    """Weight of bad answers (kto)."""
    seq_len: int = 512
    """Tokens per row; a pair stands in one row."""
    batch_size: int = 4
    """Rows per forward pass; a row holds as many pairs as fit."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices (0 for embedding, head, norms)."""

    ranges: ClassVar[list[Range]] = [
        *TrainConfig.ranges,
        (("beta",), lambda value: value > 0, N_("above 0")),
        (("label_smoothing",), lambda value: 0 <= value < 0.5, N_("from 0 to below 0.5")),
        (("gamma", "good_weight", "bad_weight"), lambda value: value >= 0, N_("0 or more")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        "muon": {"lr": 0.002, "embed_lr": 0.01, "head_lr": 0.0015, "norm_lr": 0.0005},
        "adamw": {"lr": 0.00003},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta is None:
            self.beta = BETA[self.loss]

    @property
    def kind(self) -> Kind:
        """What its rows are read as."""
        return "judged" if self.loss == "kto" else "preference"

    @property
    def reads_first(self) -> bool:
        """Whether the model reads all rows once before the first step, for the reference log-probabilities."""
        return self.loss in ("dpo", "ipo", "kto")

    def check(self) -> None:
        super().check()
        for field in dataclasses.fields(self):
            loss = OWN.get(field.name, self.loss)
            if loss != self.loss and getattr(self, field.name) != field.default:
                raise UserError(
                    _("{flag} is for {own} and not for {loss}: leave it out.").format(
                        flag=flag(field.name), own=flag("loss", loss), loss=flag("loss", self.loss)
                    )
                )


def objective(setting: Setting) -> Objective:
    from fledge.jobs.preferences import Preferences

    return Preferences(setting)


JOB = Job(
    name="dpo",
    about=N_("learning from preferences (DPO, IPO, SimPO, ORPO, KTO)"),
    config=DPOConfig,
    rows="preference",
    fresh=False,
    planning=Planning(
        job="dpo",
        kind="preference",
        seq_len=((512, 512, 1024), (512, 1024, 2048)),
        epochs=(1, 1, 2),
    ),
    objective=objective,
    next_command="fledge chat {run}",
    language=False,
    lowest_rate=5e-7,
)
