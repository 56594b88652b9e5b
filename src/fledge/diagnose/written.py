"""What the samples of a run say: does the text that the model writes go with the data, and does it turn in circles?

The loss is what a model claims; its samples are what it can do. A model that saw the answers in training, or learnt to
predict the token after next, has a loss like any other and writes pairs of tokens that its data does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fledge.data.dataset import Dataset
from fledge.diagnose.counting import Counts
from fledge.errors import UserError
from fledge.records import Run, runs_root
from fledge.tokenizer import Tokenizer

GRAM = 12  # bytes: four Chinese characters, or two English words
LEAST = 3 * GRAM  # bytes of a sample that can show a repetition
RECENT = 3  # validations whose samples count for repetition


@dataclass(frozen=True)
class Written:
    """Mean -log p, in nats, of the pairs of neighbours that the model wrote, by the data's table of neighbours (`bigram`)
    and by its table of tokens two apart (`skip`)."""

    pairs: int
    bigram: float
    skip: float


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


def written(samples: list[dict[str, Any]], tokenizer: Tokenizer, counts: Counts) -> Written | None:
    """Measure the samples of the second half of the run; None when they hold no pair."""
    last = max((sample.get("step", 0) for sample in samples), default=0)
    before: list[int] = []
    token: list[int] = []
    for sample in samples:
        if sample.get("step", 0) <= last / 2:
            continue
        prompt, text = sample.get("prompt", ""), sample.get("text", "").split("\ufffd")  # half characters spell nothing
        texts = [prompt + text[0], *text[1:]] if not prompt.endswith("\ufffd") else text
        for number, piece in enumerate(texts):
            ids = tokenizer.encode(piece)
            if number == 0 and len(texts[0]) > len(text[0]):
                ids = ids[max(0, len(tokenizer.encode(prompt)) - 1) :]
            before += ids[:-1]
            token += ids[1:]
    if not token or max(*before, *token) >= counts.pairs.vocab_size:
        return None
    pair = np.array(before), np.array(token)
    return Written(len(token), float(counts.pairs.nll(*pair).mean()), float(counts.skips.nll(*pair).mean()))


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
