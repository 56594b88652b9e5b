"""`fledge data clean FILE… --out OUT.jsonl`: repair, filter and deduplicate data, with an account of what went and why."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError
from fledge.lang import N_, _

if TYPE_CHECKING:
    from fledge.data.clean.report import CleaningReport

NAMES = {  # stage -> zh, en
    "read": N_("cannot be read"),
    "repair": N_("encoding repair"),
    "pii": N_("personal data masked"),
    "answers": N_("refusals, copied questions"),
    "length": N_("length"),
    "language": N_("language"),
    "repetition": N_("repetition, symbols"),
    "exact": N_("exact copies"),
    "benchmark": N_("benchmark items"),
    "near": N_("near copies"),
}


@dataclass
class CleanFlags:
    """Mend encodings, mask personal data, drop what repeats; every dropped row is kept beside, with its reason."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """.jsonl, .json, .csv, .tsv (each also .gz), .parquet, or plain text, a document a row."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The cleaned rows, .jsonl, each in the schema it had. What was dropped goes to OUT.dropped.jsonl beside it."""
    report: Path | None = None
    """Write the report as JSON, too."""
    against: tuple[Path, ...] = ()
    """Test files (benchmarks): a row that has 13 words, or 13 Chinese characters, in a row from one of them is dropped."""
    repair: bool = True
    """Mend mojibake; remove control and invisible characters; NFC."""
    pii: bool = True
    """Put tags in place of e-mail, phone, identity card, credit card and IP addresses, and keys."""
    answers: bool = False
    """Drop conversations in which an answer refuses, or only copies its question."""
    length: bool = True
    """Drop rows that are shorter than --min-chars or longer than --max-chars."""
    language: bool = True
    """Drop rows that are mostly in another language than --languages."""
    repetition: bool = True
    """Drop rows that repeat themselves, or are mostly symbols (Gopher's rules, fitted to Chinese, code and tables)."""
    exact: bool = True
    """Drop rows whose text was there before."""
    near: bool = True
    """Drop rows whose text was nearly there before (MinHash)."""
    languages: tuple[Literal["zh", "en", "other"], ...] = ("zh", "en")
    """What may be the main language of a row, by script."""
    min_chars: int = 2
    """Fewest visible characters of a row."""
    max_chars: int = 0
    """Most visible characters of a row; 0 for no limit."""
    similarity: float = 0.75
    """From which Jaccard similarity of its 5-word (5-character) shingles a row is a near copy."""
    force: bool = False
    """Replace OUT when it is there."""
    json: bool = False
    """Print the report as JSON."""


def clean(argv: list[str]) -> int:
    """Exit code 1 when nothing is left."""
    flags = parse(CleanFlags, argv, "fledge data clean")
    if not 0.3 <= flags.similarity <= 1:
        raise UserError(
            _("--similarity is {similarity}; it must be between 0.3 and 1.").format(similarity=flags.similarity)
        )
    if flags.min_chars < 0 or flags.max_chars < 0:
        raise UserError(_("--min-chars and --max-chars cannot be below 0."))
    if flags.out.exists() and not flags.force:
        raise UserError(
            _("'{out}' is there already: give --out another name, or --force to replace it.").format(out=flags.out)
        )
    from rich.console import Console

    from fledge.data.clean import Options
    from fledge.data.clean import clean as run
    from fledge.records import dumps, write_atomic

    options = Options(**{field.name: getattr(flags, field.name) for field in dataclasses.fields(Options)})
    console = Console(highlight=False, stderr=flags.json)
    with console.status(_("cleaning …")) as status:
        report = run(flags.files, flags.out, options, lambda rows: status.update(_("{rows:,} rows").format(rows=rows)))
    if flags.report:
        write_atomic(flags.report, dumps(report.as_dict(), indent=1) + "\n")
    if flags.json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        show(report)
    return int(not report.rows_out)


def show(report: CleaningReport) -> None:
    """The report as a table, with examples underneath."""
    from rich.console import Console
    from rich.text import Text

    from fledge.display.terminal import table

    console = Console(highlight=False)
    heads = (_("stage"), _("rows in"), _("dropped"), "%", _("changed"), _("MB dropped"))
    rows = []
    for stage in report.stages:
        share = f"{stage.dropped / stage.rows_in:.2%}" if stage.rows_in else "–"
        dropped = f"{stage.rows_in:,}", f"{stage.dropped:,}", share
        rows.append((str(NAMES[stage.name]), *dropped, f"{stage.changed:,}", f"{stage.dropped_bytes / 1e6:.2f}"))
    console.print(table(heads, rows))
    for stage in report.stages:
        found = stage.as_dict()
        counts = {**found["reasons"], **found["changes"]}
        if not counts:
            continue
        console.print(
            Text(f"\n{NAMES[stage.name]}: " + ", ".join(f"{what} {n:,}" for what, n in counts.items()), "bold")
        )
        for example in found["examples"]:
            console.print(
                Text(f"  {example['file']}:{example['line']}  {example['what']}  ", "dim") + Text(example["text"], "")
            )
    for note in report.notes:
        console.print(Text(f"\n{note}", "yellow"))
    total = sum(report.languages.values()) or 1.0
    languages = ", ".join(f"{name} {size / total:.0%}" for name, size in report.languages.items())
    speed = report.bytes_in / 1e6 / max(report.seconds, 1e-9)
    if report.unchecked:
        console.print(
            _(
                "\n{unchecked:,} items of the test files are shorter than 13 words (characters) and could not be checked."
            ).format(unchecked=report.unchecked)
        )
    size = f"{report.bytes_out / 1e6:.2f} / {report.bytes_in / 1e6:.2f} MB ({languages})"
    kept = f"{report.rows_out:,} / {report.rows_in:,}"
    took = f"{report.seconds:.1f} s ({speed:.1f} MB/s) → {report.out}"
    line = _("\nKept {rows} rows, {size}, in {took}").format(rows=kept, size=size, took=took)
    console.print(line, soft_wrap=True, markup=False)
    console.print(_("Dropped rows and why: {dropped_file}").format(dropped_file=report.dropped_file), soft_wrap=True)
