"""What preference learning and reward modelling share: judged answers in packed rows, and measures of held-out ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fledge.data import Dataset
from fledge.data.pairs import AnswerBatch, AnswerBatches
from fledge.data.rows import Kind
from fledge.jobs.data import datasets
from fledge.jobs.job import Setting
from fledge.model.transformer import Transformer
from fledge.training.config import TrainConfig
from fledge.training.length import Length, length_of
from fledge.training.objective import Loss


class Answers:
    """An objective over judged answers. A job says what a batch's loss is (`judge`).

    Attributes:
        rows, val_rows: batches to train on, and held-out ones (None when there are none).
    """

    model: Transformer

    def __init__(self, setting: Setting, kind: Kind, **settings: Any) -> None:
        config = setting.config
        self.model = setting.model
        self.hidden: Callable[..., Tensor] = setting.hidden or self.model.hidden
        train, val = datasets(setting, kind)

        def rows_of(dataset: Dataset, epochs: float | None) -> AnswerBatches:
            return AnswerBatches(
                dataset,
                seq_len=config.seq_len,
                batch_size=config.batch_size,
                pad_id=setting.tokenizer.endoftext_id,
                seed=config.seed,
                epochs=epochs,
                sft_targets=self.model.parts.sft_targets,
                **settings,
            )

        self.batches = self.rows = rows_of(train, config.epochs)
        self.val_rows = None if val is None else rows_of(val, None)
        self.train, self.val = train, val

    def judge(self, batch: AnswerBatch, hidden: Callable[..., Tensor], held_out: bool) -> Loss:
        """The loss of a batch, through `hidden`, and its measures; `held_out` says which data it is of."""
        raise NotImplementedError

    def loss(self, batch: AnswerBatch) -> Loss:
        return self.judge(batch, self.hidden, held_out=False)

    def length(self, config: TrainConfig) -> Length:
        return length_of(config, self.rows.rows_per_epoch)

    @torch.no_grad()
    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        """val_loss and every measure of the loss, over held-out answers: all, or the same drawn part of about `max_tokens`."""
        if self.val_rows is None:
            return {}
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        read = 0
        for batch in self.val_rows.in_order(max(1, self.rows.batch_size // splits)):
            loss = self.judge(batch, self.model.hidden, held_out=True)
            for name, (value, count) in (loss.metrics | {"loss": (loss.sum, loss.count)}).items():
                sums[name][0] += float(value)
                sums[name][1] += count
            read += batch.num_tokens
            if max_tokens is not None and read >= max_tokens:
                break
        first = {"val_loss": sums.pop("loss")}
        return {name: value / count for name, (value, count) in (first | _named(sums)).items() if count}

    def sample(self) -> list[dict[str, str]]:
        return []

    def landmarks(self) -> dict[str, float]:
        return {}

    def describe(self) -> dict[str, Any]:
        return {
            "train": self.train.describe(),
            "val": self.val.describe() if self.val else None,
            "batches": self.batches.report(),
        }


def _named(sums: dict[str, list[float]]) -> dict[str, list[float]]:
    return {f"val_{name}": pair for name, pair in sums.items()}


def pair_measures(chosen_P: Tensor, rejected_P: Tensor) -> dict[str, tuple[Tensor, float]]:
    """Of the rewards of pairs: how often the chosen one has the greater (equal ones count half), by how much, and both."""
    margin, count = (chosen_P - rejected_P).detach(), len(chosen_P)
    return {
        "accuracy": ((margin > 0).sum() + 0.5 * (margin == 0).sum(), count),
        "margin": (margin.sum(), count),
        "chosen_reward": (chosen_P.detach().sum(), count),
        "rejected_reward": (rejected_P.detach().sum(), count),
    }
