"""Distillation: a student learns what its teacher expects of every next token, beside the one that came (Hinton et al., 2015)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fledge.errors import UserError, flag
from fledge.jobs.job import Job, Setting
from fledge.jobs.pretrain import NewShape
from fledge.jobs.sft import SFTConfig
from fledge.lang import N_, _
from fledge.planning.facts import Planning
from fledge.training.config import Range, TrainConfig

if TYPE_CHECKING:
    from fledge.model.transformer import Transformer
    from fledge.training.objective import Objective


@dataclass
class DistillConfig(NewShape):
    """A student learns from a teacher with the same vocabulary, from new weights or from a model's."""

    teacher: str | None = None
    """The model to learn from: a run, or a model folder. It must have the student's vocabulary; its shape is free."""
    divergence: Literal["forward", "reverse", "js"] = "forward"
    """What draws the student to the teacher. forward: cover all that the teacher would say; reverse: say nothing that it would
    not; js: the middle of both (Jensen–Shannon)."""
    temperature: float = 1.5
    """Both distributions are softened by it: above 1, what the teacher thinks unlikely is taught too."""
    alpha: float = 0.5
    """Share of the cross-entropy with the data; the rest is the teacher's."""
    kind: Literal["chat", "text"] = "chat"
    """What the files hold: conversations, of which the answers are learnt, or text."""

    ranges: ClassVar[list[Range]] = [
        *TrainConfig.ranges,
        (("temperature",), lambda value: value > 0, N_("above 0")),
        (("alpha",), lambda value: 0 <= value <= 1, N_("from 0 to 1")),
    ]

    def with_rates(self) -> TrainConfig:
        """Rates of pretraining for new weights; from a trained model those of fine-tuning."""
        if not self.model:
            return super().with_rates()
        rates = SFTConfig.rates[self.optimizer]
        chosen: dict[str, Any] = {name: rate for name, rate in rates.items() if getattr(self, name) is None}
        return dataclasses.replace(self, **chosen)


def tables(config: Any) -> int:
    """Tables of logits in the loss, student's and teacher's with their gradients: measured beside torch's allocations."""
    return {"reverse": 8, "forward": 9, "js": 10}[config.divergence]


def load_teacher(setting: Setting) -> Transformer:
    """The frozen teacher, computing in the student's precision. UserError unless it has the student's vocabulary and context."""
    from fledge.model.folder import load_model
    from fledge.model.source import find_model
    from fledge.tokenizer import Tokenizer

    config, model = setting.config, setting.model
    folder = find_model(config.teacher)
    own, its = setting.tokenizer.vocabulary(), Tokenizer.load(folder).vocabulary()
    if own != its:
        token = next(token for token in (*own, *its) if own.get(token) != its.get(token))
        raise UserError(
            _(
                "the teacher in {folder} has another vocabulary ({its} tokens) than the student ({own}); '{token}', for one, is "
                "not the same in both. Their predictions cannot be compared: fine-tune on answers that the teacher writes."
            ).format(folder=folder, its=len(its), own=len(own), token=token)
        )
    teacher = load_model(folder).to(model.device).requires_grad_(False).eval()
    teacher.compute_dtype = model.compute_dtype
    if config.seq_len > (longest := teacher.config.max_position_embeddings):
        raise UserError(
            _("{flag} is longer than the teacher's context of {longest} tokens: make it shorter.").format(
                flag=flag("seq_len", config.seq_len), longest=longest
            )
        )
    return teacher


def objective(setting: Setting) -> Objective:
    """The rows of pretraining or fine-tuning, and of every position that they teach the loss against the teacher."""
    import torch
    from torch import Tensor

    from fledge.jobs.data import datasets, packed, sampler
    from fledge.jobs.language import LanguageModeling, model_inputs
    from fledge.training.divergence import Recipe, distillation_loss
    from fledge.training.losses import linear_cross_entropy
    from fledge.training.objective import Loss

    config, teacher = setting.config, load_teacher(setting)
    recipe = Recipe(config.divergence, config.temperature, config.alpha)

    class Distillation(LanguageModeling):
        def apart(self, batch: Any, hidden_BTD: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor, Tensor]:
            """What `distillation_loss` says of the student's hidden states and the teacher's on the same rows."""
            with torch.no_grad():
                teacher_BTE = teacher.hidden(**model_inputs(batch, teacher.device))
            own, its = self.model.lm_head.weight, teacher.lm_head.weight
            return distillation_loss(hidden_BTD, own, teacher_BTE, its, batch.targets_BT, recipe, self.model.parts)

        def loss(self, batch: Any) -> Loss:
            """alpha · cross-entropy + (1 - alpha) · T² · divergence from the teacher, summed over the batch's targets."""
            hidden_BTD, balance, metrics = self.read(batch)
            total, entropy, divergence = self.apart(batch, hidden_BTD, recipe)
            metrics |= {"cross_entropy": (entropy, batch.count), "divergence": (divergence, batch.count)}
            return Loss(total + balance, batch.count, metrics)

        @torch.no_grad()
        def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
            """Those of a language model, and val_kl: KL(teacher ‖ student) in nats a token, at temperature 1."""
            kl, count = 0.0, 0
            for batch in self.held_out(max_tokens, splits):
                hidden_BTD = self.model.hidden(**model_inputs(batch, self.model.device))
                kl += float(self.apart(batch, hidden_BTD, Recipe())[2])
                count += batch.count
            return super().validate(max_tokens, splits) | ({"val_kl": kl / count} if count else {})

        @torch.no_grad()
        def landmarks(self) -> dict[str, Any]:
            """Those of a language model, and teacher: its own loss on the validation rows, in nats a token."""
            nats, count = 0.0, 0
            for batch in self.held_out(config.val_tokens):
                hidden_BTE = teacher.hidden(**model_inputs(batch, teacher.device))
                nats += float(linear_cross_entropy(hidden_BTE, teacher.lm_head.weight, batch.targets_BT))
                count += batch.count
            return super().landmarks() | ({"teacher": nats / count} if count else {})

    train, val = datasets(setting, config.kind)
    return Distillation(
        setting.model,
        packed(setting, train, crop=config.kind == "text", epochs=config.epochs),
        val,
        sampler=sampler(setting, val, config.kind),
        landmarks=setting.material.landmarks if setting.material else {},
        hidden=setting.hidden,
    )


JOB = Job(
    name="distill",
    about=N_("a student learns from a larger model"),
    config=DistillConfig,
    rows="chat",
    fresh=True,
    planning=Planning(
        job="distill",
        kind="chat",
        seq_len=((256, 256, 512), (256, 512, 1024)),
        epochs=(1, 2, 3),
        beside="teacher",
        tables=tables,
    ),
    objective=objective,
    next_command="fledge chat {run}",
    language=False,
    lowest_rate=1e-5,
)
