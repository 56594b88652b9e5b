"""Labels that are not the next token, and weights that were not loaded: the loss is of something else than it seems.

Nothing of this can be told from a curve: small data learned by heart, a short run and a slow one look the same. It is told by
asking the run's own model (`probe.py`), and where that cannot be done nothing is said.
"""

from __future__ import annotations

import math
from typing import Any

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.probe import Scored
from fledge.diagnose.rates import FAR, WORTH_SAYING
from fledge.lang import _
from fledge.model.config import ModelConfig

GAP = 0.5  # nats between the recorded loss and the model's own; rounding and sampling of the text make a tenth of that
ROUGH = 0.1  # of the loss: low precision and weights that blew up round by less
CERTAIN = 6.0  # standard errors
EXPLAINED = 0.25  # nats: a shift whose loss is as near as that to the recorded one is what was learnt
UNIFORM = 0.06  # nats from the loss of new weights
SHARE = 0.25  # of what a model believes to know about the next token: a sound one knows more than that of it
LITTLE = 0.01  # nats: a network that has learnt from its inputs for a hundred steps knows more of the next token
LEAD = 2.0  # standard errors that what it knows lies above 0
FLAT = 0.04  # of the entropy of single tokens: a plateau there is neither further away nor still falling
PLATEAU_STEPS = 100  # at a usual rate a network has left the plateau of single tokens by then


def nothing_loaded(evidence: RunEvidence) -> Finding | None:
    """It begins like new weights, twice, on different text, and its base model, asked about the same text, does not."""
    seen = [row["loss"] for row in evidence.curves.rows[:2] if row.get("loss") is not None]
    if not evidence.base or evidence.begin is None or len(seen) < 2:
        return None
    if evidence.curves.vals and evidence.curves.vals[0]["step"] == 0:
        seen[1] = evidence.begin
    new = _of_new_weights(evidence)
    if new is None or any(abs(loss - new) > UNIFORM for loss in seen) or evidence.base_asked is None:
        return None
    base = evidence.base_asked.loss[0]
    if abs(base.mean - evidence.begin) < max(GAP, CERTAIN * base.error):
        return None  # the base knows nothing itself, or happens to know as little of this text
    return Finding(
        "nothing_loaded",
        "broken",
        _("The weights to start from were not loaded: it began from nothing."),
        _(
            "At first the loss was {seen:.3f} and {second_seen:.3f}, just the {new:.3f} of new weights; "
            "on the same text {base} has {mean:.3f}."
        ).format(seen=seen[0], second_seen=seen[1], new=new, base=evidence.base, mean=base.mean),
        _(
            "Look at how the weights are loaded: tensors whose names do not match must not be passed over (strict=False)."
        ),
        {"begin": evidence.begin, "first": seen[0], "new": new, "base": base.mean},
    )


def _of_new_weights(evidence: RunEvidence) -> float | None:
    try:
        return ModelConfig.from_dict(evidence.run.info["model"]).initial_loss()
    except Exception:  # a record that is too old, or of a shape that this version does not know
        return evidence.start


def other_labels(evidence: RunEvidence) -> Finding | None:
    """The recorded loss is not the model's loss of the next token. Which loss it is says what was learnt instead."""
    asked, claimed = evidence.asked, evidence.claimed
    if asked is None or claimed is None:
        return None
    if not asked.causal:
        return _sees_the_answer(
            evidence,
            _(
                "It sees the answer in training: later tokens change the predictions before them, so the causal mask leaks."
            ),
            shift=None,
        )
    honest = asked.loss[0]
    if _distance(honest.mean, claimed) < max(GAP, ROUGH * claimed[1], CERTAIN * honest.error):
        return None
    shift = _explaining_shift(asked, claimed)
    if shift is not None and shift > 0:
        return _shifted(evidence, shift)
    if shift is not None:
        return _sees_the_answer(
            evidence,
            _("It sees the answer in training: the label is the current input, not the next one.")
            if shift == -1
            else _("It sees the answer in training: the labels are shifted into the past."),
            shift,
        )
    began_right = evidence.base or (evidence.begin or 0.0) > (evidence.start or 0.0) - GAP
    if honest.mean > claimed[1] and began_right:
        return _sees_the_answer(
            evidence,
            _("It sees the answer in training: the mask lets it look ahead."),
            shift=None,
        )
    return Finding(
        "another_loss",
        "broken",
        _("The recorded loss is not the model's loss of the next token."),
        _measured_words(evidence),
        _(
            "See what the loss is divided by (the targets, not the positions), and whether the saved model is the trained one."
        ),
        _numbers(evidence),
    )


def _sees_the_answer(evidence: RunEvidence, cause: str, shift: int | None) -> Finding:
    return Finding(
        "sees_the_answer",
        "broken",
        cause,
        _measured_words(evidence, shift),
        _print_one(),
        _numbers(evidence) | {"shift": shift},
    )


def _shifted(evidence: RunEvidence, shift: int) -> Finding:
    return Finding(
        "labels_shifted",
        "broken",
        _("The labels are shifted once too often: it learns the token after the next one.")
        if shift == 1
        else _("The labels are shifted {shift} places too far: it does not learn the next token.").format(shift=shift),
        _measured_words(evidence, shift),
        _print_one(),
        _numbers(evidence) | {"shift": shift},
    )


def unrelated_labels(evidence: RunEvidence) -> Finding | None:
    """A long plateau at the entropy of single tokens, at a usual rate, of a model that knows nothing more of the next token
    than of any other near it.

    A slow run stands on that plateau too; but what little it has learnt of its inputs helps it, and that can be measured.
    """
    counts, end, loss, curves = evidence.counts, evidence.end, evidence.loss, evidence.curves
    if evidence.base or counts is None or end is None or curves.step < PLATEAU_STEPS or curves.progress < 0.5:
        return None
    slow = evidence.rate is None or not 1 / WORTH_SAYING < evidence.rate[2] < FAR
    at_it = all(abs(value / counts.unigram - 1) < FLAT for value in (end, loss[-1]))
    flat = loss[len(loss) // 2] - loss[-1] < FLAT * counts.unigram
    if slow or not (at_it and flat) or counts.bigram > (1 - 2 * FLAT) * counts.unigram:
        return None
    asked = evidence.asked_of_training
    if asked is None or asked.lead.mean - LEAD * asked.lead.error > max(LITTLE, SHARE * asked.belief):
        return None
    return Finding(
        "labels_shifted",
        "broken",
        _("The labels do not belong to the inputs: it learnt how frequent every token is, and no more."),
        _(
            "The loss stays at {end:.2f}, where counting single tokens gives {unigram:.2f} and counting pairs "
            "{bigram:.2f}; after {step} steps it knows the next token only {mean:.3f} nats better than those around "
            "it."
        ).format(end=end, unigram=counts.unigram, bigram=counts.bigram, step=curves.step, mean=asked.lead.mean),
        _print_one(),
        {"loss": end, "unigram": counts.unigram, "bigram": counts.bigram}
        | {"belief": asked.belief, "lead": asked.lead.mean, "error": asked.lead.error},
    )


def _distance(loss: float, claimed: tuple[float, float]) -> float:
    return max(claimed[0] - loss, loss - claimed[1], 0.0)


def _explaining_shift(asked: Scored, claimed: tuple[float, float]) -> int | None:
    """The shift whose loss is the recorded one."""
    off = {s: _distance(loss.mean, claimed) for s, loss in asked.loss.items() if s and math.isfinite(loss.mean)}
    shift = min(off, key=lambda shift: off[shift], default=None)
    if shift is None:
        return None
    near = max(EXPLAINED, 4 * asked.loss[shift].error)
    return shift if off[shift] < min(near, _distance(asked.loss[0].mean, claimed) / 2) else None


def _measured_words(evidence: RunEvidence, shift: int | None = None) -> str:
    asked, claimed = evidence.asked, evidence.claimed
    assert asked is not None and claimed is not None
    recorded, own = claimed[1], asked.loss[0].mean
    if shift is None:
        return _(
            "The recorded loss is {recorded:.2f}; its own model, predicting the next token of the same text, has {own:.2f}."
        ).format(recorded=recorded, own=own)
    learnt = asked.loss[shift].mean
    return _(
        "The recorded loss is {recorded:.2f}; its own model, predicting the next token of the same text, "
        "has {own:.2f}, and predicting the token {shift:+d} places from it just {learnt:.2f}."
    ).format(recorded=recorded, own=own, shift=shift, learnt=learnt)


def _numbers(evidence: RunEvidence) -> dict[str, Any]:
    asked, claimed = evidence.asked, evidence.claimed
    assert asked is not None and claimed is not None
    return {
        "recorded": claimed[1],
        "measured": asked.loss[0].mean,
        "error": asked.loss[0].error,
        "by_shift": {str(shift): loss.mean for shift, loss in asked.loss.items() if math.isfinite(loss.mean)},
        "targets": asked.targets,
    }


def _print_one() -> str:
    return _(
        "Print one row of inputs and labels: the label at t must be the input at t+1, and position t may see 0…t only."
    )
