"""Read files row by row: .jsonl, .json, .csv, .tsv, .parquet, anything else as text; `.gz` of each but parquet.

Whatever is wrong with the whole file (missing, empty, binary, a web page, unreadable) is a `UserError` in one sentence.
Whatever is wrong with one row goes to the quarantine (file, line, reason) and never stops or silently shrinks a run: the
counts are shown, and so is what was mended on the way. When more rows are bad than good, the file is probably not what
the user thinks, and the first reason is raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fledge.data.encoding import chunks, open_bytes, sniff
from fledge.data.formats import SEPARATOR, csv_rows, documents, json_rows, parquet
from fledge.data.rows import Kind, Row, as_row, parse, schema_of
from fledge.data.source import Source
from fledge.data.turns import BadRow
from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _

JSON_FORMATS = (".jsonl", ".json", ".ndjson")
TABLES = {".csv": ",", ".tsv": "\t"}
ROW_FORMATS = (*JSON_FORMATS, *TABLES, ".parquet")
HEAD = 1 << 16  # bytes in which a file shows what it is
# Control characters that no text has (but for a few, by accident). Of random bytes, and of compressed data, 10 % are some.
CONTROL = re.compile(rb"[\x00-\x07\x0e-\x1a\x1c-\x1f]")
BINARY, FEW = 0.02, 3
BEGINNINGS = {  # of files that are often taken for data
    b"PK\x03\x04": N_("a ZIP archive (.xlsx and .docx are ones)"),
    b"\x1f\x8b": N_("compressed by gzip (its name must end in .gz)"),
    b"BZh": N_("compressed by bzip2"),
    b"\xfd7zXZ": N_("compressed by xz"),
    b"(\xb5/\xfd": N_("compressed by zstd"),
    b"PAR1": N_("a parquet file (its name must end in .parquet)"),
    b"%PDF-": Text("PDF", "a PDF"),
}


@dataclass(frozen=True)
class Bad:
    """One row that could not be read. `line` counts from 1 (for parquet: the row)."""

    file: str
    line: int
    reason: str


@dataclass
class Quarantine:
    """What a reading left out, how many rows it kept, and a sentence for everything it mended or decided on the way."""

    good: int = 0
    bad: list[Bad] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One sentence for the user; empty when nothing was left out."""
        if not self.bad:
            return ""
        first, bad, rows = self.bad[0], len(self.bad), self.good + len(self.bad)
        return _("{bad} of {rows} rows could not be read; the first is {file} line {line}: {reason}").format(
            bad=bad, rows=rows, file=first.file, line=first.line, reason=first.reason
        )


def read_rows(path: str | Path, kind: Kind, quarantine: Quarantine | None = None) -> Iterator[Row]:
    """Yield the rows of one file as `kind`. Bad rows go to `quarantine`; UserError if they outnumber the good."""
    path = check_file(path)
    quarantine = quarantine if quarantine is not None else Quarantine()
    rows = raw_rows(path, kind, quarantine.notes.append)
    yield from parse_rows(rows, kind, quarantine, path.name, str(path))


def parse_rows(
    raws: Iterable[tuple[int, Any]], kind: Kind, quarantine: Quarantine, name: str, path: str | None = None
) -> Iterator[Row]:
    """Parse (line, raw row) pairs; a raw row is a dict in any schema, a string (text), a row type, or a `BadRow`."""
    good_before, bad_before = quarantine.good, len(quarantine.bad)
    for line, raw in raws:
        try:
            row = parse(raw, kind)
        except BadRow as error:
            quarantine.bad.append(Bad(name, line, str(error)))
            continue
        quarantine.good += 1
        yield row
    good, bad = quarantine.good - good_before, quarantine.bad[bad_before:]
    where = path or name
    if not good and not bad:
        raise UserError(_("{where} holds no rows: give at least one {kind} row").format(where=where, kind=kind))
    if len(bad) > good:
        raise mostly_bad(where, kind, good, bad)


def mostly_bad(where: str | Path, kind: Kind, good: int, bad: list[Bad]) -> UserError:
    """What to say of a file with more bad rows than good ones."""
    line, reason, rows = bad[0].line, bad[0].reason, good + len(bad)
    if not good:
        return UserError(
            _("{where}: none of its rows can be read as {kind} data; line {line}: {reason}").format(
                where=where, kind=kind, line=line, reason=reason
            )
        )
    return UserError(
        _("{where}: only {good} of its {rows} rows can be read as {kind} data; line {line}: {reason}").format(
            where=where, good=good, rows=rows, kind=kind, line=line, reason=reason
        )
    )


def raw_rows(
    path: Path, kind: Kind, note: Callable[[str], object] = lambda sentence: None
) -> Iterator[tuple[int, Any]]:
    """Yield (line number, decoded JSON value or a `BadRow`) of a file that `check_file` has passed.

    `note` receives a sentence for everything that was mended, or read otherwise than its name says, when it is known.
    """
    name = _format(path)
    _refuse_foreign(path, name)
    if name == ".parquet":
        yield from parquet(path)
        return
    source = Source(path, *sniff(path))
    if name in TABLES:
        rows = csv_rows(source, TABLES[name])
    elif name in JSON_FORMATS:
        rows = json_rows(source)
    elif _is_json_rows(source):
        note(_("{path} holds JSON lines and is read as such").format(path=path.name))
        rows = json_rows(source)
    elif kind == "text":
        rows = _counted(documents(source), path, note)
    else:
        raise UserError(
            _("{path} is plain text, which holds no {kind} rows: give .jsonl, .json, .csv or .parquet").format(
                path=path, kind=kind
            )
        )
    for line, value in rows:
        yield line, as_row(value)
    for sentence in source.patches.sentences(path.name):
        note(sentence)


def is_plain_text(path: Path) -> bool:
    """Whether the name says that a file is text and holds no rows."""
    return not _format(path)


def check_file(path: str | Path) -> Path:
    """Return the path if it is a non-empty file; else a UserError that says what to do."""
    path = Path(path)
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.is_file())
        example = _(", for example {path}").format(path=path / inside[0]) if inside else ""
        raise UserError(
            _("{path} is a folder, not a data file: name the files in it{example}").format(path=path, example=example)
        )
    if not path.is_file():
        parent = path.parent
        if not parent.is_dir():
            raise UserError(
                _("there is no file {path}: the folder {parent} does not exist").format(path=path, parent=parent)
            )
        near = suggest(path.name, (p.name for p in parent.iterdir()))
        raise UserError(_("there is no file {path}.{near}").format(path=path, near=near))
    if path.stat().st_size == 0:
        raise UserError(_("{path} is empty (0 bytes): give a file with text in it").format(path=path))
    return path


def _format(path: Path) -> str:
    """The ending that says how a file is read; "" for plain text. Windows adds a .txt to names, and hides it."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".txt").removesuffix(".gz")
    return next((ending for ending in ROW_FORMATS if name.endswith(ending)), "")


def _refuse_foreign(path: Path, name: str) -> None:
    """UserError for what is no data of ours, by its first bytes; much of it decodes, and would be learned without a word."""
    with path.open("rb") as file:
        packed = file.read(HEAD)
    if packed.startswith(b"version https://git-lfs.github.com/spec/"):
        raise UserError(
            _(
                "{path} is a Git LFS pointer and not the data: run `git lfs pull` in its repository, or download the file"
            ).format(path=path)
        )
    if packed.lstrip(b" \t\r\n\xef\xbb\xbf")[:14].lower().startswith((b"<!doctype html", b"<html")):
        raise UserError(
            _(
                "{path} is a web page (HTML) and not data: it was probably downloaded from the address of a page; "
                "download the file itself"
            ).format(path=path)
        )
    if name == ".parquet":
        return
    with open_bytes(path) as file:
        head = next(chunks(file, path, HEAD), b"")
    for beginning, kind in BEGINNINGS.items():
        if head.startswith(beginning):
            raise UserError(
                _("{path} is {kind} and no text: unpack it, or turn it into text, JSON lines or parquet").format(
                    path=path, kind=kind
                )
            )
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16: every second byte of English is NUL
    written = head.rstrip(b"\0") or head  # a computer that lost power leaves a tail of NUL
    controls = len(CONTROL.findall(written))
    if not wide and controls > BINARY * len(written) and (controls > FEW or 4 * controls > len(written)):
        raise UserError(_("{path} is a binary file: give text, JSON lines or parquet").format(path=path))


def _is_json_rows(source: Source) -> bool:
    """Whether a file that is text by its name holds rows of a known schema, one a line."""
    try:
        schema_of(json.loads(source.first_line()))
    except (ValueError, RecursionError):  # a BadRow is a ValueError
        return False
    return True


def _counted(rows: Iterator[tuple[int, Any]], path: Path, note: Callable[[str], object]) -> Iterator[tuple[int, Any]]:
    count = 0
    for row in rows:
        count += 1
        yield row
    if count > 1:
        note(
            _("{path} is parted by {separator} into {count} documents").format(
                path=path.name, separator=SEPARATOR, count=count
            )
        )
