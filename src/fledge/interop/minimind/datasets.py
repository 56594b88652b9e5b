"""MiniMind's dataset classes, `dataset/lm_dataset.py`: one row at a time as (input_ids, labels), made by our renderer.

They are for reading and for experiments of one's own. Our trainers use `fledge.data`, which packs the rows, tokenises them once and
keeps them on disk. As in MiniMind the labels are not shifted, and -100 has no loss. Unlike there, nothing is random: no system
prompt is added to a fifth of the conversations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fledge.data.readers import read_rows
from fledge.data.rows import ChatRow, Row, TextRow
from fledge.errors import UserError
from fledge.lang import _
from fledge.tokenizer import Tokenizer

IGNORE = -100


class _Rows(Dataset):
    """Rows of a file that become two int64 tensors [max_length] each."""

    kind: Any

    def __init__(self, data_path: str | Path, tokenizer: Any, max_length: int) -> None:
        self.tokenizer = _tokenizer(tokenizer)
        self.max_length = max_length
        self.samples: list[Row] = list(read_rows(data_path, self.kind))

    def __len__(self) -> int:
        return len(self.samples)

    def _pad(self, ids: list[int], labels: list[int]) -> tuple[Tensor, Tensor]:
        missing = self.max_length - len(ids)
        ids = ids + [self.tokenizer.endoftext_id] * missing
        return torch.tensor(ids), torch.tensor(labels + [IGNORE] * missing)


class PretrainDataset(_Rows):
    """A text a row: <|im_start|> text <|im_end|>, cut to `max_length` and padded; every token but the padding is learned."""

    kind = "text"

    def __init__(self, data_path: str | Path, tokenizer: Any, max_length: int = 512) -> None:
        super().__init__(data_path, tokenizer, max_length)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.samples[index]
        assert isinstance(row, TextRow)
        text = self.tokenizer.encode(row.text)[: self.max_length - 2]
        ids = [self.tokenizer.im_start_id, *text, self.tokenizer.im_end_id]
        return self._pad(ids, list(ids))


class SFTDataset(_Rows):
    """A conversation a row, as the chat template writes it; what the assistant says is learned, up to the end of its line."""

    kind = "chat"

    def __init__(self, data_path: str | Path, tokenizer: Any, max_length: int = 1024) -> None:
        super().__init__(data_path, tokenizer, max_length)
        self.newline = self.tokenizer.encode("\n")

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.samples[index]
        assert isinstance(row, ChatRow)
        ids, learned = self.tokenizer.render_ids(row.messages, tools=row.tools)
        for i in range(1, len(ids)):  # MiniMind also learns the line break after <|im_end|>
            if ids[i - 1] == self.tokenizer.im_end_id and learned[i - 1] and ids[i : i + 1] == self.newline:
                learned[i] = True
        ids, learned = ids[: self.max_length], learned[: self.max_length]
        return self._pad(ids, [id if mine else IGNORE for id, mine in zip(ids, learned)])


def _tokenizer(given: Any) -> Tokenizer:
    """Ours as it is; a folder, or a transformers tokenizer (by the folder it came from), is loaded."""
    if isinstance(given, Tokenizer):
        return given
    folder = given if isinstance(given, str | Path) else getattr(given, "name_or_path", None)
    if not folder:
        raise UserError(_("a dataset needs a tokenizer: give the folder of one, e.g. ../model, or fledge's Tokenizer."))
    return Tokenizer.load(folder)
