"""A model measured against the world, where everything is known.

Two measures: how many bits per byte it pays for the world's unseen text, beside the floor (what full knowledge would
pay), split by kind of knowledge and by language; and how many questions it answers rightly, family by family, beside
what guessing would get. Answers are greedy, so the same model always gets the same marks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fledge.evaluate.interval import Bits, Rate
from fledge.evaluate.score import token_nats
from fledge.generate import Generator, Sampling
from fledge.world.probes import Probe, grade, probes
from fledge.world.text import Document, documents

if TYPE_CHECKING:
    from fledge.tokenizer import Tokenizer
    from fledge.world import World

NUM_BYTES = 200_000
"""How much validation text is scored: bits per byte are then sure to about 1 %."""
PER_FAMILY = 200
"""Probes of a family: a rate of 90 % is then sure to about 4 points."""
MAX_NEW_TOKENS = 64
"""Right answers to probes are about half as long at most."""
HALLUCINATION = "hallucination"
"""Share of `unknown` probes (about people who do not exist) that were not answered with "I do not know"."""


@dataclass(frozen=True)
class Answer:
    """One probe with what the model said."""

    probe: Probe
    text: str
    right: bool

    def to_dict(self) -> dict[str, Any]:
        question = self.probe.messages[-1]["content"]
        return {
            "id": self.probe.id,
            "family": self.probe.family,
            "lang": self.probe.lang,
            "question": question,
            "answer": self.text,
            "right": self.right,
        }


@dataclass
class WorldReport:
    """Everything measured on a world. Keys of `bits`: all, zh, en, both; of `bits_by_tag`: the tags of the spans."""

    size: str
    seed: int
    bits: dict[str, Bits] = field(default_factory=dict)
    bits_by_tag: dict[str, Bits] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)
    rates_by_lang: dict[str, dict[str, Rate]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; without the single answers."""
        return {
            "world": {"size": self.size, "seed": self.seed},
            "bits": {key: bits.to_dict() for key, bits in self.bits.items()},
            "bits_by_tag": {key: bits.to_dict() for key, bits in self.bits_by_tag.items()},
            "rates": {key: rate.to_dict() for key, rate in self.rates.items()},
            "rates_by_lang": {
                lang: {key: rate.to_dict() for key, rate in rates.items()} for lang, rates in self.rates_by_lang.items()
            },
        }


def evaluate_world(
    model: Any,
    tokenizer: Tokenizer,
    world: World,
    *,
    num_bytes: int = NUM_BYTES,
    per_family: int = PER_FAMILY,
    window: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> WorldReport:
    """Score validation text and ask `per_family` probes of every family, half of them in each language.

    `advance` is told the share of the work that was done since it was last called.
    """
    tell = advance or (lambda share: None)
    report = WorldReport(world.size, world.seed)
    validation = list(documents(world, num_bytes=num_bytes, split="validation"))
    report.bits, report.bits_by_tag = measure_text(
        model, tokenizer, validation, window=window, advance=lambda share: tell(share / 2)
    )
    report.answers = ask(model, tokenizer, probes(world, per_family), advance=lambda share: tell(share / 2))
    report.rates = rates(report.answers)
    for lang in ("zh", "en"):
        report.rates_by_lang[lang] = rates([answer for answer in report.answers if answer.probe.lang == lang])
    return report


def measure_text(
    model: Any,
    tokenizer: Tokenizer,
    texts: Sequence[Document],
    *,
    window: int | None = None,
    advance: Callable[[float], None] | None = None,
) -> tuple[dict[str, Bits], dict[str, Bits]]:
    """Bits of documents: (all and by language, by tag). The end of a document is predicted too: the floor counts it."""
    end = tokenizer.endoftext_id
    encoded = tokenizer.encode_batch([document.text for document in texts])
    sequences = [[end, *ids, end] for ids in encoded]
    total = sum(len(ids) - 1 for ids in sequences)
    nats = token_nats(
        model, sequences, window=window, advance=None if advance is None else lambda n: advance(n / total)
    )
    overall: dict[str, Bits] = defaultdict(Bits)
    by_tag: dict[str, Bits] = defaultdict(Bits)
    for document, ids, part in zip(texts, encoded, nats):
        bits = part.numpy() / math.log(2)
        num_bytes = len(document.text.encode("utf-8"))
        for key in ("all", document.lang):
            overall[key].add(float(bits.sum()), document.bits, num_bytes)
        paid, sizes = span_bits(document, [tokenizer.token_bytes(i) for i in ids], bits)
        for tag in {span.tag for span in document.spans}:
            own = [i for i, span in enumerate(document.spans) if span.tag == tag]
            floor = sum(document.spans[i].bits for i in own)
            by_tag[tag].add(sum(paid[i] for i in own), floor, sum(sizes[i] for i in own))
    return dict(overall), dict(by_tag)


def span_bits(document: Document, tokens: list[bytes], bits: np.ndarray) -> tuple[list[float], list[int]]:
    """What the model paid for every span, and the span's bytes. `bits` holds one value a token and one for the end.

    A token that touches two spans is split between them by bytes, after its leading spaces: those belong to the word. The
    split is a convention (a token has one probability), so only sums over everything can be held against the floor exactly.
    """
    if b"".join(tokens) != document.text.encode("utf-8"):
        raise ValueError("bits by tag need a tokenizer whose tokens spell every byte of the text")
    ends = np.cumsum([len(token) for token in tokens])
    spaces = [len(token) - len(token.lstrip(b" ")) if token.strip(b" ") else 0 for token in tokens]
    starts = ends - [len(token) - n for token, n in zip(tokens, spaces)]
    paid = np.cumsum(bits[:-1])
    positions = np.stack([starts, ends], axis=1).ravel()  # bits accrue evenly from a token's start to its end
    paid_at = np.stack([paid - bits[:-1], paid], axis=1).ravel()
    byte_of = np.concatenate([[0], np.cumsum([len(character.encode("utf-8")) for character in document.text])])
    edges = byte_of[[0, *(span.end for span in document.spans)]]
    out = np.diff(np.interp(edges, positions, paid_at))
    out[-1] += bits[-1]
    return out.tolist(), np.diff(edges).tolist()


def ask(
    model: Any, tokenizer: Tokenizer, asked: Sequence[Probe], *, advance: Callable[[float], None] | None = None
) -> list[Answer]:
    """Answer every probe greedily and grade it."""
    generator = Generator(model, tokenizer)
    sampling = Sampling(max_new_tokens=MAX_NEW_TOKENS, temperature=0)
    answers = []
    for start in range(0, len(asked), generator.batch_size):
        batch = asked[start : start + generator.batch_size]
        prompts = [tokenizer.prompt_ids(list(probe.messages)) for probe in batch]
        for probe, completion in zip(batch, generator.generate(prompts, sampling)):
            answers.append(Answer(probe, completion.text, grade(probe, completion.text)))
        if advance is not None:
            advance(len(batch) / len(asked))
    return answers


def rates(answers: Iterable[Answer]) -> dict[str, Rate]:
    """Family -> share of right answers; for `unknown` the share of hallucinations instead, which should be small."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[answer.probe.family].append(answer)
    out = {}
    for family, group in groups.items():
        right = sum(answer.right for answer in group)
        chance = sum(answer.probe.chance for answer in group) / len(group)
        if family == "unknown":
            out[HALLUCINATION] = Rate(len(group) - right, len(group), 1 - chance)
        else:
            out[family] = Rate(right, len(group), chance)
    return out
