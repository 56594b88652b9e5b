"""How a run went on the whole: too short, too long, worse than its references, turning in circles, ever slower."""

from __future__ import annotations

import statistics

from fledge.diagnose.bands import WIDE
from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.rates import rate_numbers, rate_words, where
from fledge.diagnose.repetition import repeats, repetition_of_data
from fledge.errors import flag
from fledge.lang import _
from fledge.training.config import LENGTHS

STEEP = 0.2  # of all the fall in the second half of the run: twice what a run of usual length has
FALLING = 3.0  # standard errors of a part: by so much the last third must lie below the one before
OVER = 0.05  # of the best validation loss: what it may rise by before it counts as overfitting …
OVER_NATS = 0.05  # … and in nats, or a loss near 0 would rise by nothing
LOOPS = 0.5  # share of a sample that repeats itself; the references of the world have at most half of that
DATA_LOOPS = 0.2  # share of the training text that repeats itself
COLLAPSE = 1 / 3  # of the pace that the run had


def too_few_tokens(evidence: RunEvidence) -> Finding | None:
    """It ended, still falling, before it was better than a table of pairs; or, where the data are gone, in a steep fall."""
    loss, counts = evidence.loss, evidence.counts
    parameters = ((evidence.run.info.get("model") or {}).get("num_parameters") or {}).get("active")
    if not evidence.done or not evidence.job.language or evidence.end is None or not parameters or len(loss) < 3:
        return None
    third = -(-len(loss) // 3)
    last, before = statistics.fmean(loss[-third:]), statistics.fmean(loss[-2 * third : -third])
    if before - last < FALLING * evidence.curves.noise() / third**0.5 or evidence.points:
        return None
    tokens = evidence.curves.rows[-1].get("tokens", 0)
    per, fallen = tokens / parameters, (evidence.begin or loss[0]) - loss[-1]
    late = (loss[(len(loss) - 1) // 2] - loss[-1]) / fallen if fallen > 0 else 0.0
    steep = per < 1 and late > STEEP and not evidence.base
    if not (steep if counts is None else min(evidence.end, loss[-1]) > counts.bigram):
        return None
    config = evidence.run.info.get("config") or {}
    length = next((name for name in LENGTHS if config.get(name)), "steps")
    return Finding(
        "too_few_tokens",
        "unusual",
        _("Too few tokens: it ended while the loss was falling."),
        where(evidence)
        + _(" It saw {tokens:,} tokens, {per:.2f} a parameter; the second half made {late:.0%} of the fall.").format(
            tokens=tokens, per=per, late=late
        )
        + rate_words(evidence),
        _("Train longer (twice the {length}), or a smaller model if there is no time.").format(length=flag(length)),
        {"tokens": tokens, "tokens_per_parameter": per, "late_share": late} | rate_numbers(evidence),
    )


def above_the_band(evidence: RunEvidence) -> Finding | None:
    """Far worse than the reference runs of the same job, data and shape, and nothing above says why."""
    if evidence.sigmas is None or evidence.sigmas < WIDE:
        return None
    changed = ", ".join(f"{name} {mine} ({theirs})" for name, (mine, theirs) in evidence.changed.items())
    words = _("By {sigmas:.0f} standard deviations on average.").format(sigmas=evidence.sigmas)
    if changed:
        words += _(" Other settings (the reference's): {changed}.").format(changed=changed)
    return Finding(
        "above_the_band",
        "unusual",
        _("The loss is well above the reference runs of the same kind."),
        words,
        _("Run it once with the reference's settings; if it stays above, the cause is in the data or in changed code."),
        {"sigmas": evidence.sigmas, "changed": list(evidence.changed)},
    )


def overfitting(evidence: RunEvidence) -> Finding | None:
    """Validation rises while training falls on data that were read more than once: the model learns them by heart."""
    vals, epochs = evidence.curves.during("val_loss"), evidence.epochs
    if len(vals) < 4 or len(evidence.loss) < 4 or (epochs is not None and epochs < 1):
        return None
    at, best = min(vals, key=lambda pair: pair[1])
    last = vals[-1][1]
    after = [value for value, end in zip(evidence.loss, evidence.curves.ends()) if end >= at]
    if last < best + max(OVER * best, OVER_NATS) or len(after) < 2 or after[-1] > after[0]:
        return None
    words = _(
        "The validation loss was lowest at step {at} ({best:.3f}) and rose to {last:.3f}, "
        "while the training loss fell from {train_then:.3f} to {train_now:.3f}."
    ).format(at=at, best=best, last=last, train_then=after[0], train_now=after[-1])
    if epochs is not None:
        words += _(" The data were read {epochs:.1f} times.").format(epochs=epochs)
    return Finding(
        "overfitting",
        "unusual",
        _("Overfitting: it learns its data by heart and gets worse on other text."),
        words,
        _("Stop near step {at}, or take more data or a smaller model.").format(at=at),
        {"best_step": at, "best": best, "last": last, "epochs": epochs},
    )


def repetition(evidence: RunEvidence) -> Finding | None:
    """Samples that turn in circles, of a model that has learnt its text (before that all do). A base model on real text does
    that when it always takes the likeliest token."""
    found = repeats(evidence.samples)
    if found is None or evidence.curves.progress < 0.5 or evidence.counts is None or evidence.behind:
        return None
    rate, worst = found
    known = evidence.dataset is not None and evidence.tokenizer is not None
    data = repetition_of_data(evidence.dataset, evidence.tokenizer) if known else 0.0  # type: ignore[arg-type]
    if rate < (LOOPS if data < DATA_LOOPS else data):
        return None
    usual = not evidence.job.prompts and "floor" not in evidence.landmarks and data < DATA_LOOPS
    words = _(
        "{rate:.0%} of the samples repeat themselves, {data:.0%} of the training text. For example: {worst}"
    ).format(rate=rate, data=data, worst=_short(worst))
    if data >= DATA_LOOPS:
        cause = _("It learnt to repeat itself: the training text does.")
        todo = _("Remove the repeated text, and train again.")
    elif usual:
        cause = _("Its samples turn in circles, as small base models do when the likeliest token is always taken.")
        todo = _("Nothing to change in training: generate with --temperature 0.8; fine-tuning cures most of it.")
    else:
        cause = _("Its samples turn in circles.")
        todo = _("Train longer, and look at the samples again; --temperature 0.8 helps when you generate.")
    return Finding("repetition", "note" if usual else "unusual", cause, words, todo, {"rate": rate, "data": data})


def slower(evidence: RunEvidence) -> Finding | None:
    """The pace of the last quarter beside that of the first half; medians, so that a pause or two do not matter."""
    speeds = [row["tokens_per_second"] for row in evidence.curves.rows if row.get("tokens_per_second")]
    if len(speeds) < 20:
        return None
    before, now = statistics.median(speeds[: len(speeds) // 2]), statistics.median(speeds[-len(speeds) // 4 :])
    if now > COLLAPSE * before:
        return None
    memory = [row["memory_mb"] for row in evidence.curves.rows if row.get("memory_mb")]
    words = _("From {before:,.0f} tokens a second to {now:,.0f}.").format(before=before, now=now)
    if memory:
        words += _(" Memory went from {before} to {now} MB.").format(before=memory[0], now=memory[-1])
    return Finding(
        "slower",
        "unusual",
        _("The pace broke down: another program, heat, or memory swapping."),
        words,
        _(
            "Close other programs, plug the machine in; if memory grows, lower {rows}. The result is not affected."
        ).format(rows=flag("batch_size")),
        {"before": before, "now": now},
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line[:60]}{'…' if len(line) > 60 else ''}”"
