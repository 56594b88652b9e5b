"""A world report as a table for people: every number beside its uncertainty, and beside the floor or chance."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from fledge.display.terminal import table
from fledge.evaluate.interval import Rate
from fledge.evaluate.score import Score
from fledge.evaluate.world import HALLUCINATION, WorldReport
from fledge.lang import N_, _, pgettext

TEXTS = {
    "all": N_("all"),
    "zh": N_("Chinese"),
    "en": N_("English"),
    "both": N_("both languages"),
}
TAGS = {
    "template": N_("template"),
    "choice": N_("free choice"),
    "name": N_("name"),
    "common": N_("common fact"),
    "rare": N_("rare fact"),
    "arithmetic": N_("arithmetic"),
    "state": N_("carried state"),
}
FAMILIES = {
    "fact_seen_form": N_("facts, seen forms"),
    "fact_heldout_form": N_("facts, new forms"),
    "fact_unasked": N_("facts only read"),
    "fact_cross_language": N_("other language"),
    "two_hop": N_("two hops"),
    "arithmetic_seen": N_("sums, seen"),
    "arithmetic_heldout": N_("sums, new"),
    "format": N_("format"),
    HALLUCINATION: N_("hallucination ↓"),
}


def print_world(report: WorldReport, console: Console | None = None) -> None:
    """Print a report in the learner's language."""
    console = console or Console()
    console.print(_bits_table(report), "", _rates_table(report), "", sep="\n")
    console.print(
        _(
            "[ ] is the 95 % interval; 'chance' is what knowing nothing would get. Hallucination: "
            "asked about people who do not exist, it did not say that it does not know."
        ),
        markup=False,
    )


def print_scores(scores: dict[str, Score], console: Console | None = None) -> None:
    """Print the scores of text files (path -> score)."""
    heads = (_("file"), _("bits/byte"), _("perplexity"), pgettext("heading", "tokens"), _("bytes"))
    rows = [
        (Path(name).name, f"{score.bpb:.4f}", f"{score.perplexity:.2f}", f"{score.tokens:,}", f"{score.bytes:,}")
        for name, score in scores.items()
    ]
    (console or Console()).print(table(heads, rows, title=_("Surprise over texts")))


def _bits_table(report: WorldReport) -> Table:
    rows: list[tuple[str, ...] | None] = []
    for names, kinds in ((TEXTS, report.bits), (TAGS, report.bits_by_tag)):
        for key in [*(k for k in names if k in kinds), *(k for k in kinds if k not in names)]:
            bits = kinds[key]
            above = f"{bits.bpb / bits.floor - 1:+.1%}" if bits.floor > 0.05 else f"{bits.bpb - bits.floor:+.3f}"
            figures = f"{bits.bpb:.3f}", f"{bits.half_width:.3f}", f"{bits.floor:.3f}", above, f"{bits.bytes:,}"
            rows.append((str(names.get(key, key)), *figures))
        rows.append(None)
    heads = ("", _("model"), "±", _("floor"), _("above"), _("bytes"))
    return table(heads, rows, title=_("Bits per byte on validation text, beside the floor"))


def _rates_table(report: WorldReport) -> Table:
    heads = ("", pgettext("heading", "right"), _("95 % interval"), _("chance"), "n", _("zh"), _("en"))
    rows = []
    for key in [*(k for k in FAMILIES if k in report.rates), *(k for k in report.rates if k not in FAMILIES)]:
        rate = report.rates[key]
        low, high = rate.interval
        by_lang = [_percent(report.rates_by_lang.get(lang, {}).get(key)) for lang in ("zh", "en")]
        interval = rf"\[{low:.1%}, {high:.1%}]"
        figures = _percent(rate), interval, f"{rate.chance:.1%}", str(rate.n), *by_lang
        rows.append((str(FAMILIES.get(key, key)), *figures))
    return table(heads, rows, title=_("Answers"))


def _percent(rate: Rate | None) -> str:
    return "-" if rate is None or not rate.n else f"{rate.value:.1%}"
