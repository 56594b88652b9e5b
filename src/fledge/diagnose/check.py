"""Is this run normal? A verdict from landmarks, the reference band, and diagnoses.

What is read: the record (run.json, metrics.jsonl, samples.jsonl), the prepared data while the cache has them, and the run's
own model, or its newest checkpoint, which is asked about a little of that text. Running, stopped and failed runs are judged
by what there is of them; where that is not enough, the verdict is that it cannot be told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from fledge.diagnose.bands import BandMatch, Point
from fledge.diagnose.diagnoses import diagnose
from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.job import JobFacts
from fledge.diagnose.pairs import decided
from fledge.diagnose.rates import FALL, FEWEST_STEPS
from fledge.diagnose.reward import verdict as rewarded
from fledge.lang import _
from fledge.records import Run

RunVerdict = Literal["normal", "unusual", "broken", "cannot tell"]
SHOWN = (0.1, 0.25, 0.5, 0.75, 1.0)  # of the run: points of the training loss that are shown beside the band


@dataclass(frozen=True)
class Landmark:
    """A value that the curve meets on its way, and where this run met it."""

    name: str
    words: str
    value: float
    unit: Literal["nats/token", "bits/byte", "loss"]
    reached: int | None
    """The step by which the run's loss was below it; None when it never was, or when nothing can be."""


@dataclass(frozen=True)
class RunCheck:
    """The answer. `unchecked` says what could not be looked at, and why."""

    verdict: RunVerdict
    why: str
    evidence: RunEvidence
    landmarks: list[Landmark]
    match: BandMatch | None
    points: list[Point]
    findings: list[Finding]
    unchecked: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for --json."""
        evidence, match = self.evidence, self.match
        band = None
        if match is not None:
            band = {
                "name": match.band.name,
                "exact": match.exact,
                "differences": match.differences,
                "seeds": len(match.band.info["seeds"]),
                "mean_sigmas": evidence.sigmas,
                "points": [asdict(point) | {"sigmas": point.sigmas} for point in self.points],
            }
        return {
            "run": evidence.run.name,
            "job": evidence.run.info.get("job"),
            "status": evidence.run.info.get("status"),
            "step": evidence.curves.step,
            "planned_steps": evidence.curves.planned,
            "verdict": self.verdict,
            "why": self.why,
            "loss_at_first": evidence.begin,
            "loss_after_a_tenth": after_a_tenth(evidence),
            "loss": evidence.end,
            "own_loss": evidence.asked.loss[0].mean if evidence.asked else None,
            "val_bpb": evidence.curves.final("val_bpb"),
            "landmarks": [asdict(landmark) for landmark in self.landmarks],
            "reference": band,
            "findings": [asdict(finding) for finding in self.findings],
            "unchecked": self.unchecked,
        }


def check_run(run: Run, job: JobFacts) -> RunCheck:
    """Judge a run by what it has recorded so far, knowing `job` about the work that it does."""
    evidence = RunEvidence(run, job)
    findings = diagnose(evidence)
    verdict, why = _verdict(evidence, findings)
    points = _shown(evidence)
    return RunCheck(
        verdict, why, evidence, _landmarks(evidence), evidence.match, points, findings, _unchecked(evidence)
    )


def _verdict(evidence: RunEvidence, findings: list[Finding]) -> tuple[RunVerdict, str]:
    levels = {finding.level for finding in findings}
    if "broken" in levels:
        return "broken", next(finding.cause for finding in findings if finding.level == "broken")
    if "unusual" in levels:
        return "unusual", next(finding.cause for finding in findings if finding.level == "unusual")
    if not evidence.curves.rows:
        return "cannot tell", _("This run has logged no training loss.")
    step = evidence.curves.step
    if evidence.run.info.get("status") == "failed":
        error = (evidence.run.info.get("results") or {}).get("error")
        return "unusual", _("It stopped with an error: {error}").format(error=error)
    if step < FEWEST_STEPS or len(evidence.loss) < 2:
        return "cannot tell", _("Cannot tell yet ({step} steps): too few for the curve to say anything.").format(
            step=step
        )
    if evidence.job.rewards:
        sound, why = rewarded(evidence)
        return "normal" if sound else "cannot tell", why
    if not evidence.points and evidence.indifferent is None and (not evidence.job.language or evidence.start is None):
        return "cannot tell", _("There is no reference to compare it with, and no landmark in its record.")
    if not _learnt(evidence):
        return "cannot tell", _("Cannot tell yet ({step} steps): it has learnt too little to be judged.").format(
            step=step
        )
    return "normal", _("Nothing wrong was found.")


def _learnt(evidence: RunEvidence) -> bool:
    """Whether it has come as far as a sound run should by now: past the table of pairs when it is over, past that of single
    tokens on the way; without either, well below where it began."""
    if evidence.points:
        return True
    end, counts = evidence.end, evidence.counts
    if evidence.indifferent is not None:
        return decided(evidence)
    if end is None or counts is None:
        return end is not None and end < (evidence.begin or evidence.start or 0.0) - FALL
    return end < (counts.bigram if evidence.done else counts.unigram)


def _landmarks(evidence: RunEvidence) -> list[Landmark]:
    found = []
    if (indifferent := evidence.indifferent) is not None:
        words = _("preferring nothing")
        found.append(Landmark("indifferent", words, indifferent, "loss", _reached(evidence, indifferent)))
    if evidence.start is not None:
        words = _("knowing nothing (ln V)")
        found.append(Landmark("start", words, evidence.start, "nats/token", _reached(evidence, evidence.start)))
    if (counts := evidence.counts) is not None:
        tables = (
            ("unigram", _("counting tokens"), counts.unigram),
            ("bigram", _("counting pairs"), counts.bigram),
        )
        for name, words, value in tables:
            found.append(Landmark(name, words, value, "nats/token", _reached(evidence, value)))
    if (teacher := evidence.landmarks.get("teacher")) is not None:
        words = _("the teacher's own loss")
        found.append(Landmark("teacher", words, teacher, "nats/token", _reached(evidence, teacher)))
    if (floor := evidence.landmarks.get("floor")) is not None:
        found.append(Landmark("floor", _("floor: the text's entropy"), floor, "bits/byte", None))
    return found


def after_a_tenth(evidence: RunEvidence) -> float | None:
    """The loss when a tenth of the run was done: most of what a run will ever learn is learnt by then."""
    vals = [(line["step"], line["val_loss"]) for line in evidence.curves.vals if line["step"] > 0]
    curve = vals or list(zip(evidence.curves.ends(), evidence.loss))
    return next((loss for step, loss in curve if step >= 0.1 * evidence.curves.planned), None)


def _reached(evidence: RunEvidence, value: float) -> int | None:
    """By the validations, else by the averaged training loss (which holds replayed text too)."""
    vals = [(line["step"], line["val_loss"]) for line in evidence.curves.vals if line["step"] > 0]
    curve = vals or list(zip(evidence.curves.ends(), evidence.loss))
    return next((step for step, loss in curve if loss < value), None)


def _shown(evidence: RunEvidence) -> list[Point]:
    """A few points of the training loss, and the last of every validation measure."""
    loss = [point for point in evidence.points if point.measure == "loss"]
    near = [min(loss, key=lambda p: abs(p.step - share * evidence.curves.planned)) for share in SHOWN] if loss else []
    shown = list(dict.fromkeys(near))
    for measure in ("val_loss", "val_bpb"):
        shown += [point for point in evidence.points if point.measure == measure][-1:]
    return shown


def _unchecked(evidence: RunEvidence) -> list[str]:
    said: list[str] = []
    if not evidence.job.language:
        return said
    if evidence.dataset is None:
        said.append(
            _(
                "The prepared data are no longer in the cache: landmarks of counting, "
                "the place of the labels and doubled beginnings were not looked at."
            )
        )
    elif evidence.asked is None:
        said.append(
            _(
                "The labels were not checked with its own model: there is no model or checkpoint yet, it is too large, "
                "or there is too little text."
            )
        )
    if not evidence.curves.vals:
        said.append(_("There is no validation: overfitting cannot be seen."))
    return said
