"""Fine-tuning on rows that think first: `<think>…</think>` and then the answer. The tags weigh more than other tokens, because
there are few of them and a model that misses one thinks aloud, or never ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fledge.errors import UserError, flag
from fledge.jobs import sft
from fledge.jobs.job import Job, Setting
from fledge.lang import N_, _
from fledge.planning.facts import Planning
from fledge.training.config import Range

if TYPE_CHECKING:
    from fledge.jobs.language import LanguageModeling

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass
class ReasonConfig(sft.SFTConfig):
    """Fine-tuning on conversations whose answers begin with thoughts, from a trained model."""

    tag_weight: float = 10.0
    """What the loss of a tag (<think>, </think>, <answer>, </answer>) is multiplied by, where it is a token of its own."""

    ranges: ClassVar[list[Range]] = [
        *sft.SFTConfig.ranges,
        (("tag_weight",), lambda value: value > 0, N_("above 0")),
    ]


def objective(setting: Setting) -> LanguageModeling:
    """Fine-tuning as it is, with heavier tags."""
    import torch

    from fledge.data.batches import IGNORE
    from fledge.jobs.language import LanguageModeling
    from fledge.training.losses import linear_cross_entropy
    from fledge.training.objective import Loss

    vocabulary = setting.tokenizer.vocabulary()
    tags = torch.tensor([vocabulary[tag] for tag in TAGS if tag in vocabulary])
    if not len(tags) and setting.config.tag_weight != 1:
        raise UserError(
            _("this model's tokenizer has no token for <think>: give {flag}, and all tokens weigh the same.").format(
                flag=flag("tag_weight", 1)
            )
        )

    class Reasoning(LanguageModeling):
        def loss(self, batch: Any) -> Loss:
            """Sum of -log p over the batch's targets, that of a tag times `tag_weight`; the tags' own mean as a metric."""
            hidden_BTD, balance, metrics = self.read(batch)
            head, parts = self.model.lm_head.weight, self.model.parts
            targets_BT = batch.targets_BT
            tags_BT = torch.where(torch.isin(targets_BT, tags.to(targets_BT.device)), targets_BT, IGNORE)
            total = linear_cross_entropy(hidden_BTD, head, targets_BT, parts)
            of_tags = linear_cross_entropy(hidden_BTD, head, tags_BT, parts)
            metrics["tags"] = of_tags.detach(), int((tags_BT != IGNORE).sum())
            weighted = total + (setting.config.tag_weight - 1) * of_tags
            return Loss(weighted + balance, batch.count, metrics)

    return sft.objective(setting, Reasoning)


JOB = Job(
    name="reason",
    about=N_("fine-tuning on answers that think first"),
    config=ReasonConfig,
    rows="chat",
    fresh=False,
    planning=Planning(job="reason", kind="chat", seq_len=((256, 256, 512), (512, 1024, 1024)), epochs=(1, 2, 3)),
    objective=objective,
    next_command="fledge chat {run} --thinking",
    language=False,
    lowest_rate=1e-5,
)
