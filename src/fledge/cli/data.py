"""`fledge data check|get|clean|convert`: see a data file the way training will; download data; clean and convert it."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import _, both

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text as RichText

    from fledge.data.check import DataCheck, Example
    from fledge.tokenizer import Tokenizer

SHOWN_LEARNED, SHOWN_CONTEXT = 400, 120  # tokens shown of one stretch; the middle of a longer one is only counted


@dataclass
class CheckFlags:
    """Show a data file as training will see it: schema, bad rows, lengths, and which tokens are learned."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """.jsonl, .json, .csv, .tsv (each also .gz), .parquet, or any plain text."""
    tokenizer: str | None = None
    """Folder of a tokenizer or a model. Default: a small one is trained on the file itself."""
    rows: int = 5
    """Rows to print."""
    seq_len: int = 512
    """Length of a training row: what is longer is marked."""
    json: bool = False
    """Print the findings as JSON."""


def main(argv: list[str]) -> int:
    from fledge.cli.data_clean import clean
    from fledge.cli.data_convert import convert
    from fledge.cli.data_get import get

    table = {
        "check": (check_file, both("show a data file as training will see it")),
        "get": (get, both("download data sets by name or address")),
        "clean": (
            clean,
            both("repair, filter and deduplicate data, with a report of what was dropped"),
        ),
        "convert": (convert, both("write conversations in another schema: MiniMind, OpenAI, ShareGPT, Alpaca")),
    }
    return subverb(table, argv, "fledge data")


def check_file(argv: list[str]) -> int:
    """Exit code 1 when more rows are bad than good."""
    flags = parse(CheckFlags, argv, "fledge data check")
    for name, value, least in (("--rows", flags.rows, 0), ("--seq-len", flags.seq_len, 1)):
        if value < least:
            raise UserError(
                _("{name} is {value}; it must be at least {least}.").format(name=name, value=value, least=least)
            )
    from fledge.data.check import check
    from fledge.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(Path(flags.tokenizer)) if flags.tokenizer else None
    found = check(flags.file, tokenizer, rows=flags.rows, seq_len=flags.seq_len)
    if flags.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False))
    else:
        show(found, flags.seq_len)
    return int(len(found.bad) > found.good)


def show(found: DataCheck, seq_len: int) -> None:
    """Print the report, in colour where the terminal has it."""
    from rich.console import Console

    console = Console(highlight=False)
    schemas = ", ".join(f"{name} {count:,}" for name, count in found.schemas.items())
    console.print(
        _("{path}: {kind} data, good rows: {good:,} (schemas: {schemas})").format(
            path=found.path, kind=found.kind, good=found.good, schemas=schemas
        ),
        style="bold",
    )
    for note in found.notes:
        console.print(note, style="yellow", markup=False)
    if found.own_tokenizer:
        size = f"{found.tokenizer.vocab_size:,}"
        console.print(
            _("No tokenizer was given: one of {size} tokens was trained on this file.").format(size=size),
            style="dim",
        )
    for example in found.examples:
        name = f" · {example.name}" if example.name else ""
        console.rule(
            _("line {line}{name} · {num_ids:,} tokens, {learned:,} learned").format(
                line=example.line, name=name, num_ids=len(example.ids), learned=sum(example.mask)
            ),
            align="left",
            style="dim",
        )
        console.print(paint(example, found.tokenizer, seq_len, colour=bool(console.color_system)))
    console.rule(style="dim")
    console.print(_legend(colour=bool(console.color_system)))
    console.print()
    _show_lengths(found, seq_len, console)
    if found.bad:
        console.print(
            _("{length:,} rows cannot be read and are left out:").format(length=len(found.bad)),
            style="red",
        )
        for bad in found.bad[:10]:
            place = _("line {line}: ").format(line=bad.line)
            console.print(f"  {place}{bad.reason}", markup=False)
        if len(found.bad) > 10:
            more = f"{len(found.bad) - 10:,}"
            console.print(_("  … and {more} more (--json lists them)").format(more=more))


def _legend(*, colour: bool) -> RichText:
    from rich.text import Text as RichText

    if not colour:
        return RichText(_("⟦learned⟧  the rest is context only"))
    legend = RichText().append(_("learned"), "bold green").append("  ").append(_("context only"), "dim").append("  ")
    return legend.append(_("control token"), "magenta").append(_("  one background, one token"))


def _show_lengths(found: DataCheck, seq_len: int, console: Console) -> None:
    """How many tokens there are, how long the rows are, and what of them would be lost."""
    tokens = sum(found.lengths)
    share = f"{found.trained / max(1, tokens):.0%}"
    rows = len(found.lengths)
    of = _(" of the first {rows:,} rows").format(rows=rows) if found.partial else ""
    console.print(
        _("{tokens:,} tokens{of}, {share} learned. Tokens per row:").format(tokens=tokens, of=of, share=share)
    )
    for label, count, bar in histogram(found.lengths):
        console.print(f"  {label:>15} {count:>9,} {bar}")
    if found.longer and found.kind == "text":
        console.print(
            _("{longer:,} of the documents go on in further rows of {seq_len} tokens.").format(
                longer=found.longer, seq_len=seq_len
            )
        )
    elif found.longer:
        console.print(
            _(
                "{longer:,} rows are longer than {seq_len} tokens and would be cut at the end; "
                "{lost:,} of them lose every learned token and would be left out (--seq-len)."
            ).format(longer=found.longer, seq_len=seq_len, lost=found.lost),
            style="yellow",
        )


def paint(example: Example, tokenizer: Tokenizer, seq_len: int, colour: bool) -> Any:
    """A row as rich text: one background, one token; learned tokens green; ✂ is where a training row ends.

    Without colour, learned stretches stand in ⟦ ⟧. The middle of a long stretch is left out.
    """
    from rich.text import Text as RichText

    text = RichText()
    for start, end, learned in stretches(example.mask):
        half = (SHOWN_LEARNED if learned else SHOWN_CONTEXT) // 2
        parts = [(start, end)] if end - start <= 2 * half else [(start, start + half), (end - half, end)]
        text.append("⟦" if learned and not colour else "")
        for number, (low, high) in enumerate(parts):
            if number:
                count = f"{high - half - start - half:,}"
                text.append(_(" … {count} tokens … ").format(count=count), "italic dim")
            if not colour:
                text.append(tokenizer.decode(example.ids[low:high], skip_special=False))
                continue
            for place in range(low, high):
                if place == seq_len + 1:
                    text.append("✂", "bold red")
                spelled, control = spell(tokenizer, example.ids[place])
                style = ("bold magenta" if learned else "magenta") if control else "bold green" if learned else "dim"
                text.append(spelled, f"{style} on {'grey23' if place % 2 else 'grey11'}")
        text.append("⟧" if learned and not colour else "")
    return text


def stretches(mask: list[bool]) -> list[tuple[int, int, bool]]:
    """(start, end, learned) of every run of equal mask."""
    edges = [0, *(i for i in range(1, len(mask)) if mask[i] != mask[i - 1]), len(mask)]
    return [(start, end, mask[start]) for start, end in itertools.pairwise(edges)]


def spell(tokenizer: Tokenizer, id: int) -> tuple[str, bool]:
    """(what a token looks like, is it a control token): line breaks are shown, bytes that are no whole character are hex."""
    spelled = tokenizer.token_bytes(id)
    if not spelled:
        return tokenizer.token_name(id), True
    try:
        return spelled.decode("utf-8").replace("\n", "↵\n").replace("\t", "→\t"), False
    except UnicodeDecodeError:
        return "".join(f"‹{byte:02x}›" for byte in spelled), False


def histogram(lengths: list[int], width: int = 40) -> list[tuple[str, int, str]]:
    """(range, count, bar) by powers of two."""
    counts: dict[int, int] = {}
    for length in lengths:
        counts[(length - 1).bit_length()] = counts.get((length - 1).bit_length(), 0) + 1
    top = max(counts.values(), default=1)
    low, high = min(counts, default=0), max(counts, default=-1)
    lines = []
    for power in range(low, high + 1):
        count = counts.get(power, 0)
        lines.append((f"{(1 << power >> 1) + 1:,}–{1 << power:,}", count, "█" * -(-count * width // top)))
    return lines
