"""What a job trains on, and its tokenizer: from files or from rows in memory to batches."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fledge.data import Dataset, PackedBatches, prepare, prepare_rows, read_rows
from fledge.data.padded import PaddedBatches
from fledge.data.rows import Text
from fledge.errors import UserError, flag
from fledge.lang import say
from fledge.parts import REFERENCE, Parts
from fledge.planning.budget import vocabulary
from fledge.planning.predict import TOKENIZER_BYTES
from fledge.planning.run import size_of
from fledge.tokenizer import Tokenizer
from fledge.training.config import TrainConfig

KIND = {"pretrain": "text", "sft": "chat"}
PIECE = 100_000  # characters of a text that is too long to train a tokenizer on all of it


@dataclasses.dataclass
class Material:
    """Data of a job that does not come from files: rows in memory, and known landmarks of their curve."""

    train: Iterable[Any]
    val: Iterable[Any] | None = None
    replay: Iterable[Any] | None = None
    landmarks: dict[str, Any] = dataclasses.field(default_factory=dict)


def make_tokenizer(config: TrainConfig, base: Path | None, material: Material | None) -> Tokenizer:
    """The one that is asked for, else that of the model to go on from, else a new one trained on the data."""
    if config.tokenizer:
        return Tokenizer.load(config.tokenizer)
    if base is not None:
        return Tokenizer.load(base)
    if material is not None:
        raise UserError(
            say(
                f"直接给出的数据（不是文件）需要分词器：用 {flag('tokenizer')} 给出。",
                f"rows in memory need a tokenizer: give {flag('tokenizer')}.",
            )
        )
    size = size_of("pretrain", config).num_bytes
    texts = sample(config, max(1, math.ceil(size / TOKENIZER_BYTES)))
    tokens = config.vocab_size or vocabulary(size)
    print(
        say(
            f"先用这些数据训练一个 {tokens} 个词元的分词器 …",
            f"training a tokenizer of {tokens} tokens on the data …",
        )
    )
    return Tokenizer.train(texts, tokens)


def sample(config: TrainConfig, stride: int) -> list[str]:
    """The texts of the data, without what is held out of a single one; of more than a tokenizer needs every `stride`th piece,
    so that two long books, one in each language, both have their part."""
    rows = (row.text for path in config.data for row in read_rows(path, "text") if isinstance(row, Text))
    first, second = next(rows, ""), next(rows, None)
    if second is None:
        texts: Iterable[str] = [first[: math.ceil(len(first) * (1 - config.val_fraction))]]
    else:
        texts = itertools.chain([first, second], rows)
    if stride == 1:
        return list(texts)
    pieces = (text[at : at + PIECE] for text in texts for at in range(0, len(text), PIECE))
    return list(itertools.islice(pieces, 0, None, stride))


def datasets(
    job: str, config: TrainConfig, tokenizer: Tokenizer, material: Material | None
) -> tuple[Dataset, Dataset | None]:
    """(what is trained on, what is held out of it or named for validation)."""
    kind: Any = KIND[job]
    if material is not None:
        train = prepare_rows(material.train, tokenizer, kind=kind, name="train")
        return train, None if material.val is None else prepare_rows(material.val, tokenizer, kind=kind, name="val")
    data = prepare(config.data, tokenizer, kind=kind)
    if config.parity and not config.val:
        return data, None  # MiniMind holds nothing out
    if config.val:
        return data, prepare(config.val, tokenizer, kind=kind)
    return data.split(config.val_fraction)


def padded(config: TrainConfig, dataset: Dataset, tokenizer: Tokenizer) -> PaddedBatches:
    """Rows as MiniMind makes them, with its names for the control tokens."""
    return PaddedBatches(
        dataset,
        seq_len=config.seq_len,
        batch_size=config.batch_size,
        pad_id=tokenizer.endoftext_id,
        bos_id=tokenizer.im_start_id,
        eos_id=tokenizer.im_end_id,
    )


def packed(
    job: str, config: TrainConfig, dataset: Dataset, tokenizer: Tokenizer, parts: Parts = REFERENCE
) -> PackedBatches:
    """Packed rows: text is cut where a row is full, conversations never are."""
    return PackedBatches(
        dataset,
        seq_len=config.seq_len,
        batch_size=config.batch_size,
        pad_id=tokenizer.endoftext_id,
        crop=job == "pretrain",
        seed=config.seed,
        sft_targets=parts.sft_targets,
    )


def replay_rows(config: TrainConfig, tokenizer: Tokenizer, material: Material | None) -> PackedBatches | None:
    """Texts that are mixed into fine-tuning, so that what was learnt before is not forgotten."""
    if material is not None and material.replay is not None:
        return packed(
            "pretrain", config, prepare_rows(material.replay, tokenizer, kind="text", name="replay"), tokenizer
        )
    if config.replay:
        return packed("pretrain", config, prepare(config.replay, tokenizer, kind="text"), tokenizer)
    return None
