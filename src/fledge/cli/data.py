"""`fledge data check|get|clean`: see a data file the way training will; download data; clean it."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import Text, say

if TYPE_CHECKING:
    from fledge.data.check import Check, Example
    from fledge.tokenizer import Tokenizer

SHOWN_LEARNED, SHOWN_CONTEXT = 400, 120  # tokens shown of one stretch; the middle of a longer one is only counted


@dataclass
class CheckFlags:
    """Show a data file as training will see it: schema, bad rows, lengths, and which tokens are learned."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """.jsonl, .json, .csv, .tsv, .parquet (each also .gz), or any plain text."""
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
    from fledge.cli.data_get import get

    table = {
        "check": (check_file, Text("按训练看到的样子显示一个数据文件", "show a data file as training will see it")),
        "get": (get, Text("按名字或地址下载数据", "download data sets by name or address")),
        "clean": (
            clean,
            Text(
                "修复、过滤数据并去掉重复的，写明丢了什么",
                "repair, filter and deduplicate data, with a report of what was dropped",
            ),
        ),
    }
    return subverb(table, argv, "fledge data")


def check_file(argv: list[str]) -> int:
    """Exit code 1 when more rows are bad than good."""
    flags = parse(CheckFlags, argv, "fledge data check")
    for name, value, least in (("--rows", flags.rows, 0), ("--seq-len", flags.seq_len, 1)):
        if value < least:
            raise UserError(
                say(f"{name} 是 {value}，但至少应该是 {least}。", f"{name} is {value}; it must be at least {least}.")
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


def show(found: Check, seq_len: int) -> None:
    """Print the report, in colour where the terminal has it."""
    from rich.console import Console
    from rich.text import Text as RichText

    console = Console(highlight=False)
    facts = found.as_dict()
    schemas = ", ".join(f"{name} {count:,}" for name, count in found.schemas.items())
    console.print(
        say(
            f"{found.path}：{found.kind} 数据，好的行：{found.good:,}（格式：{schemas}）",
            f"{found.path}: {found.kind} data, good rows: {found.good:,} (schemas: {schemas})",
        ),
        style="bold",
    )
    for note in found.notes:
        console.print(note, style="yellow", markup=False)
    if found.own_tokenizer:
        size = f"{found.tokenizer.vocab_size:,}"
        console.print(
            say(
                f"没有给分词器：用这个文件训练了一个 {size} 个词元的。",
                f"No tokenizer was given: one of {size} tokens was trained on this file.",
            ),
            style="dim",
        )
    for example in found.examples:
        name = f" · {example.name}" if example.name else ""
        console.rule(
            say(
                f"第 {example.line} 行{name} · {len(example.ids):,} 个词元，要学的 {sum(example.mask):,} 个",
                f"line {example.line}{name} · {len(example.ids):,} tokens, {sum(example.mask):,} learned",
            ),
            align="left",
            style="dim",
        )
        console.print(paint(example, found.tokenizer, seq_len, colour=bool(console.color_system)))
    console.rule(style="dim")
    legend = RichText()
    learned, context = say("要学的", "learned"), say("只作上文", "context only")
    if console.color_system:
        legend.append(learned, "bold green").append("  ").append(context, "dim").append("  ")
        legend.append(say("控制词元", "control token"), "magenta")
        legend.append(say("  一块底色是一个词元", "  one background, one token"))
    else:
        legend.append(say("⟦要学的⟧  其余只作上文", "⟦learned⟧  the rest is context only"))
    console.print(legend)
    console.print()
    share = f"{found.trained / max(1, facts['tokens']):.0%}"
    rows = len(found.lengths)
    of = say(f"前 {rows:,} 行", f" of the first {rows:,} rows") if found.partial else ""
    console.print(
        say(
            f"{of}共 {facts['tokens']:,} 个词元，其中 {share} 要学。每行的词元数：",
            f"{facts['tokens']:,} tokens{of}, {share} learned. Tokens per row:",
        )
    )
    for label, count, bar in histogram(found.lengths):
        console.print(f"  {label:>15} {count:>9,} {bar}")
    if found.longer and found.kind == "text":
        console.print(
            say(
                f"有 {found.longer:,} 篇文本要接着占用后面的行，每行 {seq_len} 个词元。",
                f"{found.longer:,} of the documents go on in further rows of {seq_len} tokens.",
            )
        )
    elif found.longer:
        console.print(
            say(
                f"有 {found.longer:,} 行超过 {seq_len} 个词元，结尾会被截掉；\n"
                f"其中 {found.lost:,} 行要学的词元会全部丢失，这些行会被跳过（--seq-len）。",
                f"{found.longer:,} rows are longer than {seq_len} tokens and would be cut at the end; {found.lost:,} of them "
                "lose every learned token and would be left out (--seq-len).",
            ),
            style="yellow",
        )
    if found.bad:
        console.print(
            say(
                f"有 {len(found.bad):,} 行读不了，已跳过：",
                f"{len(found.bad):,} rows cannot be read and are left out:",
            ),
            style="red",
        )
        for bad in found.bad[:10]:
            place = say(f"第 {bad.line} 行：", f"line {bad.line}: ")
            console.print(f"  {place}{bad.reason}", markup=False)
        if len(found.bad) > 10:
            more = f"{len(found.bad) - 10:,}"
            console.print(say(f"  … 还有 {more} 行（--json 全部列出）", f"  … and {more} more (--json lists them)"))


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
                text.append(say(f" … {count} 个词元 … ", f" … {count} tokens … "), "italic dim")
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
