"""What a job trains on, and its tokenizer: from files or from rows in memory to batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fledge.data import Dataset, PackedBatches, prepare, prepare_rows, read_rows
from fledge.data.rows import Kind, TextRow
from fledge.errors import UserError, flag
from fledge.generate import Generator, Sampling
from fledge.jobs.job import Material, Setting
from fledge.lang import _
from fledge.model.source import find_model
from fledge.planning.budget import vocabulary
from fledge.planning.facts import measure_text
from fledge.planning.predict import TOKENIZER_BYTES, TOKENIZER_SECONDS, TOKENIZER_SHARE
from fledge.tokenizer import Tokenizer

PIECE = 100_000  # characters of a text that is too long to train a tokenizer on all of it
SAMPLE_TOKENS = 32  # that the model writes for a sample


def make_tokenizer(config: Any, base: Path | None, material: Material | None) -> Tokenizer:
    """The one that is asked for, else that of the model to go on from or to learn from, else a new one trained on the data."""
    if config.tokenizer:
        return Tokenizer.load(config.tokenizer)
    if base is not None:
        return Tokenizer.load(base)
    if teacher := getattr(config, "teacher", None):  # its predictions are over its own tokens
        return Tokenizer.load(find_model(teacher))
    if material is not None:
        raise UserError(_("rows in memory need a tokenizer: give {flag}.").format(flag=flag("tokenizer")))
    size = measure_text(config.data, "text").num_bytes
    enough = min(TOKENIZER_BYTES, TOKENIZER_SHARE * (config.seconds() or math.inf) / TOKENIZER_SECONDS)
    texts = tokenizer_texts(config, max(1, math.ceil(size / enough)))
    tokens = getattr(config, "vocab_size", None) or vocabulary(size)
    print(_("training a tokenizer of {tokens} tokens on the data …").format(tokens=tokens))
    return Tokenizer.train(texts, tokens)


def tokenizer_texts(config: Any, stride: int) -> list[str]:
    """The texts of the data, without what is held out of a single one; of more than a tokenizer needs every `stride`th piece,
    so that two long books, one in each language, both have their part."""
    rows = (row.text for path in config.data for row in read_rows(path, "text") if isinstance(row, TextRow))
    first, second = next(rows, ""), next(rows, None)
    if second is None:
        texts: Iterable[str] = [first[: math.ceil(len(first) * (1 - config.val_fraction))]]
    else:
        texts = itertools.chain([first, second], rows)
    if stride == 1:
        return list(texts)
    pieces = (text[at : at + PIECE] for text in texts for at in range(0, len(text), PIECE))
    return list(itertools.islice(pieces, 0, None, stride))


def datasets(setting: Setting, kind: Kind) -> tuple[Dataset, Dataset | None]:
    """(what is trained on, what is held out of it or named for validation)."""
    config, tokenizer, material = setting.config, setting.tokenizer, setting.material
    if material is not None:
        train = prepare_rows(material.train, tokenizer, kind=kind, name="train")
        return train, None if material.val is None else prepare_rows(material.val, tokenizer, kind=kind, name="val")
    data = prepare(config.data, tokenizer, kind=kind)
    if config.val:
        return data, prepare(config.val, tokenizer, kind=kind)
    return data.split(config.val_fraction)


def packed(setting: Setting, dataset: Dataset, *, crop: bool, epochs: float | None = None) -> PackedBatches:
    """Packed rows: text is cut where a row is full (`crop`), conversations never are."""
    config = setting.config
    return PackedBatches(
        dataset,
        seq_len=config.seq_len,
        batch_size=config.batch_size,
        pad_id=setting.tokenizer.endoftext_id,
        crop=crop,
        seed=config.seed,
        epochs=None if epochs is None else math.ceil(epochs),
        sft_targets=setting.model.parts.sft_targets,
    )


def sampler(setting: Setting, val: Dataset | None, kind: Kind) -> Callable[[], list[dict[str, str]]]:
    """Continue the beginnings of two validation rows, greedily: the same prompts all through the run."""
    model, tokenizer = setting.model, setting.tokenizer
    if val is None or not len(val):
        return list
    context = model.config.max_position_embeddings
    new = min(SAMPLE_TOKENS, context // 2)
    prompts = [_prompt(val, begin, kind, context - new) for begin in sorted({0, len(val) // 2})]
    fitting = [prompt for prompt in prompts if prompt]

    def sample() -> list[dict[str, str]]:
        if not fitting:
            return []
        generator = Generator(model, tokenizer)
        completions = generator.generate(fitting, Sampling(max_new_tokens=new, temperature=0.0))
        return [{"prompt": tokenizer.decode(p), "text": c.text} for p, c in zip(fitting, completions)]

    return sample


def _prompt(val: Dataset, begin: int, kind: Kind, room: int) -> list[int]:
    """The beginning of row `begin`, or of the next one whose prompt the model's context has room for; [] when none has."""
    for i in range(begin, len(val)):
        ids, mask = val.example(i)
        length = int(mask.argmax()) if kind != "text" else min(12, len(ids) - 1, room)
        length = max(1, min(length, 128))
        if length <= room:
            return ids[:length].tolist()
    return []
