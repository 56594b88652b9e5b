"""A run laid open for diagnosis: everything that its record, its data and its own model say, each read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from fledge.data.dataset import Dataset
from fledge.diagnose.bands import WIDE, BandMatch, Point, match
from fledge.diagnose.counting import Counts, count
from fledge.diagnose.curves import Curves
from fledge.diagnose.job import JobFacts
from fledge.diagnose.prepared import prepared
from fledge.diagnose.probe import Scored, load_base, load_end, score
from fledge.diagnose.repetition import tokenizer_of
from fledge.records import Run
from fledge.tokenizer import Tokenizer

if TYPE_CHECKING:
    from fledge.model.transformer import Transformer

NEAR_PAIRS = 0.95  # of the table's loss: a network that is no better has hardly begun to use the context
RECENT = 10  # steps whose best training loss is about that of the moment
SETTLED = 20  # steps after which the mean of the last training losses stands for the model at the end


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

    def __init__(self, run: Run, job: JobFacts) -> None:
        self.run, self.job = run, job
        self.config: dict[str, Any] = run.info.get("config") or {}
        self.data: dict[str, Any] = (run.info.get("data") or {}).get("train") or {}
        self.landmarks: dict[str, Any] = run.info.get("landmarks") or {}
        self.curves = Curves(run)
        self.loss = self.curves.means("loss")
        self.done = run.info.get("status") == "done"

    @property
    def start(self) -> float | None:
        """ln V, the loss of a model that knows nothing."""
        return self.landmarks.get("start")

    @property
    def indifferent(self) -> float | None:
        """The loss of a model that prefers no answer to another, for a job that learns preferences: ln 2 in most."""
        return self.landmarks.get("indifferent")

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

    @property
    def epochs(self) -> float | None:
        """How many times the data were read."""
        epoch = ((self.run.info.get("data") or {}).get("batches") or {}).get("tokens_per_epoch")
        return self.curves.rows[-1].get("tokens", 0) / epoch if epoch and self.curves.rows else None

    @cached_property
    def dataset(self) -> Dataset | None:
        return prepared(self.run, "train")

    @cached_property
    def counts(self) -> Counts | None:
        vocab_size = (self.run.info.get("model") or {}).get("vocab_size")
        known = self.job.language and self.dataset is not None and vocab_size
        return count(self.dataset, vocab_size) if known else None  # type: ignore[arg-type]

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        return tokenizer_of(self.run)

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        return self.run.samples()

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

    @cached_property
    def rate(self) -> tuple[str, float, float, float] | None:
        """The learning rate that is furthest from the usual: (setting, value, how many times the usual, the usual)."""
        usual = dict(self.job.usual_rates.get(self.config.get("optimizer") or "muon", {}))
        if (self.run.info.get("model") or {}).get("tie_word_embeddings"):
            usual.pop("embed_lr", None)  # it learns at the head's rate
        found = []
        for name, (lowest, highest) in usual.items():
            if (value := self.config.get(name)) is not None:
                nearest = min(max(value, lowest), highest)
                found.append((name, value, max(value, 1e-12) / nearest, nearest))
        return max(found, key=lambda rate: max(rate[2], 1 / rate[2]), default=None)

    @cached_property
    def asked(self) -> Scored | None:
        """The run's own model, asked about the text that `claimed` is about."""
        if not self.job.language or self._model is None or self._text is None or self.claimed is None:
            return None
        return score(self._model[0], self._text, self.config["seq_len"])

    @cached_property
    def asked_of_training(self) -> Scored | None:
        """The run's own model, asked about text that it was trained on."""
        if not self.job.language or self._model is None or self.dataset is None:
            return None
        return score(self._model[0], self.dataset, self.config["seq_len"])

    @cached_property
    def base_asked(self) -> Scored | None:
        """The model that the run started from, asked about the same text."""
        if not self.job.language or not self.base or self._text is None or (base := load_base(self.run)) is None:
            return None
        return score(base, self._text, self.config["seq_len"])

    @cached_property
    def claimed(self) -> tuple[float, float] | None:
        """The loss that the record claims for that text and that model, as (lowest, highest): of the validation after its
        last step; of what is recorded around a checkpoint; without validation, of the last part of training."""
        if self._model is None:
            return None
        step, vals = self._model[1], [line for line in self.curves.vals if line["step"] > 0]
        if not self.curves.vals:
            mixed = (self.run.info.get("data") or {}).get("replay")
            known = self.loss and not mixed and step == self.curves.step and step >= SETTLED
            return (self.loss[-1], self.loss[-1]) if known else None
        around = [line["val_loss"] for line in vals if line["step"] <= step][-1:]
        later = [line["val_loss"] for line in vals if line["step"] >= step][:1]
        if not later:  # it has gone on learning since: as far as its training loss, at most
            rows = [row["loss"] for row in self.curves.rows if row["step"] <= step and row.get("loss") is not None]
            around += [min(rows[-RECENT:])] if around and rows else []
        return (min(around + later), max(around + later)) if around else None

    @cached_property
    def _text(self) -> Dataset | None:
        return prepared(self.run, "val") if self.curves.vals else self.dataset

    @cached_property
    def _model(self) -> tuple[Transformer, int] | None:
        return load_end(self.run)
