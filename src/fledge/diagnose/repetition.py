"""Does the text that a run writes turn in circles, and does the text that it learnt from?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fledge.data.dataset import Dataset
from fledge.errors import UserError
from fledge.records import Run, runs_root
from fledge.tokenizer import Tokenizer

GRAM = 12  # bytes: four Chinese characters, or two English words
LEAST = 3 * GRAM  # bytes of a sample that can show a repetition
RECENT = 3  # validations whose samples count for repetition


def tokenizer_of(run: Run) -> Tokenizer | None:
    """The run's tokenizer, from wherever it still lies."""
    config = run.info.get("config", {})
    base = config.get("model")
    places = [run.path / "tokenizer", run.model_dir, config.get("tokenizer")]
    places += [base, Path(base) / "model", runs_root() / base / "model"] if base else []
    for place in places:
        if place and (Path(place) / "tokenizer.json").is_file():
            try:
                return Tokenizer.load(place)
            except (UserError, OSError, ValueError):
                return None
    return None


def repetition(text: str) -> float:
    """Share of the text's 12-byte pieces that it had already written: 0 for text that never repeats itself."""
    data = text.encode("utf-8")
    pieces = [data[i : i + GRAM] for i in range(len(data) - GRAM + 1)]
    return 1 - len(set(pieces)) / len(pieces) if pieces else 0.0


def repeats(samples: list[dict[str, Any]]) -> tuple[float, str] | None:
    """The mean repetition of the last samples, by their length, and the one that repeats most; None when they are short."""
    steps = sorted({sample.get("step", 0) for sample in samples} - {0})[-RECENT:]
    texts = [sample.get("text", "") for sample in samples if sample.get("step") in steps]
    texts = [text for text in texts if len(text.encode("utf-8")) >= LEAST]
    if len(texts) < 2:
        return None
    sizes = [len(text.encode("utf-8")) for text in texts]
    rates = [repetition(text) for text in texts]
    return sum(rate * size for rate, size in zip(rates, sizes)) / sum(sizes), texts[int(np.argmax(rates))]


def repetition_of_data(dataset: Dataset, tokenizer: Tokenizer, length: int = 32, number: int = 200) -> float:
    """The mean repetition of pieces of the training text that are as long as a sample: what a good model would show."""
    long = np.flatnonzero(dataset.ends - dataset.starts > length)
    if not len(long):
        return 0.0
    generator = np.random.default_rng(0)
    rates = []
    for i in long[generator.integers(len(long), size=number)]:
        begin = generator.integers(dataset.starts[i], dataset.ends[i] - length)
        rates.append(repetition(tokenizer.decode(dataset.tokens[begin : begin + length].tolist())))
    return float(np.mean(rates))
