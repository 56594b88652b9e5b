"""Rows and loss as MiniMind makes them.

A row is <|im_start|> text <|im_end|> (its bos and eos), never longer than `seq_len`: the tail of a long text is lost. The
order of epoch e is torch.randperm with seed 42 + e, and the last batch of an epoch may have fewer rows.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import torch

from fledge.data import Dataset, TokenBatch, prepare, prepare_rows
from fledge.data.batches import IGNORE, same_place
from fledge.jobs.job import Setting
from fledge.jobs.language import LanguageModeling
from fledge.training.objective import Loss

if TYPE_CHECKING:
    from fledge.training.config import TrainConfig
    from fledge.training.length import Length
    from fledge.training.loop import Fit

SEED = 42  # fixed in MiniMind's trainers


@dataclasses.dataclass
class PaddedBatch(TokenBatch):
    """A batch whose loss is a mean, and counts as one of the `accumulation_steps` batches of a step.

    `targets` and `rows` are those of the whole batch, also in a part of it; `weight`: what its mean weighs in the gradient, less
    than 1 in a step that an epoch ends early, because MiniMind divides by the batches that it asked for.
    """

    targets: int = 0
    rows: int = 0
    weight: float = 1.0

    def split(self, parts: int) -> list[TokenBatch]:
        """Every part's loss is its share of the whole batch's mean."""
        pieces = super().split(parts)
        own = {"targets": self.targets, "rows": self.rows, "weight": self.weight}
        return [
            PaddedBatch(**{f.name: getattr(p, f.name) for f in dataclasses.fields(TokenBatch)} | own) for p in pieces
        ]


class PaddedBatches:
    """An endless iterator of `PaddedBatch` over texts.

    Attributes:
        drawn: batches so far; batches_per_epoch: the last, smaller one counts.
    """

    ahead = True

    def __init__(
        self,
        dataset: Dataset,
        *,
        seq_len: int,
        batch_size: int,
        accumulation_steps: int = 1,
        pad_id: int,
        bos_id: int,
        eos_id: int,
    ) -> None:
        self.dataset, self.seq_len, self.batch_size, self.pad_id = dataset, seq_len, batch_size, pad_id
        self.accumulation_steps, self.bos_id, self.eos_id = accumulation_steps, bos_id, eos_id
        self.drawn = 0
        self.batches_per_epoch = math.ceil(len(dataset) / batch_size)
        self.truncated = int((dataset.ends - dataset.starts > seq_len).sum())
        self._order: tuple[int, list[int]] = (-1, [])

    @property
    def readings(self) -> float:
        return self.drawn / self.batches_per_epoch

    def __iter__(self) -> PaddedBatches:
        return self

    def __next__(self) -> PaddedBatch:
        epoch, number = divmod(self.drawn, self.batches_per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(SEED + epoch)
            self._order = epoch, torch.randperm(len(self.dataset), generator=generator).tolist()
        self.drawn += 1
        rows = self._order[1][number * self.batch_size : (number + 1) * self.batch_size]
        ids_BT = torch.full((len(rows), self.seq_len), self.pad_id)
        for row, example in zip(ids_BT, rows):
            text = self.dataset.example(example)[0][1:-1][: self.seq_len - 2]  # without our own marks at both ends
            row[: len(text) + 2] = torch.tensor([self.bos_id, *text.tolist(), self.eos_id])
        targets_BT = ids_BT[:, 1:].masked_fill(ids_BT[:, 1:] == self.pad_id, IGNORE)
        learned = targets_BT[targets_BT != IGNORE]
        begun = number - number % self.accumulation_steps
        together = min(self.accumulation_steps, self.batches_per_epoch - begun)
        return PaddedBatch(
            inputs_BT=ids_BT[:, :-1],
            targets_BT=targets_BT,
            positions_BT=torch.arange(self.seq_len - 1).expand(len(rows), -1),
            segments_BT=None,  # padding is on the right, where a causal mask never looks
            tags_BT=None,
            count=1,
            num_bytes=int(self.dataset.byte_lengths[learned.numpy()].sum()),
            ends_epoch=number + 1 == self.batches_per_epoch,
            targets=len(learned),
            rows=len(rows),
            weight=together / self.accumulation_steps,
        )

    def report(self) -> dict[str, Any]:
        """Counts for the run record."""
        tokens = len(self.dataset) * self.seq_len
        return {"truncated": self.truncated, "dropped": 0, "tokens_per_epoch": tokens, "utilisation": None}

    def _made_for(self) -> dict[str, Any]:
        return {"dataset": self.dataset.fingerprint, "seq_len": self.seq_len, "batch_size": self.batch_size}

    def state_dict(self) -> dict[str, Any]:
        return {"made_for": self._made_for(), "drawn": self.drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        same_place(state["made_for"], self._made_for(), self.dataset)
        self.drawn = state["drawn"]


class Batched:
    """A run of so many batches: MiniMind's rate is that of a step's end."""

    def __init__(self, batches: int, steps: int, batches_per_epoch: int) -> None:
        self.batches, self.batches_per_epoch = batches, batches_per_epoch
        self.steps: int | None = steps

    def progress(self, fit: Fit) -> float:
        return fit.batches.readings * self.batches_per_epoch / self.batches

    def scheduled(self, fit: Fit, before: float) -> float:
        return self.progress(fit)

    def left(self, fit: Fit) -> float:
        return fit.clock.left((self.steps or 0) - fit.step)

    def resume(self, fit: Fit, was: dict[str, Any]) -> None:
        pass  # the rows know where they are

    def describe(self) -> dict[str, Any]:
        return {"batches": self.batches}


class ParityObjective(LanguageModeling):
    """The mean of the batches' means."""

    rows: PaddedBatches  # type: ignore[assignment]

    def loss(self, batch: TokenBatch) -> Loss:
        assert isinstance(batch, PaddedBatch)
        mean = super().loss(batch).sum / max(1, batch.targets)
        return Loss(mean * batch.weight, 1, {"loss": (mean.detach(), len(batch) / batch.rows)})

    def length(self, config: TrainConfig) -> Length:
        per_epoch = self.rows.batches_per_epoch
        steps = config.steps or math.ceil((config.epochs or 0) * math.ceil(per_epoch / config.accumulation_steps))
        total = math.ceil((config.epochs or 0) * per_epoch) or (config.steps or 0) * config.accumulation_steps
        return Batched(total, steps, per_epoch)


def build(setting: Setting) -> ParityObjective:
    config, tokenizer, material = setting.config, setting.tokenizer, setting.material
    if material is not None:
        train: Dataset = prepare_rows(material.train, tokenizer, kind="text", name="train")
    else:
        train = prepare(config.data, tokenizer, kind="text")
    rows: Any = PaddedBatches(
        train,
        seq_len=config.seq_len,
        batch_size=config.batch_size,
        accumulation_steps=config.accumulation_steps,
        pad_id=tokenizer.endoftext_id,
        bos_id=tokenizer.im_start_id,
        eos_id=tokenizer.im_end_id,
    )
    val = prepare(config.val, tokenizer, kind="text") if config.val else None  # MiniMind holds nothing out
    return ParityObjective(setting.model, rows, val, hidden=setting.hidden)
