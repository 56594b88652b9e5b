"""Samples, and the packed rows of them that one pass reads."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fledge.data.batches import IGNORE
from fledge.data.packing import Packer, Stretch
from fledge.rewards import Episode
from fledge.training.objective import Metrics


@dataclass
class Sample:
    """An episode as it is trained on; plain numbers, so that a checkpoint can hold it.

    `ids`: prompt and episode; `chosen`: which of them the model chose; `columns`: name -> a number for each chosen token
    (advantage, weight, old, reference, …).
    """

    ids: list[int]
    chosen: list[bool]
    columns: dict[str, list[float]] = field(default_factory=dict)

    @property
    def num_prompt(self) -> int:
        """Tokens before the first that the model chose."""
        return self.chosen.index(True)

    @property
    def prompt(self) -> list[int]:
        return self.ids[: self.num_prompt]

    @classmethod
    def of(cls, episode: Episode) -> Sample:
        return cls(episode.prompt + episode.ids, [False] * len(episode.prompt) + episode.chosen)

    @property
    def num_chosen(self) -> int:
        return sum(self.chosen)

    def fill(self, name: str, value: float) -> None:
        """The same number for every token."""
        self.columns[name] = [value] * self.num_chosen


@dataclass
class RolloutBatch:
    """Packed rows [B, T] as in `TokenBatch`; int64, `columns_BT` fp32 (0 where nothing was chosen).

    Attributes:
        prefixes_BT: for every token the segment (a prompt) that its own goes on from.
        count: denominator of the loss; metrics: of the rollout that these rows begin, told once with them.
        order: (sample, number of its chosen tokens) in the order in which they stand in the rows.
    """

    inputs_BT: Tensor
    targets_BT: Tensor
    positions_BT: Tensor
    segments_BT: Tensor
    prefixes_BT: Tensor
    columns_BT: dict[str, Tensor]
    count: int
    order: list[tuple[int, int]]
    metrics: Metrics = field(default_factory=dict)
    ends_epoch: bool = False

    def __len__(self) -> int:
        return len(self.inputs_BT)

    @property
    def num_tokens(self) -> int:
        return self.inputs_BT.numel()

    def split(self, parts: int) -> list[RolloutBatch]:
        """The same rows in parts; the first one tells the metrics. (`order` is of the whole: a part has none.)"""
        if parts == 1:
            return [self]
        names = ("inputs_BT", "targets_BT", "positions_BT", "segments_BT", "prefixes_BT")
        rows = {name: getattr(self, name).tensor_split(parts) for name in names}
        columns = {name: column.tensor_split(parts) for name, column in self.columns_BT.items()}
        return [
            RolloutBatch(
                **{name: rows[name][i] for name in names},
                columns_BT={name: pieces[i] for name, pieces in columns.items()},
                count=self.count,
                order=[],
                metrics=self.metrics if i == 0 else {},
            )
            for i in range(min(parts, len(self)))
        ]

    def pin(self) -> RolloutBatch:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        pinned: dict[str, Any] = {name: v.pin_memory() for name, v in fields.items() if isinstance(v, Tensor)}
        columns = {name: column.pin_memory() for name, column in self.columns_BT.items()}
        return dataclasses.replace(self, **pinned, columns_BT=columns)

    def tensors(self) -> dict[str, Tensor]:
        return {"inputs": self.inputs_BT, "targets": self.targets_BT, **self.columns_BT}

    def by_sample(self, values_N: Tensor) -> dict[int, list[float]]:
        """Numbers of all chosen tokens, as they come out of a pass, sample by sample."""
        pieces = values_N.tolist()
        found, at = {}, 0
        for sample, length in self.order:
            found[sample] = pieces[at : at + length]
            at += length
        return found


def pack(samples: list[Sample], pad_id: int, count: int, width: int) -> RolloutBatch:
    """Samples in rows of at most `width` tokens (or the longest sample's); answers to one prompt share it, and it is read once.

    A row holds *bundles*: the prompt without its last token, then for each answer that last token, which predicts the answer's
    first, and the answer without its last. The log-probabilities are those of every sample read alone.
    """
    width = max(width, max(len(sample.ids) - 1 for sample in samples))
    bundles = _bundles(samples, width)
    packer = Packer(width, crop=False, window=len(bundles))
    for i, bundle in enumerate(bundles):
        packer.add(Stretch(i, 0, _size(samples, bundle)))
    rows = []
    while row := packer.row():
        rows.append(row)
    width = max(sum(stretch.size for stretch in row) for row in rows)
    shape = (len(rows), width)
    names = samples[0].columns
    ids = {name: np.zeros(shape, np.int64) for name in ("inputs_BT", "targets_BT", "positions_BT", "segments_BT")}
    ids["inputs_BT"][:], ids["targets_BT"][:] = pad_id, IGNORE
    ids["segments_BT"][:] = PADDING
    ids["prefixes_BT"] = np.full(shape, PADDING, np.int64)
    columns = {name: np.zeros(shape, np.float32) for name in names}
    order: list[tuple[int, int]] = []
    for r, row in enumerate(rows):
        at = 0
        for stretch in row:
            at = _lay(samples, bundles[stretch.document], {k: v[r] for k, v in (ids | columns).items()}, at, order)
    tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in ids.items()}
    return RolloutBatch(
        **tensors,
        columns_BT={name: torch.from_numpy(column) for name, column in columns.items()},
        count=count,
        order=order,
    )


PADDING = -1  # segment of what is no token


def _bundles(samples: list[Sample], width: int) -> list[list[int]]:
    """Neighbours with one prompt, as many together as fit into a row."""
    bundles: list[list[int]] = []
    for i, sample in enumerate(samples):
        last = bundles[-1] if bundles else []
        if last and samples[last[0]].prompt == sample.prompt and _size(samples, [*last, i]) <= width:
            last.append(i)
        else:
            bundles.append([i])
    return bundles


def _size(samples: list[Sample], bundle: list[int]) -> int:
    shared = samples[bundle[0]].num_prompt - 1
    return shared + sum(len(samples[i].ids) - 1 - shared for i in bundle)


def _lay(
    samples: list[Sample], bundle: list[int], row: dict[str, np.ndarray], at: int, order: list[tuple[int, int]]
) -> int:
    """Write a bundle into a row from place `at` on; the place behind it. Segments are numbered by where they begin."""
    shared = samples[bundle[0]].num_prompt - 1
    prefix = at

    def write(ids: list[int], position: int, segment: int, ahead: int) -> slice:
        here = slice(segment, segment + len(ids))
        row["inputs_BT"][here] = ids
        row["positions_BT"][here] = np.arange(position, position + len(ids))
        row["segments_BT"][here], row["prefixes_BT"][here] = segment, ahead
        return here

    at = write(samples[bundle[0]].ids[:shared], 0, prefix, prefix).stop
    for i in bundle:
        sample = samples[i]
        ids, chosen = np.array(sample.ids[shared:]), np.array(sample.chosen[shared + 1 :])
        here = write(sample.ids[shared:-1], shared, at, prefix if shared else at)
        row["targets_BT"][here] = np.where(chosen, ids[1:], IGNORE)
        for name, values in sample.columns.items():
            row[name][here][chosen] = values
        order.append((i, int(chosen.sum())))
        at = here.stop
    return at
