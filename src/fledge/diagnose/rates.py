"""Learning rates far from the right one, and losses that climb, stand still or are no numbers.

A rate is blamed only when the record shows that it is far from the usual one: a curve alone knows too many causes, and of a
run of a few steps it shows nothing yet.
"""

from __future__ import annotations

from typing import Any

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.errors import advice, flag
from fledge.lang import _

FAR = 30.0  # times the usual rate: beyond any sensible choice
WORTH_SAYING = 3.0  # times the usual rate
RISE = 0.5  # nats above the start: no averaged loss climbs so far by chance
FALL = 0.3  # nats that were gained: less can be lost again without meaning anything
CLEAR = 6.0  # standard errors of the mean over a part of the run
FAR_START = 0.5  # nats from the loss of new weights; small random weights of any usual kind begin nearer
BARELY = 0.10  # share of the way from ln V to 0
EARLY = 0.25  # of the run: before that, a curve may still do anything
FEWEST_STEPS = 10  # below that a curve says nothing
MOVING_STEPS = 40  # by then a usual rate has moved any loss from ln V
LEARNING_STEPS = 200  # by then a tenth of a usual rate has, too


def not_a_number(evidence: RunEvidence) -> Finding | None:
    """The loop stops at a loss that is no number, and the record says so; other programs' loops go on."""
    kind = (evidence.run.info.get("results") or {}).get("error_kind")
    last = [row.get("loss") for row in evidence.curves.rows[-3:]]
    if kind != "not_a_number" and (len(last) < 3 or any(loss is not None for loss in last)):
        return None
    finite = [row for row in evidence.curves.rows if row.get("loss") is not None]
    losses, norms = (
        ", ".join(f"{row[key]:.3g}" for row in finite[-5:] if row.get(key)) or "-" for key in ("loss", "grad_norm")
    )
    step = (finite[-1]["step"] if finite else 0) + 1
    return Finding(
        "nan",
        "broken",
        _("The loss or its gradient became NaN or infinite."),
        _("At step {step}; losses before it: {losses}; gradient norms: {norms}.").format(
            step=step, losses=losses, norms=norms
        )
        + rate_words(evidence),
        _(
            "Run it again with a third of the learning rate; if that does not help, with {precision}, "
            "and look at the batch of that step."
        ).format(precision=flag("precision", "fp32")),
        {"step": step} | rate_numbers(evidence),
    )


def bad_start(evidence: RunEvidence) -> Finding | None:
    """New weights that do not guess evenly: the loss of a run from nothing begins at ln V (a tied head: where the record
    says)."""
    if evidence.base or not evidence.job.language or evidence.start is None or evidence.begin is None:
        return None
    if evidence.begin - evidence.landmarks.get("begin", evidence.start) < FAR_START:
        return None
    return Finding(
        "bad_start",
        "unusual",
        _("The initial weights are too large: it is sure, and wrong, from the start."),
        _("The loss before the first step is {begin:.2f}; knowing nothing costs ln V = {start:.2f}.").format(
            begin=evidence.begin, start=evidence.start
        ),
        _(
            "Start the head from 0 or a standard deviation of 0.02, and the last matrix of every residual branch from 0."
        ),
        {"begin": evidence.begin, "start": evidence.start},
    )


def diverged(evidence: RunEvidence) -> Finding | None:
    """It ended above where it began, or lost most of what it had gained, by far more than its noise."""
    curves, loss = evidence.curves, evidence.loss
    losses = [row["loss"] for row in curves.rows if row.get("loss") is not None]
    if curves.step < FEWEST_STEPS or len(loss) < 2 or not losses:
        return None
    if not evidence.done and curves.progress < EARLY:
        return None
    clear = CLEAR * curves.noise()
    begin, low, now, top = max(evidence.start or 0.0, losses[0]), min(loss), loss[-1], max(losses)
    above = now > begin + max(RISE, clear)
    fell_back = now > low + max(FALL, clear) and now > low + 0.5 * (begin - low)
    vals = [line["val_loss"] for line in curves.vals]
    contradicted = (
        bool(vals) and vals[-1] < min(vals) + FALL
    )  # its last rows may be harder: validation is always the same
    if contradicted or not (above or fell_back or _worse_than_its_base(evidence, clear)):
        return None
    too_high = _above(evidence, WORTH_SAYING)
    return Finding(
        "lr_too_high" if too_high else "diverged",
        "broken",
        _("The run diverged: the learning rate is too high.")
        if too_high
        else _("The run diverged: what it had learnt is lost again."),
        _(
            "The loss began at {losse:.2f}, was {low:.2f} at its lowest and {top:.2f} at its highest, and is {now:.2f}."
        ).format(losse=losses[0], low=low, top=top, now=now)
        + rate_words(evidence),
        _lower(evidence),
        {"begin": losses[0], "lowest": low, "highest": top, "now": now} | rate_numbers(evidence),
    )


def _worse_than_its_base(evidence: RunEvidence, clear: float) -> bool:
    """Fine-tuning after which the model is worse on both texts than the one that it began with."""
    loss, vals = evidence.loss, evidence.curves.vals
    if not evidence.base or evidence.begin is None or len(vals) < 2:
        return False
    return loss[-1] > loss[0] + max(FALL, clear) and vals[-1]["val_loss"] > evidence.begin + FALL


def rate_too_high(evidence: RunEvidence) -> Finding | None:
    """It did not diverge (Muon and norms forgive much), but the rate is beyond any sensible choice, or the loss rose above
    its start for a while and the rate is well above the usual."""
    curves, loss = evidence.curves, evidence.loss
    begin = max(evidence.start or 0.0, evidence.begin or 0.0)
    jumped = max(loss[1:], default=0.0) > begin + max(RISE, CLEAR * curves.noise())
    if not (_above(evidence, FAR) or (jumped and _above(evidence, WORTH_SAYING))):
        return None
    shows = evidence.behind and not evidence.base and curves.step >= MOVING_STEPS and _above(evidence, FAR)
    words = where(evidence) + rate_words(evidence)
    if jumped:
        words += _(" On its way it rose to {loss:.2f}.").format(loss=max(loss))
    return Finding(
        "lr_too_high",
        "broken" if shows else "unusual",
        _("The learning rate is too high."),
        words,
        _lower(evidence),
        {"highest": max(loss, default=None)} | rate_numbers(evidence),
    )


def rate_too_low(evidence: RunEvidence) -> Finding | None:
    """A rate far below the usual one, and a model that hardly moved from nothing; or only what has its own rate moved
    (embedding and head), and the blocks stayed as they were. Blocks that look around from the start carry such a run past the
    table of pairs: it is no worse than a sound one then, and still not what was meant."""
    low = evidence.rate is not None and evidence.rate[2] < 1 / FAR
    if not low or evidence.base or evidence.end is None or evidence.curves.step < MOVING_STEPS:
        return None
    stuck = _stuck(evidence)
    if not (stuck or evidence.behind or (evidence.rate and evidence.rate[0] == "lr")):
        return None  # another rate than the blocks': nothing shows that it is too low
    return Finding(
        "lr_too_low",
        "broken" if stuck or evidence.behind else "unusual",
        _("The learning rate is too low: the loss hardly moves.")
        if stuck
        else _("The learning rate is too low: the body of the network hardly learns."),
        where(evidence) + rate_words(evidence),
        _("Raise {flag}: the usual value is {usual}.").format(flag=_flag(evidence), usual=_usual(evidence)),
        {"loss": evidence.end} | rate_numbers(evidence),
    )


def not_learning(evidence: RunEvidence) -> Finding | None:
    """It stands where it began although its rate is usual, its steps are many, and there is something to learn."""
    counts = evidence.counts
    if evidence.base or counts is None or evidence.curves.step < LEARNING_STEPS or not _stuck(evidence):
        return None
    if counts.unigram > (1 - 2 * BARELY) * (evidence.start or 0.0):
        return None  # the text is nearly as even as knowing nothing
    return Finding(
        "not_learning",
        "broken",
        _("It learns nothing, and its learning rate is a usual one."),
        where(evidence) + rate_words(evidence),
        _(
            "See whether gradients reach the weights and the optimizer changes them: compare the first checkpoint with the last."
        ),
        {"loss": evidence.end, "unigram": counts.unigram},
    )


def _stuck(evidence: RunEvidence) -> bool:
    return evidence.start is not None and evidence.end is not None and evidence.end > (1 - BARELY) * evidence.start


def rate_words(evidence: RunEvidence) -> str:
    """The rate beside the usual one, where the two are far from each other."""
    if evidence.rate is None or 1 / WORTH_SAYING < evidence.rate[2] < WORTH_SAYING:
        return ""
    name, value, ratio, usual = evidence.rate
    if ratio > 1:
        return _(" {name} = {value:g} is {ratio:.3g} times the usual {usual:g}.").format(
            name=name, value=value, ratio=ratio, usual=usual
        )
    return _(" {name} = {value:g} is 1/{value2:.3g} of the usual {usual:g}.").format(
        name=name, value=value, value2=1 / ratio, usual=usual
    )


def rate_numbers(evidence: RunEvidence) -> dict[str, Any]:
    return dict(zip(("setting", "rate", "times_the_usual", "usual"), evidence.rate)) if evidence.rate else {}


def where(evidence: RunEvidence) -> str:
    """The loss between its landmarks."""
    end, start, counts = evidence.end, evidence.start, evidence.counts
    if counts is not None and start is not None:
        return _(
            "The loss is {end:.2f}; ln V is {start:.2f}, counting single tokens gives {unigram:.2f}, counting pairs {bigram:.2f}."
        ).format(end=end, start=start, unigram=counts.unigram, bigram=counts.bigram)
    if start is not None:
        return _("The loss is {end:.2f}; ln V is {start:.2f}.").format(end=end, start=start)
    return _("The loss is {end:.2f}.").format(end=end)


def _above(evidence: RunEvidence, times: float) -> bool:
    return evidence.rate is not None and evidence.rate[2] > times


def _flag(evidence: RunEvidence) -> str:
    return flag(evidence.rate[0] if evidence.rate else "lr")


def _usual(evidence: RunEvidence) -> str:
    return f"{evidence.rate[3]:g}" if evidence.rate else "?"


def _lower(evidence: RunEvidence) -> str:
    if _above(evidence, WORTH_SAYING):
        return _("Lower {flag}: the usual value is {usual}.").format(flag=_flag(evidence), usual=_usual(evidence))
    ways = advice(("", _("a third of the learning rate")), ("warmup", _("twice the {}")))
    return _("Take {ways}; if that does not help, look at the data where it climbs.").format(ways=ways)
