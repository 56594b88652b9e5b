"""`fledge tokenizer train|extend|compare|show`: learn a vocabulary, give a model's more tokens, measure and look at them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import N_, _, both, readable

PROG = "fledge tokenizer"
LANGUAGES = {"zh": N_("Chinese"), "en": N_("English"), "other": N_("other")}


@dataclass
class TrainFlags:
    """Learn a byte-level BPE vocabulary from your own text and write it as a Hugging Face folder."""

    data: tuple[Path, ...]
    """Text files: .txt, or .jsonl, .json, .csv, .tsv (each also .gz), .parquet with a field `text`."""
    out: Path
    """The folder to write: tokenizer.json, tokenizer_config.json, chat_template.jinja."""
    vocab_size: int = 4096
    """How many tokens, the 9 special ones and 256 bytes included; 1,000 to 32,000 is useful."""
    max_mb: float = 200.0
    """Read at most so many MB of text, an equal share of each file: more changes the vocabulary little."""
    json: bool = False
    """Print the result as JSON."""


@dataclass
class ExtendFlags:
    """Give a model new tokens for a text that it reads in many small pieces, say of another language; then train it further on it.

    Old tokens keep their numbers and their rows; a new one's row is the mean of those that it was written with.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """a run's name, a model folder, or what `fledge get` fetched"""
    data: tuple[Path, ...]
    """Text files, as for `fledge tokenizer train`."""
    out: Path
    """The model folder to write; it must be new or empty."""
    add: int = 4096
    """How many new tokens at most."""
    max_mb: float = 20.0
    """Read at most so many MB of text, an equal share of each file."""
    json: bool = False
    """Print the result as JSON."""


@dataclass
class CompareFlags:
    """Measure tokenizers on one text: bytes per token, by language too, and the share of a model's parameters."""

    data: tuple[Path, ...]
    """The text files to measure on; use text that none of the tokenizers was trained on."""
    tokenizers: tuple[Path, ...] = ()
    """Folders with a tokenizer.json: ours, MiniMind's, Qwen's, …"""
    preset: str = "cpu-6m"
    """The model whose embedding is counted: what part of all its parameters this vocabulary would take."""
    max_mb: float = 20.0
    """Read at most so many MB of text, an equal share of each file."""
    json: bool = False
    """Print the result as JSON."""


@dataclass
class ShowFlags:
    """Print a text token by token, in colours, with the ids underneath."""

    tokenizer: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """A folder with a tokenizer.json."""
    text: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="TEXT")] = None
    """The text; without it, what comes through the pipe."""
    special: bool = False
    """Read control tokens such as <|im_end|> in the text as what they are, not as plain characters."""
    json: bool = False
    """Print ids and tokens as JSON."""


def main(argv: list[str]) -> int:
    return subverb(
        {
            "train": (
                lambda argv: train(parse(TrainFlags, argv, f"{PROG} train")),
                both("learn a vocabulary from text"),
            ),
            "extend": (
                lambda argv: extend(parse(ExtendFlags, argv, f"{PROG} extend")),
                both("give a model more tokens for a text"),
            ),
            "compare": (
                lambda argv: compare(parse(CompareFlags, argv, f"{PROG} compare")),
                both("measure tokenizers"),
            ),
            "show": (
                lambda argv: show(parse(ShowFlags, argv, f"{PROG} show")),
                both("see a text as tokens, in colours"),
            ),
        },
        argv,
        PROG,
    )


def train(flags: TrainFlags) -> int:
    if flags.out.is_file():
        raise UserError(
            _("'{out}' is a file, and a tokenizer is a folder: give --out another name.").format(out=flags.out)
        )
    if (flags.out / "config.json").exists():
        raise UserError(
            _("'{out}' holds a model, which would lose its own tokenizer: give --out another folder.").format(
                out=flags.out
            )
        )
    from fledge.tokenizer import Tokenizer

    sample = _Sample(flags.data, flags.max_mb)
    start = time.perf_counter()
    tokenizer = Tokenizer.train(sample, flags.vocab_size, progress=sys.stderr.isatty() and not flags.json)
    seconds = time.perf_counter() - start
    tokenizer.save(flags.out)
    result = {
        "folder": str(flags.out),
        "vocab_size": tokenizer.vocab_size,
        "documents": sample.documents,
        "bytes": sample.bytes,
        "seconds": round(seconds, 2),
        "notes": sample.notes,
    }
    if flags.json:
        print(json.dumps(result, ensure_ascii=False))
        return 0
    print(
        _("{vocab_size:,} tokens from {documents:,} documents, {megabytes:.1f} MB, in {seconds:.1f} s → {out}").format(
            vocab_size=tokenizer.vocab_size,
            documents=sample.documents,
            megabytes=sample.bytes / 1e6,
            seconds=seconds,
            out=flags.out,
        )
    )
    if tokenizer.vocab_size < flags.vocab_size:
        print(
            _("That is fewer than the {vocab_size:,} asked for: no further pair occurs twice in this text.").format(
                vocab_size=flags.vocab_size
            )
        )
    for note in sample.notes:
        print(note)
    look = f'{PROG} show {flags.out} "Hello, 你好!"'
    print(_("Look at it: {look}").format(look=look))
    return 0


def extend(flags: ExtendFlags) -> int:
    if flags.add < 1:
        raise UserError(_("--add is {add}; it must be at least 1.").format(add=flags.add))
    if flags.out.exists() and (not flags.out.is_dir() or any(flags.out.iterdir())):
        raise UserError(_("'{out}' is there already: name a new or empty folder with --out.").format(out=flags.out))
    from fledge.model.folder import load_model, save_model
    from fledge.model.growing import grow_vocabulary
    from fledge.model.source import find_model
    from fledge.records import whole_folder
    from fledge.tokenizer import Tokenizer
    from fledge.tokenizer.extend import extend as extended

    base, sample = find_model(flags.model), _Sample(flags.data, flags.max_mb)
    texts = list(sample)
    old = Tokenizer.load(base)
    new, pieces = extended(old, texts, flags.add)
    model = load_model(base)
    grow_vocabulary(model, pieces)
    with whole_folder(flags.out) as partial:
        save_model(model, partial)
        new.save(partial)
    before, after = (sample.bytes / sum(map(len, tokenizer.encode_batch(texts))) for tokenizer in (old, new))
    result = {
        "folder": flags.out.as_posix(),
        "added": len(pieces),
        "vocab_size": new.vocab_size,
        "bytes_per_token": [round(before, 3), round(after, 3)],
        "parameters": model.config.num_parameters()["total"],
        "notes": sample.notes,
    }
    if flags.json:
        print(json.dumps(result, ensure_ascii=False))
        return 0
    print(
        _(
            "{added:,} new tokens, {size:,} in all; this text has {before:.2f} bytes a token, and now {after:.2f} → {out}"
        ).format(added=len(pieces), size=new.vocab_size, before=before, after=after, out=flags.out.as_posix())
    )
    for note in sample.notes:
        print(note)
    command = f"fledge train pretrain --model {flags.out.as_posix()} --data {flags.data[0].as_posix()}"
    print(_("The model must learn to use them: {command}").format(command=command))
    return 0


def compare(flags: CompareFlags) -> int:
    from rich.console import Console

    from fledge.cli.tokenizer_view import measure
    from fledge.display.terminal import table
    from fledge.tokenizer import Tokenizer

    loaded = [(folder.name or str(folder), Tokenizer.load(folder)) for folder in flags.tokenizers]
    sample = _Sample(flags.data, flags.max_mb)
    texts = list(sample)
    rows = measure(texts, loaded, flags.preset)
    if flags.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    languages = [name for name in ("zh", "en", "other") if name in rows[0]["bytes_per_token_by_language"]]
    size = f"{rows[0]['bytes'] / 1e6:.2f} MB"
    title = _("{size} of text; embedding of a {preset} model").format(size=size, preset=flags.preset)
    sizes = (_("vocab"), _("tokens"), _("bytes/token"))
    heads = (_("tokenizer"), *sizes, *(str(LANGUAGES[name]) for name in languages), _("embedding"))
    names = [_("raw bytes"), _("characters"), *(row["tokenizer"] for row in rows[2:])]
    cells = [
        (
            name,
            f"{row['vocab_size']:,}",
            f"{row['tokens']:,}",
            f"{row['bytes_per_token']:.2f}",
            *(f"{row['bytes_per_token_by_language'][language]:.2f}" for language in languages),
            f"{row['embedding_parameters'] / 1e6:.2f}M = {row['embedding_share']:.0%}",
        )
        for name, row in zip(names, rows)
    ]
    console = Console()
    console.print(table(heads, cells, title=title), "", sep="\n")
    lossy = [
        _("{tokenizer} does not give the text back exactly.").format(tokenizer=row["tokenizer"])
        for row in rows
        if not row["round_trip"]
    ]
    for note in [*lossy, *sample.notes]:
        console.print(note)
    console.print(
        _(
            "More bytes per token: fewer steps for the same text, and more text in the context. A larger vocabulary: "
            "more parameters in the embedding that could have been layers."
        ),
        style="dim",
    )
    return 0


def show(flags: ShowFlags) -> int:
    from rich.console import Console

    from fledge.cli.tokenizer_view import token_text, token_view
    from fledge.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(flags.tokenizer)
    text = flags.text
    if text is None:
        if sys.stdin.isatty():
            raise UserError(
                _('There is no text to show; give it in quotes: {prog} show {tokenizer} "Hello".').format(
                    prog=PROG, tokenizer=flags.tokenizer
                )
            )
        text = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    text = readable(text)
    ids = tokenizer.encode(text, special=flags.special)
    if flags.json:
        tokens = [{"id": id, "text": token_text(tokenizer, id), "bytes": tokenizer.token_bytes(id).hex()} for id in ids]
        print(json.dumps({"tokens": tokens, "bytes": len(text.encode("utf-8"))}, ensure_ascii=False))
        return 0
    console = Console(highlight=False)
    console.print(token_view(tokenizer, ids, console.width))
    size = len(text.encode("utf-8"))
    rate = size / max(len(ids), 1)
    console.print(
        _("{num_ids} tokens, {length} characters, {size} bytes: {rate:.2f} bytes per token").format(
            num_ids=len(ids), length=len(text), size=size, rate=rate
        ),
        style="dim",
    )
    return 0


class _Sample:
    """The texts of files, an equal share of `max_mb` from each; counts what it gave (once it has been read through)."""

    def __init__(self, paths: Sequence[Path], max_mb: float):
        if not paths:
            raise UserError(_("there is no text to read: name at least one file after --data."))
        if not max_mb > 0:
            raise UserError(_("--max-mb is {max_mb:g}; it must be above 0.").format(max_mb=max_mb))
        self.paths = paths
        self.limit = max_mb * 1e6 / max(len(paths), 1)
        self.documents = self.bytes = 0
        self.notes: list[str] = []  # what was left out, one sentence each

    def __iter__(self) -> Iterator[str]:
        from fledge.data import Quarantine, read_rows
        from fledge.data.rows import TextRow

        for path in self.paths:
            quarantine, left = Quarantine(), int(self.limit)
            for row in read_rows(path, "text", quarantine):
                whole = cast(TextRow, row).text
                text = whole[:left]  # a character is a byte or more
                if text:
                    size = len(text.encode("utf-8"))
                    left = max(left - size, 0)
                    self.documents += 1
                    self.bytes += size
                    yield text
                if len(text) < len(whole):
                    self.notes.append(
                        _("Of {path} only the first {megabytes:.3g} MB were read (--max-mb).").format(
                            path=path, megabytes=self.limit / 1e6
                        )
                    )
                    break
            self.notes += quarantine.notes
            if quarantine.bad:
                self.notes.append(quarantine.summary())
