"""The reason for every choice of a profile, one sentence each, in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fledge.lang import _
from fledge.planning.budget import READINGS, wanted
from fledge.planning.work import computing

if TYPE_CHECKING:
    from fledge.planning.data import Size
    from fledge.planning.facts import Planning
    from fledge.planning.machines import Machine
    from fledge.planning.predict import Plan


def budget(text: str) -> str:
    return {
        "10m": _("a first try: does it run?"),
        "1h": _("one hour"),
        "8h": _("one night"),
        "24h": _("a day and a night"),
    }[text]


def enough(size: Size) -> str:
    megabytes = f"{size.num_bytes / 1e6:.1f} MB"
    return _(
        "the text has only {megabytes}: after five readings it is learned by heart; more time wants more text"
    ).format(megabytes=megabytes)


def epochs(number: int) -> str:
    return {
        1: _("one reading: nothing is learned by heart"),
        2: _("two readings: usual for fine-tuning"),
        3: _("three readings: with more it learns answers by heart"),
    }[number]


def seq_len(tokens: int) -> str:
    if tokens <= 256:
        return _("short rows take the least memory")
    if tokens <= 512:
        return _("most documents and conversations fit")
    return _("long documents are cut less often; attention costs more")


def batch_size(rows: int, wanted_rows: int, fits: bool, share: float) -> str:
    if not fits:
        return _("not even this fits: take a smaller model or shorter rows")
    if rows >= wanted_rows:
        return _("all rows of a step at once")
    return _("the most rows in {share:.0%} of the usable memory").format(share=share)


def accumulation(rows: int, times: int) -> str:
    if times == 1:
        return _("nothing to add up")
    return _("{times} passes of {rows} rows make one step: the same as {total} rows at once").format(
        times=times, rows=rows, total=rows * times
    )


def checkpoint(used: bool, saved_mb: float) -> str:
    if not used:
        return _("not needed: the activations fit")
    return _("blocks are computed again on the way back: a third slower, {saved_gb:.1f} GB less").format(
        saved_gb=saved_mb / 1024
    )


def precision(name: str, machine: Machine, typed: bool) -> str:
    if typed:
        return _("you said so")
    if machine.device == "cpu":
        if name == "bf16":
            return _("measured to be faster on this CPU")
        return _("bf16 is slower on this CPU")
    if name == "bf16":
        return _("the card has it: half the activations, no loss scaling")
    return _("the card has no bf16; fp16 with loss scaling")


def model(plan: Plan, free: bool, facts: Planning) -> str:
    """Why this shape: what it wants to read and what it reads."""
    if not free:
        return _("you said so")
    if not facts.dial:
        return _("no --model was given: as if from a model of this shape")
    wants, reads = wanted(computing(plan.shape)), plan.tokens
    if READINGS * plan.text_tokens < wants:
        return _(
            "the text is short and read {readings:.0f} times: then a larger model is the better use of the time"
        ).format(readings=plan.readings)
    if reads < wants:
        return _("the smallest there is: the time is short (it wants {wants} tokens, it reads {reads})").format(
            wants=_count(wants), reads=_count(reads)
        )
    return _("the largest that reads enough in the time (it wants {wants} tokens, it reads {reads})").format(
        wants=_count(wants), reads=_count(reads)
    )


def _count(number: float) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{unit}"
    return f"{number:.0f}"
