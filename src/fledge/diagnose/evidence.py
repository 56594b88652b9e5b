"""A run laid open for diagnosis: everything that its record and its data say, each read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from fledge.data.dataset import Dataset
from fledge.diagnose.bands import WIDE, BandMatch, Point, match
from fledge.diagnose.counting import Counts, count, prepared
from fledge.diagnose.curves import Curves
from fledge.diagnose.written import Written, tokenizer_of, written
from fledge.records import Run
from fledge.tokenizer import Tokenizer
from fledge.training.config import JOB_DEFAULTS, TrainConfig

LANGUAGE_JOBS = ("pretrain", "sft")  # their loss is -log p of the next token
# AdamW for everything, by job: between the rates that suit 0.1M and 100M parameters. Muon's are the defaults.
ADAMW = {"pretrain": 3e-3, "sft": 3e-4}
BEHIND = 1.6  # samples that are so many times as surprising as the text itself are not of this text …
SURPRISE = 1.5  # … and by so many nats a token
ENOUGH_PAIRS = 30
NEAR_PAIRS = 0.95  # of the table's loss: a network that is no better has hardly begun to use the context


@dataclass(frozen=True)
class Finding:
    """Something about a run that its owner should know, in the owner's language.

    broken: the run is not learning what it should; unusual: it works, not as it could; note: nothing is wrong.
    """

    name: str
    level: Literal["broken", "unusual", "note"]
    cause: str
    evidence: str
    advice: str
    numbers: dict[str, Any] = field(default_factory=dict)


class RunEvidence:
    """The facts of one run. What cannot be known (no validation, data gone, record too old) is None."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config: dict[str, Any] = run.info.get("config") or {}
        self.data: dict[str, Any] = (run.info.get("data") or {}).get("train") or {}
        self.landmarks: dict[str, Any] = run.info.get("landmarks") or {}
        self.curves = Curves(run)
        self.loss = self.curves.means("loss")
        self.language = run.info.get("job") in LANGUAGE_JOBS
        self.done = run.info.get("status") == "done"

    @property
    def start(self) -> float | None:
        """ln V, the loss of a model that knows nothing."""
        return self.landmarks.get("start")

    @property
    def begin(self) -> float | None:
        """The loss before the first step: of the validation, else of the first batch."""
        first = next((line["val_loss"] for line in self.curves.vals if line["step"] == 0), None)
        return self.curves.first() if first is None else first

    @property
    def end(self) -> float | None:
        """The loss now: of the last validation, else of the last part of the run."""
        validated = bool(self.curves.vals) and self.curves.vals[-1]["step"] > 0
        return self.curves.final("val_loss") if validated else (self.loss[-1] if self.loss else None)

    @property
    def base(self) -> str | None:
        """The model that the run started from, if it did."""
        return self.config.get("model")

    @cached_property
    def dataset(self) -> Dataset | None:
        return prepared(self.run)

    @cached_property
    def counts(self) -> Counts | None:
        vocab_size = (self.run.info.get("model") or {}).get("vocab_size")
        return count(self.dataset, vocab_size) if self.language and self.dataset is not None and vocab_size else None

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        return tokenizer_of(self.run)

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        return self.run.samples()

    @cached_property
    def written(self) -> Written | None:
        if self.counts is None or self.tokenizer is None:
            return None
        found = written(self.samples, self.tokenizer, self.counts)
        return found if found is not None and found.pairs >= ENOUGH_PAIRS else None

    @cached_property
    def match(self) -> BandMatch | None:
        return match(self.run, self.curves)

    @cached_property
    def points(self) -> list[Point]:
        """The curves beside the band, where there is one that the run can be measured against."""
        return self.match.band.points(self.curves) if self.match is not None and self.match.exact else []

    @property
    def sigmas(self) -> float | None:
        """The mean distance from the band, in spreads; the first tenth is left out, where every run falls."""
        late = [point.sigmas for point in self.points if point.step > 0.1 * self.curves.planned]
        return sum(late) / len(late) if late else None

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Settings that are not those of the matched band: name -> (here, there)."""
        theirs = self.match.band.info["settings"] if self.match else {}
        pairs = {name: (self.config.get(name), value) for name, value in theirs.items()}
        return {name: pair for name, pair in pairs.items() if name in self.config and pair[0] != pair[1]}

    @property
    def behind(self) -> bool:
        """Whether the run is worse than it should be: by its band, else by the table of pairs."""
        if self.sigmas is not None:
            return self.sigmas > WIDE
        return self.counts is not None and self.end is not None and self.end > NEAR_PAIRS * self.counts.bigram

    @property
    def strange_text(self) -> bool:
        """Whether the samples hold pairs of tokens that the data does not: no loss of theirs can be believed."""
        text, counts = self.written, self.counts
        return (
            text is not None
            and counts is not None
            and text.bigram > max(BEHIND * counts.bigram, counts.bigram + SURPRISE)
        )

    @cached_property
    def rate(self) -> tuple[str, float, float, float] | None:
        """The learning rate that is furthest from the usual: (setting, value, how many times the usual, the usual)."""
        job = str(self.run.info.get("job"))
        if not self.language or "lr" not in self.config:
            return None
        if self.config.get("optimizer") == "adamw":
            usual = {"lr": ADAMW[job]}
        else:
            tied = (self.run.info.get("model") or {}).get("tie_word_embeddings")
            names = ["lr", "head_lr", "norm_lr"] + ([] if tied else ["embed_lr"])
            usual = {name: JOB_DEFAULTS[job].get(name, getattr(TrainConfig, name)) for name in names}
        off = {name: max(self.config[name], 1e-12) / rate for name, rate in usual.items() if name in self.config}
        name = max(off, key=lambda name: max(off[name], 1 / off[name]))
        return name, self.config[name], off[name], usual[name]
