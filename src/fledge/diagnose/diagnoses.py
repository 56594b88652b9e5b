"""Diagnoses: a function each, from a `RunEvidence` to a `Finding` or None.

A diagnosis may blame only what its evidence tells from every other cause; where that is not to be had, it says nothing. Of
those about the curve the first that fits is the one: every later one assumes that the earlier ones do not fit.
bench/check_alarms.py breaks runs in each of these ways and counts what is found, and makes sound ones and counts what is
said of them without ground.
"""

from __future__ import annotations

from collections.abc import Callable

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.labels import nothing_loaded, other_labels, unrelated_labels
from fledge.diagnose.outcome import above_the_band, overfitting, repetition, slower, too_few_tokens
from fledge.diagnose.rates import bad_start, diverged, not_a_number, not_learning, rate_too_high, rate_too_low
from fledge.diagnose.reward import of_rewards
from fledge.diagnose.rows import doubled_bos, loss_on_the_prompt

Diagnosis = Callable[[RunEvidence], Finding | None]
OF_THE_CURVE: tuple[Diagnosis, ...] = (
    not_a_number, nothing_loaded, other_labels, diverged, unrelated_labels, overfitting, rate_too_high, rate_too_low,
    not_learning, too_few_tokens, above_the_band,
)  # fmt: skip
OF_THE_ROWS: tuple[Diagnosis, ...] = (bad_start, loss_on_the_prompt, doubled_bos, slower)
OF_A_SOUND_CURVE: tuple[Diagnosis, ...] = (repetition,)  # a broken run repeats itself too, and that says nothing new


def diagnose(evidence: RunEvidence) -> list[Finding]:
    """What there is to say about the run, the cause of its curve first."""
    if evidence.job.rewards:
        broken = not_a_number(evidence)
        return of_rewards(evidence) if broken is None else [broken]
    curve = next((finding for look in OF_THE_CURVE if (finding := look(evidence)) is not None), None)
    others = OF_THE_ROWS if curve is not None else (*OF_THE_ROWS, *OF_A_SOUND_CURVE)
    found = [curve, *(look(evidence) for look in others)]
    return [finding for finding in found if finding is not None]
