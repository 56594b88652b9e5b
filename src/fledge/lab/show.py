"""What a lab prints: every number with its spread beside chance and floor, then the verdicts, why, and what to do next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape

from fledge.lab import verdict
from fledge.lab.grid import WIDTH, Grid, wrap
from fledge.lab.verdict import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Verdict
from fledge.lang import N_, _

if TYPE_CHECKING:
    from fledge.lab.results import Results

STYLES = {SUPPORTED: "green", NOT_SUPPORTED: "red", INCONCLUSIVE: "yellow"}
WORDS = {
    SUPPORTED: N_("SUPPORTED"),
    NOT_SUPPORTED: N_("NOT SUPPORTED"),
    INCONCLUSIVE: N_("INCONCLUSIVE"),
}


def show(results: Results, prediction: dict[str, Any] | None, *, ours: bool) -> None:
    """Print the numbers, the verdict of every claim with its reason, what explains it, and the fate of the prediction.

    `ours`: the settings are those that the lesson talks about, so that its explanation applies.
    """
    console = Console(highlight=False)
    for line in numbers_table(results):
        console.print(line, markup=False, overflow="ignore", crop=False, no_wrap=True)
    count, seconds = len(results.seeds), f"{results.seconds:.1f}"
    spread = _("mean ± standard deviation over {count} seeds").format(count=count)
    took = _("{seconds} s of one core").format(seconds=seconds)
    console.print(f"[dim]{spread} · {took}[/dim]\n")
    judged = [verdict.judge(claim, results) for claim in results.lab.claims]
    for claim, made in zip(results.lab.claims, judged):
        word = str(WORDS[made.word])
        text = wrap(str(claim.text), indent=2, first=cell_len(word) + 2)
        console.print(f"[{STYLES[made.word]}]{word}[/]  {escape(text)}")
        console.print("\n".join(reason(results, made)), style="dim", markup=False)
    if ours and results.lab.why and judged[0].word == SUPPORTED:
        console.print(_("\nWhy: {wrap}").format(wrap=escape(wrap(str(results.lab.why), first=8))))
    if prediction:
        console.print("\n" + escape(wrap(_fate(results, prediction))))
    for line in again(results, judged, ours=ours):
        console.print(line, style="cyan")


def _fate(results: Results, prediction: dict[str, Any]) -> str:
    sure = f"{prediction['confidence']:.0%}"
    what = results.lab.prediction.options[prediction["outcome"]]
    if prediction["right"]:
        return _("Your prediction was right (you were {sure} sure).").format(sure=sure)
    return _("Your prediction was wrong (you were {sure} sure). The outcome: {what}").format(sure=sure, what=what)


# Verdicts


def reason(results: Results, made: Verdict) -> list[str]:
    """The one reason for the verdict, with the numbers that it was made of."""
    count, yes = len(made.truths), sum(made.truths)
    numbers = ranges(results, made.read)
    if made.reason == "not finite":
        return [_indented(_not_finite(results, made))]
    if made.reason == "split":
        no = count - yes
        said = _("{yes} of the seeds agree, {no} do not:").format(yes=yes, no=no)
        return [_indented(said), *(f"    {line}" for line in by_seed(results, made))]
    if made.reason == "few":
        least = verdict.ENOUGH_SEEDS
        said = _("Only {count} of the {least} seeds that a verdict needs: {numbers}").format(
            count=count, least=least, numbers=numbers
        )
    elif made.word == SUPPORTED:
        said = _("All {count} seeds agree: {numbers}").format(count=count, numbers=numbers)
    else:
        said = _("None of the {count} seeds agrees: {numbers}").format(count=count, numbers=numbers)
    return [_indented(said)]


def ranges(results: Results, read: list[tuple[str, str]]) -> str:
    """The lowest and highest value of everything that a claim looked at, one metric after the other."""
    arms: dict[str, list[str]] = {}
    for arm, metric in read:
        values = results.values(arm, metric)
        if values.ndim == 1:
            form = results.lab.metrics[metric].format
            low, high = f"{values.min():{form}}", f"{values.max():{form}}"
            span = low if low == high else _("{low} to {high}").format(low=low, high=high)
            arms.setdefault(metric, []).append(f"{results.label(arm)} {span}")
    between, end = _(", "), _(".")
    told = [
        _("{about}: {said}").format(about=results.lab.metrics[metric].about, said=between.join(said))
        for metric, said in arms.items()
    ]
    return _("; ").join(told) + end


def by_seed(results: Results, made: Verdict) -> list[str]:
    """A row for every number that the claim looked at, a column for every seed."""
    rows = [[_("agrees"), *(_("yes") if truth else _("no") for truth in made.truths)]]
    for arm, metric in made.read:
        values = results.values(arm, metric)
        if values.ndim == 1:
            form = results.lab.metrics[metric].format
            name = _("{label}: {about}").format(label=results.label(arm), about=results.lab.metrics[metric].about)
            rows.append([name, *(f"{value:{form}}" for value in values)])
    heads = [_("seed"), *map(str, results.seeds)]
    return Grid(heads, rows, WIDTH - 4).lines()


def _not_finite(results: Results, made: Verdict) -> str:
    for arm, metric in made.read:
        for seed, row in zip(results.seeds, results.rows[arm]):
            if isinstance(row[metric], float) and not math.isfinite(row[metric]):
                value, label, about = row[metric], results.label(arm), results.lab.metrics[metric].about
                return _(
                    "With seed {seed} a number is not finite ({label}: {about} = {value}), so there is nothing to compare."
                ).format(seed=seed, label=label, about=about, value=value)
    return _("A curve holds a number that is not finite.")


def again(results: Results, judged: list[Verdict], *, ours: bool) -> list[str]:
    """What to type when the run did not settle every claim."""
    lab, reasons = results.lab, {made.reason for made in judged}
    if reasons == {"all"}:
        return []
    if not ours:
        return [_("\nWith the lesson's settings: fledge lab run {lab}").format(lab=lab.id)]
    more = 2 * len(results.seeds)
    return [_("\nWith more seeds: fledge lab run {lab} --seeds {more}").format(lab=lab.id, more=more)]


# Tables


def numbers_table(results: Results) -> list[str]:
    """The numbers (curves and matrices are for the picture), as lines of at most 80 columns.

    Arms are columns when they fit beside each other; else rows; else the table is cut into several.
    """
    lab = results.lab
    names = [name for name in lab.metrics if results.values(results.arms[0], name).ndim == 1]
    columns = {str(results.label(arm)): [cell(results, arm, name) for name in names] for arm in results.arms}
    for which, head in (("chance", _("chance")), ("floor", _("floor"))):
        marks = [lab.metrics[name].landmark(which, results.settings) for name in names]
        if any(mark is not None for mark in marks):
            columns[head] = [
                "" if mark is None else f"{mark:{lab.metrics[name].format}}" for name, mark in zip(names, marks)
            ]
    rows = [str(lab.metrics[name].about) for name in names]
    upright = Grid(["", *columns], [[row, *cells] for row, *cells in zip(rows, *columns.values())])
    turned = Grid(["", *rows], [[head, *cells] for head, cells in columns.items()])
    return min(upright, turned, key=Grid.pieces).lines()  # upright when both need as many pieces


def cell(results: Results, arm: str, name: str) -> str:
    """mean ± standard deviation of a number over the seeds."""
    values = results.values(arm, name)
    form = results.lab.metrics[name].format
    if len(values) < 2 or values.std() == 0:
        return f"{values.mean():{form}}"
    return f"{values.mean():{form}} ± {values.std(ddof=1):{form}}"


def _indented(text: str) -> str:
    return "  " + wrap(text, indent=4)
