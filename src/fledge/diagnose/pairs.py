"""Preferences that were not learnt: the loss stands at that of a model which prefers nothing (ln 2 in DPO)."""

from __future__ import annotations

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.rates import MOVING_STEPS, WORTH_SAYING, rate_numbers, rate_words
from fledge.errors import flag
from fledge.lang import _

STILL = 0.02  # of the loss of a model that prefers nothing: no run at a usual rate is so near to it after MOVING_STEPS


def decided(evidence: RunEvidence) -> bool:
    """Whether a run that learns preferences has left the place where it began."""
    known, end = evidence.indifferent, evidence.end
    return known is not None and end is not None and end < (1 - STILL) * known


def undecided(evidence: RunEvidence) -> Finding | None:
    """At ln 2 after many steps. MiniMind's rate of 4e-8 leaves small data there."""
    known, end = evidence.indifferent, evidence.end
    if known is None or end is None or decided(evidence) or evidence.curves.step < MOVING_STEPS:
        return None
    low = evidence.rate is not None and evidence.rate[2] < 1 / WORTH_SAYING
    if low and evidence.rate is not None:
        todo = _("Raise {flag}: the usual value is {usual}.").format(
            flag=flag(evidence.rate[0]), usual=f"{evidence.rate[3]:g}"
        )
    else:
        todo = _("Look at some pairs (`fledge data check`): is the better answer always the chosen one?")
    return Finding(
        "undecided",
        "unusual",
        _("It has learnt to prefer nothing: the loss stands where it began."),
        _("The loss is {end:.3f}; a model that prefers nothing has {known:.3f}.").format(end=end, known=known)
        + rate_words(evidence),
        todo,
        {"loss": end, "indifferent": known} | rate_numbers(evidence),
    )
