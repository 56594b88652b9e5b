"""Batches as MiniMind makes them, for `parity`: one text a row, cut or padded to the length, in its random order.

A row is <|im_start|> text <|im_end|> (its bos and eos), never longer than `seq_len`: the tail of a long text is lost. The
order of epoch e is torch.randperm with seed 42 + e, and the last batch of an epoch may have fewer rows.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from fledge.data.batches import IGNORE, Batch, same_place
from fledge.data.dataset import Dataset
from fledge.errors import UserError, flag, train_command
from fledge.lang import say

SEED = 42  # fixed in MiniMind's trainers


class PaddedBatches:
    """An endless iterator of `Batch` over texts.

    Attributes:
        drawn: batches so far; batches_per_epoch: the last, smaller one counts; total: batches of the whole run, by which
            MiniMind's learning rate goes (the caller sets it).
    """

    def __init__(
        self, dataset: Dataset, *, seq_len: int, batch_size: int, pad_id: int, bos_id: int, eos_id: int
    ) -> None:
        if dataset.mask is not None:
            raise UserError(
                say(
                    f"{flag('parity')} 只用于 `{train_command('pretrain')}`：训练对话时去掉它。",
                    f"{flag('parity')} is there for `{train_command('pretrain')}`: leave it out for conversations.",
                )
            )
        self.dataset, self.seq_len, self.batch_size, self.pad_id = dataset, seq_len, batch_size, pad_id
        self.bos_id, self.eos_id = bos_id, eos_id
        self.drawn = self.total = 0
        self.batches_per_epoch = math.ceil(len(dataset) / batch_size)
        self.truncated, self.dropped = int((dataset.ends - dataset.starts > seq_len).sum()), 0
        self.tokens_per_epoch = len(dataset) * seq_len
        self._order: tuple[int, list[int]] = (-1, [])

    @property
    def progress(self) -> float:
        """Share of the run's batches that were drawn."""
        return self.drawn / self.total

    def __iter__(self) -> PaddedBatches:
        return self

    def __next__(self) -> Batch:
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
        return Batch(
            inputs_BT=ids_BT[:, :-1],
            targets_BT=targets_BT,
            positions_BT=torch.arange(self.seq_len - 1).expand(len(rows), -1),
            segments_BT=None,  # padding is on the right, where a causal mask never looks
            tags_BT=None,
            count=len(learned),
            num_bytes=int(self.dataset.byte_lengths[learned.numpy()].sum()),
            ends_epoch=number + 1 == self.batches_per_epoch,
        )

    def report(self) -> dict[str, Any]:
        """Counts for the run record."""
        return {"truncated": self.truncated, "dropped": 0, "tokens_per_epoch": self.tokens_per_epoch}

    def _made_for(self) -> dict[str, Any]:
        return {"dataset": self.dataset.fingerprint(), "seq_len": self.seq_len, "batch_size": self.batch_size}

    def state_dict(self) -> dict[str, Any]:
        return {"made_for": self._made_for(), "drawn": self.drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        same_place(state["made_for"], self._made_for(), self.dataset)
        self.drawn = state["drawn"]
