"""`fledge runs check`: is my run normal? The verdict, with its evidence, and what to do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from fledge.cli.flags import parse
from fledge.errors import spelled
from fledge.lang import N_, Text, _, commas, pgettext
from fledge.records import Run, status_word

if TYPE_CHECKING:
    from rich.console import Console

    from fledge.diagnose.bands import BandMatch
    from fledge.diagnose.check import RunCheck

COLOURS = {"normal": "green", "unusual": "yellow", "broken": "red", "cannot tell": "cyan", "note": "dim"}
VERDICTS = {
    "normal": N_("normal"),
    "unusual": N_("unusual"),
    "broken": N_("broken"),
    "cannot tell": N_("cannot tell"),
    "note": N_("note"),
}
DIFFERENCES = {
    "data": N_("data"),
    "shape": N_("shape"),
    "vocab_size": N_("vocabulary"),
    "seq_len": N_("row length"),
    "tokens_per_step": N_("tokens a step"),
    "steps": N_("steps"),
    "replay_share": N_("replay share"),
}


@dataclass
class RunsCheckFlags:
    """Is my run normal? Compare it with landmarks and reference runs, and name the likely cause when it is not.

    Its own model, or newest checkpoint, is asked about a little of its text: that takes some seconds. Exit code 0: nothing
    wrong was found, or it cannot be told; 1: something is.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """the run's name, or its folder; it may still be running"""
    json: bool = False
    """print JSON"""


def check(argv: list[str]) -> int:
    flags = parse(RunsCheckFlags, argv, "fledge runs check")
    from fledge.diagnose.check import check_run
    from fledge.diagnose.job import JobFacts
    from fledge.interop import spelling_of
    from fledge.jobs import JOBS, find_job

    run = Run.open(flags.run)
    with spelled(spelling_of(run)):
        result = check_run(
            run, find_job(run.info["job"]).facts(run.info["config"]) if run.info["job"] in JOBS else JobFacts()
        )
    if flags.json:
        print(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
    else:
        print_check(result)
    return int(result.verdict in ("unusual", "broken"))


def print_check(check: RunCheck) -> None:
    """Print the check in the learner's language."""
    from fledge.display.terminal import uncut

    console = uncut()
    evidence = check.evidence
    steps = _("step {step} of {planned}").format(step=evidence.curves.step, planned=evidence.curves.planned)
    status = status_word(evidence.run.status())
    console.print(f"{evidence.run.name} · {evidence.run.info.get('job')} · {status} · {steps}\n")
    console.print(f"{_word(check.verdict)}: {check.why}", style=f"bold {COLOURS[check.verdict]}")
    _print_findings(check, console)
    _print_landmarks(check, console)
    if check.match is not None:
        _print_band(check, check.match, console)
    for sentence in check.unchecked:
        console.print(f"\n{sentence}", style="dim")


def _word(level: str) -> str:
    return str(VERDICTS[level])


def _print_findings(check: RunCheck, console: Console) -> None:
    for finding in check.findings:
        console.print(f"\n  [{_word(finding.level)}] {finding.cause}", style=COLOURS[finding.level])
        console.print(_("    evidence: {evidence}").format(evidence=finding.evidence))
        console.print(_("    what to do: {advice}").format(advice=finding.advice))


def _print_landmarks(check: RunCheck, console: Console) -> None:
    from fledge.diagnose.check import after_a_tenth
    from fledge.display.terminal import table

    evidence = check.evidence
    if not check.landmarks or evidence.end is None:
        return
    rows = []
    for landmark in check.landmarks:
        if landmark.unit == "bits/byte":
            bits = evidence.curves.final("val_bpb")
            here = "-" if bits is None else f"{bits:.3f} ({bits / landmark.value - 1:+.0%})"
        elif landmark.reached is not None:
            here = _("passed by step {reached}").format(reached=landmark.reached)
        else:
            here = _("not passed")
        rows.append((landmark.words, f"{landmark.value:.3f} {landmark.unit}", here))
    curve = [f"{loss:.3f}" for loss in (evidence.begin, after_a_tenth(evidence), evidence.end) if loss is not None]
    rows.append((_("loss: at first → after a tenth → now"), "", " → ".join(curve)))
    console.print()
    console.print(table((_("landmark"), "", _("this run")), rows))


def _print_band(check: RunCheck, match: BandMatch, console: Console) -> None:
    info = match.band.info
    title, seeds = Text(*info["title"]), len(info["seeds"])
    if not match.exact:
        differ = commas(str(DIFFERENCES[name]) for name in match.differences)
        console.print(
            _(
                "The nearest reference is '{title}' ({seeds} seeds). It differs in {differ}, "
                "so nothing is judged by it; it ended at a loss of {val_loss:.3f}, {val_bpb:.3f} bits a byte."
            ).format(
                title=title,
                seeds=seeds,
                differ=differ,
                val_loss=info["final"]["val_loss"][0],
                val_bpb=info["final"]["val_bpb"][0],
            )
        )
        return
    console.print(
        _(
            "Reference: '{title}', {seeds} seeds (distance in standard deviations: + worse, − better, within ±4 the same)"
        ).format(title=title, seeds=seeds)
    )
    from fledge.display.terminal import table

    names = (_("measure"), pgettext("heading", "step"), _("this run"), pgettext("a run", "reference"), _("distance"))
    rows = []
    for point in check.points:
        value = f"{point.mean:.3f} ± {point.spread:.3f}"
        rows.append((point.measure, str(point.step), f"{point.value:.3f}", value, f"{point.sigmas:+.1f}σ"))
    console.print(table(names, rows))
