"""Runs that learn from rewards: there the loss says nothing, and the reward, its signal and the distance from the start do.

Every figure is a mean over parts of the run (see curves): a single rollout is noise.
"""

from __future__ import annotations

import math

from fledge.diagnose.evidence import Finding, RunEvidence
from fledge.diagnose.rates import FEWEST_STEPS, rate_numbers, rate_words
from fledge.errors import advice
from fledge.lang import _

SILENT = 0.95  # share of groups without signal from which on nearly nothing is learned
CLEAR = 3.0  # standard errors: a change of the reward that is no accident …
MATTERS = 0.05  # … and worth a word, where a right answer is worth 1
FAR = 2.0  # nats a token from the model it began with: it writes something else altogether


def ends(evidence: RunEvidence, key: str) -> tuple[float, float] | None:
    """(at first, at last) of a figure; None when it was not logged often enough."""
    values = [value for value in evidence.curves.means(key) if not math.isnan(value)]
    return (values[0], values[-1]) if len(values) > 1 else None


def change(evidence: RunEvidence) -> float | None:
    """How many standard errors the reward has risen."""
    found = ends(evidence, "reward")
    noise = evidence.curves.noise("reward") * math.sqrt(2)
    if found is None or math.isinf(noise):
        return None
    return (found[1] - found[0]) / max(noise, 1e-9)


def no_signal(evidence: RunEvidence) -> Finding | None:
    """From the beginning, nearly every prompt's answers were worth the same. At the end that is success, or the best there is."""
    found, reward = ends(evidence, "zero_signal"), ends(evidence, "reward")
    if found is None or reward is None or found[0] < SILENT or evidence.curves.step < FEWEST_STEPS:
        return None
    ways = advice(
        ("", _("easier prompts among them")),
        ("rewards", _("a reward with more steps than right and wrong in {}")),
        ("group_size", _("a larger {}")),
        ("temperature", _("a higher {}")),
    )
    return Finding(
        "no_signal",
        "unusual",
        _("There was nothing to learn from: all answers to a prompt are worth the same."),
        _("{share:.0%} of the prompts had answers of one reward only; the mean reward is {reward:.2f}.").format(
            share=found[0], reward=reward[0]
        ),
        _("Give it {ways}.").format(ways=ways),
        {"zero_signal": found[0], "reward": reward[0]},
    )


def reward_fell(evidence: RunEvidence) -> Finding | None:
    """It ended clearly below where it began. Where most answers are worth the same the noise is next to nothing, so the fall
    itself must matter too."""
    found, rise = ends(evidence, "reward"), change(evidence)
    if found is None or rise is None or rise > -CLEAR or evidence.curves.step < FEWEST_STEPS:
        return None
    if found[0] - found[1] < MATTERS:
        return None
    ways = advice(("lr", _("a third of {}")), ("beta", _("a larger {}")))
    return Finding(
        "reward_fell",
        "broken",
        _("The reward fell: the policy has lost what it could do."),
        _("It was {first:.2f} at first and is {last:.2f}.").format(first=found[0], last=found[1])
        + rate_words(evidence),
        _("Take {ways}.").format(ways=ways),
        {"first": found[0], "last": found[1]} | rate_numbers(evidence),
    )


def far_away(evidence: RunEvidence) -> Finding | None:
    """The reward may be high; what the model was is gone."""
    found = ends(evidence, "kl")
    if found is None or found[1] < FAR:
        return None
    ways = advice(("beta", _("a larger {}")), ("lr", _("a lower {}")))
    return Finding(
        "far_from_reference",
        "unusual",
        _("It has moved far from the model that it began with, and has probably forgotten what that could do."),
        _("The divergence is {kl:.2f} nats a token.").format(kl=found[1]),
        _("Read some of its answers; take {ways}.").format(ways=ways),
        {"kl": found[1]},
    )


def of_rewards(evidence: RunEvidence) -> list[Finding]:
    """What there is to say about a run that learns from rewards."""
    found = (look(evidence) for look in (no_signal, reward_fell, far_away))
    return [finding for finding in found if finding is not None]


def verdict(evidence: RunEvidence) -> tuple[bool, str]:
    """(whether it is known to be sound, why), for a run of which nothing bad was found."""
    found, rise = ends(evidence, "reward"), change(evidence)
    if found is None or rise is None:
        return False, _("Cannot tell yet ({step} steps): too few for the curve to say anything.").format(
            step=evidence.curves.step
        )
    words = _("The reward was {first:.2f} at first and is {last:.2f}.").format(first=found[0], last=found[1])
    return rise >= CLEAR, words
