"""Batches: packed rows of a dataset as tensors, endless and seeded; the cursor resumes at exactly the next batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.data.dataset import Dataset
from fledge.data.packing import WINDOW, Packer, Stretch, fill, stretches
from fledge.errors import UserError, flag
from fledge.lang import _, commas

if TYPE_CHECKING:
    import torch

SAMPLE = 20_000  # stretches that are packed for trial, to say how many rows an epoch has
IGNORE = -100  # the target of a position that has no loss (PyTorch's ignore_index)


@dataclass
class TokenBatch:
    """Rows to train on; int64 tensors [B, T] unless said.

    Attributes:
        inputs_BT, targets_BT: token ids; a target of -100 has no loss.
        positions_BT: place inside the stretch of its document, from 0 (for RoPE).
        segments_BT: number of the document inside the row (attention stays inside), padding has its own; None when
            every row is one stretch without padding.
        tags_BT: uint8, the kind of knowledge of every target (see `Dataset.tag_names`); None for untagged data.
        real_BT: bool, False for padding; None when there is none.
        count: number of targets; num_bytes: UTF-8 bytes that they spell.
    """

    inputs_BT: torch.Tensor
    targets_BT: torch.Tensor
    positions_BT: torch.Tensor
    segments_BT: torch.Tensor | None
    tags_BT: torch.Tensor | None
    count: int
    num_bytes: int
    ends_epoch: bool = False
    real_BT: torch.Tensor | None = None

    def split(self, parts: int) -> list[TokenBatch]:
        """The same rows as `parts` batches, or fewer when there are not so many rows: for a machine that has too little
        memory for all of them at once. The bytes of a part are not counted: `num_bytes` is 0."""
        if parts == 1:
            return [self]
        names = ("inputs_BT", "targets_BT", "positions_BT", "segments_BT", "tags_BT", "real_BT")
        columns = [None if (t := getattr(self, name)) is None else t.tensor_split(parts) for name in names]
        pieces = []
        for i in range(min(parts, len(self))):
            rows = [None if column is None else column[i] for column in columns]
            part: dict[str, Any] = dict(zip(names, rows))
            pieces.append(TokenBatch(**part, count=int((part["targets_BT"] != IGNORE).sum()), num_bytes=0))
        return pieces

    def __len__(self) -> int:
        return len(self.inputs_BT)

    @property
    def num_tokens(self) -> int:
        """Positions that are computed."""
        return self.inputs_BT.numel()

    def pin(self) -> TokenBatch:
        """The same in page-locked memory, from which a GPU copies while it computes."""
        pinned = {
            field.name: value.pin_memory()
            for field in dataclasses.fields(self)
            if hasattr(value := getattr(self, field.name), "pin_memory")
        }
        return dataclasses.replace(self, **pinned)

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"inputs": self.inputs_BT, "targets": self.targets_BT}


class PackedBatches:
    """An iterator of `TokenBatch` over a dataset, shuffled anew every epoch, packed by best fit.

    Args:
        seq_len: pairs (input, target) per row; batch_size: rows per batch (the last batch of `epochs` may have fewer).
        pad_id: input token where a row is not full.
        crop: True (pretraining): documents are cut where they do not fit and go on in another row; every row is full
            and every token is a target once an epoch. False (SFT): never cut; an example that is longer than a row
            keeps its first `seq_len + 1` tokens, and is dropped when no target is among them.
        epochs: passes over the data; None = endless (the window then runs on from one epoch into the next).
        sft_targets: the part that makes the targets of conversations; None = the reference.

    Attributes:
        truncated, dropped: number of examples per epoch that were shortened, or lost all their targets.
        tokens_per_epoch: pairs in one epoch; utilisation: share of the positions so far that hold one, None before the first
            batch; readings: how often the pairs were read so far.
    """

    ahead = True

    def __init__(
        self,
        dataset: Dataset,
        *,
        seq_len: int,
        batch_size: int,
        pad_id: int,
        crop: bool,
        seed: int = 0,
        epochs: int | None = None,
        shuffle: bool = True,
        sft_targets: Callable[..., torch.Tensor] | None = None,
    ) -> None:
        self.sft_targets = sft_targets
        self.dataset, self.seq_len, self.batch_size, self.pad_id = dataset, seq_len, batch_size, pad_id
        self.crop, self.seed, self.epochs, self.shuffle = crop, seed, epochs, shuffle
        self._sizes = dataset.ends - dataset.starts - 1
        self.truncated = self.dropped = 0
        if not crop:
            self._shorten()
        self.tokens_per_epoch = int(self._sizes.sum())
        if not self.tokens_per_epoch:
            raise UserError(_("{sources} holds no tokens to train on").format(sources=commas(dataset.source_names())))
        self.epoch, self._cursor = 0, 0  # the next stretch to enter the window
        self._plan = self._stretches(0)
        # Not more than about one epoch ahead, or small data would meet itself in a row.
        self._packer = Packer(seq_len, crop, window=min(WINDOW, len(self._plan)))
        self._filled = self._positions = 0

    def _shorten(self) -> None:
        """SFT: shorten examples to a row; those without a target in what remains are out."""
        long = np.flatnonzero(self._sizes > self.seq_len).tolist()
        sizes = np.minimum(self._sizes, self.seq_len)
        sizes[[i for i in long if not self.dataset.example(i)[1][: self.seq_len + 1].any()]] = 0
        self.dropped = int((sizes == 0).sum())
        self.truncated = len(long) - self.dropped
        if self.dropped == len(sizes):
            files, longest = commas(self.dataset.source_names()), int(self._sizes.max()) + 1
            raise UserError(
                _(
                    "no example of {files} has an answer within its first {seq_len} tokens: "
                    "raise {flag} (the longest example has {longest} tokens) or shorten the prompts"
                ).format(files=files, seq_len=self.seq_len, flag=flag("seq_len"), longest=longest)
            )
        self._sizes = sizes

    @property
    def utilisation(self) -> float | None:
        return self._filled / self._positions if self._positions else None

    @property
    def readings(self) -> float:
        return self._filled / self.tokens_per_epoch

    def rows_per_epoch(self) -> int:
        """Rows of one epoch: counted for the first SAMPLE stretches of the first one, and by their share for the rest."""
        plan = self._stretches(0)
        packer = Packer(self.seq_len, self.crop, window=self._packer.window)
        source = (Stretch(*line.tolist()) for line in plan[:SAMPLE])
        rows = 0
        fill(packer, source)
        while packer.row():
            rows += 1
            fill(packer, source)
        return math.ceil(rows * self.tokens_per_epoch / int(plan[:SAMPLE, 2].sum()))

    def report(self) -> dict[str, Any]:
        """Counts for the run record."""
        return {
            "truncated": self.truncated,
            "dropped": self.dropped,
            "tokens_per_epoch": self.tokens_per_epoch,
            "utilisation": None if self.utilisation is None else round(self.utilisation, 4),
        }

    def __iter__(self) -> PackedBatches:
        return self

    def __next__(self) -> TokenBatch:
        rows: list[list[Stretch]] = []
        source = self._source()
        while len(rows) < self.batch_size:
            fill(self._packer, source)
            if not (row := self._packer.row()):
                break
            rows.append(row)
        if not rows:
            raise StopIteration
        self._positions += len(rows) * self.seq_len
        self._filled += sum(s.size for row in rows for s in row)
        return build_batch(self.dataset, rows, self.seq_len, self.pad_id, self.sft_targets)

    def _source(self) -> Iterator[Stretch]:
        """The stretches of this epoch and the following ones, from the cursor on."""
        while self.epochs is None or self.epoch < self.epochs:
            while self._cursor < len(self._plan):
                self._cursor += 1
                yield Stretch(*self._plan[self._cursor - 1].tolist())
            self.epoch, self._cursor = self.epoch + 1, 0
            if self.epochs is None or self.epoch < self.epochs:
                self._plan = self._stretches(self.epoch)

    def _stretches(self, epoch: int) -> np.ndarray:
        generator = np.random.default_rng([self.seed, epoch]) if self.shuffle else None
        return stretches(self._sizes, self.seq_len, cut=self.crop, generator=generator)

    def _made_for(self) -> dict[str, Any]:
        """What the cursor depends on. The rows of a batch and the epochs are no part of it: the next row is the next row."""
        settings = {name: getattr(self, name) for name in ("seq_len", "crop", "seed", "shuffle")}
        return {"dataset": self.dataset.fingerprint, **settings}

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and lists: after `load_state_dict` the next batch is the one that would come now."""
        return {
            "made_for": self._made_for(),
            "epoch": self.epoch,
            "cursor": self._cursor,
            "packer": self._packer.state_dict(),
            "filled": self._filled,
            "positions": self._positions,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        same_place(state["made_for"], self._made_for(), self.dataset)
        self.epoch, self._cursor = state["epoch"], state["cursor"]
        self._filled, self._positions = state["filled"], state["positions"]
        self._packer.load_state_dict(state["packer"])
        self._plan = self._stretches(self.epoch)


def same_place(was: dict[str, Any], now: dict[str, Any], dataset: Dataset) -> None:
    """Refuse a cursor that was made for something else."""
    if was["dataset"] != now["dataset"]:
        files = commas(dataset.source_names())
        raise UserError(
            _(
                "the run cannot go on: the data have changed since it began ({files} has another content or another "
                "tokenizer): bring the old data back, or start another run."
            ).format(files=files)
        )
    if different := [name for name, value in now.items() if was[name] != value]:
        changes = _("; ").join(
            _("{name} was {was} and is {now}").format(name=name, was=was[name], now=now[name]) for name in different
        )
        raise UserError(_("the run cannot go on with other batches: {changes}.").format(changes=changes))


def eval_batches(
    dataset: Dataset, seq_len: int, batch_size: int, max_tokens: int | None = None, pad_id: int = 0
) -> Iterator[TokenBatch]:
    """Validation rows in a fixed order, every target once.

    Documents that fit a row are never cut; a longer one is read in windows of `seq_len`, each starting where the last
    one ended. `max_tokens` limits the number of pairs: a fixed, evenly drawn part of the windows is then used.
    """
    table = stretches(dataset.ends - dataset.starts - 1, seq_len, cut=True)
    if max_tokens is not None and table[:, 2].sum() > max_tokens:
        order = np.random.default_rng(0).permutation(len(table))
        table = table[np.sort(order[: max(1, int((np.cumsum(table[order, 2]) <= max_tokens).sum()))])]
    packer = Packer(seq_len, crop=False)
    source = (Stretch(*line.tolist()) for line in table)
    while True:
        rows: list[list[Stretch]] = []
        while len(rows) < batch_size:
            fill(packer, source)
            if not (row := packer.row()):
                break
            rows.append(row)
        if not rows:
            return
        yield build_batch(dataset, rows, seq_len, pad_id)


def build_batch(
    dataset: Dataset,
    rows: list[list[Stretch]],
    seq_len: int,
    pad_id: int,
    sft_targets: Callable[..., torch.Tensor] | None = None,
) -> TokenBatch:
    """Gather the tokens of packed rows. The work per stretch is in numpy: about ten array operations a batch."""
    flat = np.array([s for row in rows for s in row], np.int64)
    document, start, size = flat.T
    lengths = [len(row) for row in rows]
    in_row = np.concatenate([np.arange(length) for length in lengths])
    row_of = np.repeat(np.arange(len(rows)), lengths)
    # Where each stretch begins inside its row: pairs before it, minus those of the rows above.
    before = np.cumsum(size) - size
    column = before - before[in_row == 0][row_of]
    positions = np.arange(size.sum()) - np.repeat(before, size)
    place = np.repeat(row_of * seq_len + column, size) + positions
    token = np.repeat(dataset.starts[document] + start, size) + positions  # absolute place of every input token
    shape = (len(rows), seq_len)
    inputs_BT = np.full(shape, pad_id, np.int64)
    inputs_BT.flat[place] = dataset.tokens[token]
    if dataset.mask is None:
        targets = dataset.tokens[token + 1].astype(np.int64)
    else:
        targets = _answers(dataset, dataset.starts[document] + start, size, sft_targets)
    targets_BT = np.full(shape, IGNORE, np.int64)
    targets_BT.flat[place] = targets
    positions_BT = np.zeros(shape, np.int64)
    positions_BT.flat[place] = positions
    segments_BT = real_BT = tags_BT = None
    padded = size.sum() < len(rows) * seq_len
    if len(flat) > len(rows) or padded:
        segments_BT = np.repeat(np.array(lengths, np.int64)[:, None], seq_len, 1)  # padding: the last number
        segments_BT.flat[place] = np.repeat(in_row, size)
    if padded:
        real_BT = np.zeros(shape, bool)
        real_BT.flat[place] = True
    if dataset.tags is not None:
        tags_BT = np.zeros(shape, np.uint8)
        tags_BT.flat[place] = dataset.tags[token + 1]

    import torch  # here, at the edge: preparing and checking data needs no torch

    learned = targets[targets != IGNORE]
    return TokenBatch(
        inputs_BT=torch.from_numpy(inputs_BT),
        targets_BT=torch.from_numpy(targets_BT),
        positions_BT=torch.from_numpy(positions_BT),
        segments_BT=None if segments_BT is None else torch.from_numpy(segments_BT),
        tags_BT=None if tags_BT is None else torch.from_numpy(tags_BT),
        real_BT=None if real_BT is None else torch.from_numpy(real_BT),
        count=len(learned),
        num_bytes=int(dataset.byte_lengths[learned].sum()),
    )


def _answers(
    dataset: Dataset, begin: np.ndarray, size: np.ndarray, sft_targets: Callable[..., torch.Tensor] | None
) -> np.ndarray:
    """The targets of stretches of conversations, one after the other, by one call for all of them.

    A stretch of n pairs is n + 1 tokens. The last of them is no input: what would be its target, the beginning of the next
    stretch, is left out.
    """
    import torch

    from fledge.parts import REFERENCE

    assert dataset.mask is not None
    length = size + 1
    first = np.cumsum(length) - length
    place = np.repeat(begin - first, length) + np.arange(length.sum())
    ids, answer = dataset.tokens[place].astype(np.int64), dataset.mask[place]
    make = sft_targets or REFERENCE.sft_targets
    return np.delete(make(torch.from_numpy(ids), torch.from_numpy(answer)).numpy(), first + size)
