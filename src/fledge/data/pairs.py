"""Packed rows of judged answers: pairs, whose two sides share a row, and single ones that were called good or bad.

A row is a row like any other, its answers are segments of it. A pair is never parted: not by packing, not by a batch, and not
when memory asks for smaller parts of a batch.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.data.batches import PackedBatches, TokenBatch, build_batch
from fledge.data.dataset import Dataset
from fledge.data.packing import Stretch
from fledge.errors import UserError, flag
from fledge.lang import _, commas

if TYPE_CHECKING:
    import torch


@dataclass
class AnswerBatch:
    """Rows of answers. Of a pair the chosen one and right behind it the rejected one.

    Attributes:
        tokens: the rows; segment k of a row is its k-th answer.
        answers_N: which answers of the dataset these are, row by row; per_row_B: how many there are in every row.
        count: of what the loss is a mean over: pairs, or single answers.
        mismatched: the same rows with another prompt's answer in the place of every answer (for KTO's reference point).
        whole: all parts of the batch that this is a part of; itself when there is no other.
    """

    tokens: TokenBatch
    answers_N: torch.Tensor
    per_row_B: torch.Tensor
    in_pairs: bool
    mismatched: TokenBatch | None = None
    whole: list[AnswerBatch] = dataclasses.field(default_factory=list)
    ends_epoch: bool = False
    point: float | None = None  # KTO's reference point, once it is known

    def __post_init__(self) -> None:
        self.whole = self.whole or [self]

    @property
    def count(self) -> int:
        return len(self.answers_N) // (2 if self.in_pairs else 1)

    @property
    def num_tokens(self) -> int:
        """Positions that are computed."""
        return self.tokens.num_tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def places_M(self) -> torch.Tensor:
        """Of every target of `tokens`, in order, the number of its answer in this batch."""
        return places(self.tokens, self.per_row_B)

    def ends_N(self) -> torch.Tensor:
        """Of every answer the place of its last token in the flattened rows."""
        import torch

        flat_M = (self.tokens.targets_BT.flatten() != -100).nonzero().squeeze(1)
        last_N = torch.bincount(self.places_M(), minlength=len(self.answers_N)).cumsum(0) - 1
        return flat_M[last_N] + 1  # a target stands at the token before it

    def split(self, parts: int) -> list[AnswerBatch]:
        """The same rows as `parts` batches, or fewer when there are not so many rows."""
        if parts == 1:
            return [self]
        tokens = self.tokens.split(parts)
        other = [None] * len(tokens) if self.mismatched is None else self.mismatched.split(parts)
        per_row = self.per_row_B.tensor_split(parts)
        answers = self.answers_N.split([int(rows.sum()) for rows in per_row])
        pieces = [
            AnswerBatch(*piece[:3], self.in_pairs, piece[3])  # type: ignore[arg-type]
            for piece in zip(tokens, answers, per_row, other)
        ]
        for piece in pieces:
            piece.whole = pieces
        return pieces

    def pin(self) -> AnswerBatch:
        """The same in page-locked memory."""
        other = None if self.mismatched is None else self.mismatched.pin()
        return dataclasses.replace(self, tokens=self.tokens.pin(), mismatched=other, whole=[])

    def tensors(self) -> dict[str, torch.Tensor]:
        return self.tokens.tensors()


def places(tokens: TokenBatch, per_row_B: torch.Tensor) -> torch.Tensor:
    """Of every target of packed rows, in order, the number of its segment in the batch."""
    first_B1 = (per_row_B.cumsum(0) - per_row_B)[:, None]
    segments_BT = first_B1.expand_as(tokens.inputs_BT) if tokens.segments_BT is None else tokens.segments_BT + first_B1
    return segments_BT[tokens.targets_BT != -100]


class AnswerBatches(PackedBatches):
    """An iterator of `AnswerBatch`, shuffled anew every epoch.

    A pair that is longer than a row is shortened at the ends of its answers (`cut`), the longer one first, or left out: a
    reward stands at the end of an answer, and means nothing where there is none. Left out is too what has no target left, or
    two equal answers.

    Args:
        dataset: of kind "preference" or "judged"; in_pairs: whether a pair is a unit; else every answer is one.
        cut: see above; mismatched: whether batches hold mismatched answers; they need single ones.
    """

    def __init__(
        self, dataset: Dataset, *, in_pairs: bool, cut: bool = True, mismatched: bool = False, **settings: Any
    ) -> None:
        self.in_pairs, self.cut = in_pairs, cut
        self.group = 2 if in_pairs else 1
        self.others = mismatch(dataset) if mismatched else None
        super().__init__(dataset, crop=False, **settings)

    def _measured(self) -> np.ndarray:
        """The pairs (input, target) of every unit."""
        whole = self.dataset.ends - self.dataset.starts - 1
        self.lengths = shortened(whole.reshape(-1, self.group), self.seq_len)
        short = (self.lengths < whole.reshape(-1, self.group)).any(1)
        lost = short & np.array([bool(at) and self._lost(i) for i, at in enumerate(short)], bool)
        self.dropped, self.truncated = int(lost.sum()), int((short & ~lost).sum())
        if lost.all():
            files, longest = commas(self.dataset.source_names()), int(whole.reshape(-1, self.group).sum(1).max())
            raise UserError(
                _(
                    "no answers of {files} fit a row of {seq_len} tokens: raise {flag} (the longest need {longest})"
                ).format(files=files, seq_len=self.seq_len, flag=flag("seq_len"), longest=longest)
            )
        sizes = np.where(lost, 0, self.lengths.sum(1))
        if self.others is not None:
            self.other_lengths = np.minimum(self.others.ends - self.others.starts - 1, self.seq_len)
            sizes = np.where(lost, 0, np.maximum(sizes, self.other_lengths))
        return sizes

    def _lost(self, unit: int) -> bool:
        """Whether nothing is left to learn of a unit that is too long."""
        if not self.cut:
            return True
        kept = []
        for i, length in enumerate(self.lengths[unit], unit * self.group):
            ids, mask = self.dataset.example(i)
            if not mask[: length + 1].any():
                return True
            kept.append(ids[: length + 1].tolist())
        return len(kept) == 2 and kept[0] == kept[1]

    def _built(self, rows: list[list[Stretch]]) -> AnswerBatch:
        import torch

        group = self.group
        per_row = torch.tensor([len(row) * group for row in rows])
        units = [unit.document for row in rows for unit in row]
        answers = torch.tensor([unit * group + side for unit in units for side in range(group)])
        sides = [
            [Stretch(u.document * group + k, 0, int(self.lengths[u.document, k])) for u in row for k in range(group)]
            for row in rows
        ]
        tokens = build_batch(self.dataset, sides, self.seq_len, self.pad_id, self.sft_targets)
        other = None
        if self.others is not None:
            strangers = [[Stretch(u.document, 0, int(self.other_lengths[u.document])) for u in row] for row in rows]
            other = build_batch(self.others, strangers, self.seq_len, self.pad_id)
        return AnswerBatch(tokens, answers, per_row, self.in_pairs, other)

    def in_order(self, batch_size: int | None = None) -> Iterator[AnswerBatch]:
        """All units once, in an order that is always the same and has nothing to do with that of training."""
        again = copy.copy(self)
        again.batch_size, again.seed, again.epochs = batch_size or self.batch_size, 0, 1
        again.restart()
        return again

    def _made_for(self) -> dict[str, Any]:
        return super()._made_for() | {"in_pairs": self.in_pairs, "cut": self.cut}


def shortened(sizes: np.ndarray, room: int) -> np.ndarray:
    """Sizes [n, 1 or 2] so that every line sums to at most `room`: the longer of two gives way first."""
    if sizes.shape[1] == 1:
        return np.minimum(sizes, room)
    least = np.minimum(sizes.min(1), room // 2)
    most = np.minimum(sizes.max(1), room - least)
    first_is_longer = sizes[:, 0] > sizes[:, 1]
    return np.stack([np.where(first_is_longer, most, least), np.where(first_is_longer, least, most)], 1)


def mismatch(dataset: Dataset) -> Dataset:
    """Every prompt with the answer of another one: the next in the file whose prompt is not the same.

    KTO's reference point is how far the model has moved from its reference on answers that do not belong to their prompts
    (Ethayarajh et al., 2024, arXiv:2402.01306, section 4.1). UserError when all prompts are the same.
    """
    examples = [dataset.example(i) for i in range(len(dataset))]
    begins = [int(mask.argmax()) for _, mask in examples]
    prompts = [ids[:begin].tobytes() for (ids, _), begin in zip(examples, begins)]
    n = len(examples)
    if len(set(prompts)) < 2:
        raise UserError(
            _("all answers of {files} have the same prompt, and KTO needs others to compare with: add rows").format(
                files=commas(dataset.source_names())
            )
        )
    partners = [next((i + s) % n for s in range(1, n) if prompts[(i + s) % n] != prompts[i]) for i in range(n)]
    pieces = [np.append(examples[i][0][: begins[i]], examples[j][0][begins[j] :]) for i, j in enumerate(partners)]
    masks = [np.append(np.zeros(begins[i], bool), examples[j][1][begins[j] :]) for i, j in enumerate(partners)]
    ends = np.cumsum([len(piece) for piece in pieces])
    stores = (np.concatenate(pieces), np.concatenate(masks), None, dataset.byte_lengths)
    columns = (ends - [len(piece) for piece in pieces], ends, dataset.sources, dataset.targets, dataset.bytes)
    return Dataset(dataset.folder, dataset.manifest, stores, columns)
