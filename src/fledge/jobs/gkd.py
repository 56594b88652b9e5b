"""On-policy distillation: the student answers, and of every token that it wrote it learns what its teacher expected there.

Fine-tuned on a teacher's texts, a student is never taught what to do after a mistake of its own; here it is (GKD; Agarwal et al.,
2023, arXiv:2306.13649, with all the answers its own). The gradient goes through the divergence and not through the sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fledge.jobs.distill import tables
from fledge.jobs.job import Job, Setting
from fledge.jobs.own_answers import AnswersConfig
from fledge.lang import N_
from fledge.planning.facts import Planning

if TYPE_CHECKING:
    from fledge.rollout.batch import RolloutBatch
    from fledge.training.objective import Loss, Objective


@dataclass
class GKDConfig(AnswersConfig):
    """A student, which is a trained model, learns from a teacher with the same vocabulary on its own answers."""

    teacher: str | None = None
    """The model to learn from: a run, or a model folder. It must have the student's vocabulary; its shape is free."""
    divergence: Literal["reverse", "js", "forward"] = "reverse"
    """What draws the student to the teacher. reverse: say nothing that it would not; forward: cover all that it would say; js: the
    middle of both (Jensen–Shannon)."""
    group_size: int = 1
    """Answers to every prompt."""


def objective(setting: Setting) -> Objective:
    """The student's answers, and at every token of them its divergence from the teacher."""
    import torch

    from fledge.jobs.distill import load_teacher
    from fledge.jobs.own_answers import OwnAnswers, lengths, transcript
    from fledge.rollout.batch import Sample, pack
    from fledge.training.divergence import Divergence, Recipe, distillation_loss
    from fledge.training.objective import Loss

    config, teacher = setting.config, load_teacher(setting)

    class GKD(OwnAnswers):
        def judge(self, prompts, episodes, chunks):
            return {}

        def apart(self, batch: RolloutBatch, kind: Divergence) -> torch.Tensor:
            """Divergence from the teacher in nats, summed over the tokens that the student wrote."""
            with torch.no_grad():
                teacher_BTE = self.hidden_of(teacher, batch)
            hidden_BTD, own, its = self.hidden_of(self.model, batch), self.model.lm_head.weight, teacher.lm_head.weight
            total, _, _ = distillation_loss(
                hidden_BTD, own, teacher_BTE, its, batch.targets_BT, Recipe(kind), self.model.parts
            )
            return total

        def loss(self, batch: RolloutBatch) -> Loss:
            return Loss(self.apart(batch, config.divergence), batch.count, batch.metrics)

        @torch.no_grad()
        def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
            """val_loss, and val_kl: KL(student ‖ teacher); nats a token of answers to held-out prompts."""
            episodes = self.answered(max_tokens, config.temperature)
            samples = [Sample.of(episode) for episode in episodes]
            totals: dict[Divergence, float] = dict.fromkeys((config.divergence, "reverse"), 0.0)
            for at in range(0, len(samples), config.batch_size):
                part = samples[at : at + config.batch_size]
                batch = pack(part, self.tokenizer.endoftext_id, self.count(part), config.seq_len)
                for kind in totals:
                    totals[kind] += float(self.apart(batch, kind))
            nats = {kind: total / self.count(samples) for kind, total in totals.items()}
            self.transcript = [transcript(episodes[0], f"KL {nats['reverse']:.2f}")]
            figures = {f"val_{name}": float(total / n) for name, (total, n) in lengths(episodes).items()}
            return {"val_loss": nats[config.divergence], "val_kl": nats["reverse"]} | figures

    return GKD(setting)


JOB = Job(
    name="gkd",
    about=N_("a student learns from a larger model on its own answers (on-policy distillation, GKD)"),
    config=GKDConfig,
    rows="task",
    fresh=False,
    planning=Planning(
        job="gkd",
        kind="task",
        seq_len=((256, 256, 256), (256, 512, 1024)),
        epochs=(1, 2, 3),
        beside="teacher",
        tables=tables,
        answers=True,
    ),
    objective=objective,
    next_command="fledge chat {run}",
    language=False,
    lowest_rate=1e-6,
)
