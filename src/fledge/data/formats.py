"""The formats of data files, row by row: JSON lines, JSON, tables (.csv, .tsv), parquet, plain text.

Every function yields (line, value): a decoded JSON value or a dict, or a `BadRow` for what cannot be read. Lines count
from 1; rows of parquet, and those of a list inside a JSON object, are numbered.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fledge.data.encoding import Patches
from fledge.data.rows import SCHEMA_KEYS, schema_of
from fledge.data.source import BLANKS, MAX_LINE, Source, blank
from fledge.data.turns import BadRow
from fledge.errors import UserError
from fledge.lang import N_, _

SEPARATOR = (
    "<|endoftext|>"  # between the documents of a plain text (TinyStories): as characters nobody wants to learn it
)
JSON_ERRORS = {  # Python's words for a line that is not JSON
    "Expecting value": N_("Expecting value"),
    "Expecting property name enclosed in double quotes": N_("Expecting property name enclosed in double quotes"),
    "Expecting ':' delimiter": N_("Expecting ':' delimiter"),
    "Expecting ',' delimiter": N_("Expecting ',' delimiter"),
    "Extra data": N_("Extra data"),
    "Unterminated string starting at": N_("Unterminated string starting at"),
    "Invalid control character at": N_("Invalid control character at"),
    "Invalid \\escape": N_("Invalid \\escape"),
    "Invalid \\uXXXX escape": N_("Invalid \\uXXXX escape"),
}


def json_rows(source: Source) -> Iterator[tuple[int, Any]]:
    """The rows of a JSON file: of an array, one a line, or values that stretch over several lines."""
    first = source.first_line()
    if first.startswith("["):
        yield from _array(source)
        return
    if first.startswith("{") and _goes_on(first):
        text = source.text(patched=False)
        try:
            json.JSONDecoder().raw_decode(text, _skip(text, 0, BLANKS))
        except (ValueError, RecursionError):  # one broken line: the others may be rows
            source.patches = Patches()
        else:
            yield from _values(source, text)
            return
    yield from _json_lines(source)


def documents(source: Source) -> Iterator[tuple[int, Any]]:
    """A plain text: one document, or as many as `SEPARATOR` parts."""
    text = source.text()
    line, found = 1, False
    for part in text.split(SEPARATOR) if SEPARATOR in text else [text]:
        if part.strip():
            found = True
            yield line, {"text": part if part is text else part.strip("\n")}
        line += part.count("\n")
    if not found:
        raise blank(source.path)


def csv_rows(source: Source, delimiter: str) -> Iterator[tuple[int, Any]]:
    """The rows of a .csv or .tsv by the names in its first line. A comma may be a semicolon, as spreadsheets write it."""
    first = source.first_line()
    if delimiter == "," and "," not in first:
        delimiter = next((sign for sign in ";\t" if sign in first), ",")
    csv.field_size_limit(MAX_LINE)
    reader = csv.reader(io.StringIO(source.text(), newline=""), delimiter=delimiter)
    names: list[str] = []
    end = 0  # of the row before: a row may have line ends in its quotes
    try:
        for cells in reader:
            line, end = end + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = [cell.strip() for cell in cells]
            elif len(cells) != len(names):
                have, want = len(cells), len(names)
                yield (
                    line,
                    BadRow(_("{have} columns, and {want} in the first line").format(have=have, want=want)),
                )
            else:
                yield line, dict(zip(names, cells))
    except csv.Error as error:
        raise UserError(
            _(
                "{path} is not a table that can be read (line {line_num}: {error}): check its quotes, or save it as .jsonl"
            ).format(path=source.path, line_num=reader.line_num, error=error)
        ) from None


def parquet(path: Path) -> Iterator[tuple[int, Any]]:
    """The rows of a parquet file. Columns that are null are left out, unless no schema knows what remains."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(_("reading {path} needs pyarrow: run  pip install pyarrow").format(path=path)) from None
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    given = {key: value for key, value in row.items() if value is not None}
                    yield number, given if any(key in given for key in SCHEMA_KEYS) else row
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(
            _("{path} is not a parquet file that can be read ({error})").format(path=path, error=error)
        ) from None


def _json_lines(source: Source) -> Iterator[tuple[int, Any]]:
    for number, line in source.lines():
        if isinstance(line, BadRow):
            yield number, line
            continue
        try:
            if text := line.rstrip():
                yield from _rows_in(number, json.loads(text), "\\ud" in text.lower())
        except json.JSONDecodeError as error:
            said, column = json_error(error.msg), error.colno
            yield number, BadRow(_("not JSON: {said} (column {column})").format(said=said, column=column))
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits; brackets nested 100,000 deep
            yield number, BadRow(_("not JSON that can be read: {error}").format(error=error))


def _array(source: Source) -> Iterator[tuple[int, Any]]:
    """The items of a JSON array, decoded one by one; a syntax error says where it stands."""
    text = source.text(patched=False)
    decoder, odd = json.JSONDecoder(), _is_odd(source, text)
    position, line, counted = text.index("[") + 1, 1, 0
    try:
        while True:
            position = _skip(text, position, " \t\r\n")
            if text[position : position + 1] == "]":
                break
            line, counted = line + text.count("\n", counted, position), position
            value, position = decoder.raw_decode(text, position)
            yield line, _paired(value, odd)
            position = _skip(text, position, " \t\r\n")
            if text[position : position + 1] == ",":
                position += 1
            elif text[position : position + 1] != "]":
                raise json.JSONDecodeError(_("Expecting ',' or ']'"), text, position)
        if (position := _skip(text, position + 1, BLANKS)) < len(text):
            raise json.JSONDecodeError(_("Extra data after the array"), text, position)
    except json.JSONDecodeError as error:
        raise _not_json(source.path, error) from None


def _values(source: Source, text: str) -> Iterator[tuple[int, Any]]:
    """JSON values, each over as many lines as it likes."""
    decoder, odd = json.JSONDecoder(), _is_odd(source, text)
    position = _skip(text, 0, BLANKS)
    line, counted = 1, 0
    try:
        while position < len(text):
            line, counted = line + text.count("\n", counted, position), position
            value, position = decoder.raw_decode(text, position)
            yield from _rows_in(line, value, odd)
            position = _skip(text, position, BLANKS)
    except json.JSONDecodeError as error:
        raise _not_json(source.path, error) from None


def _not_json(path: Path, error: json.JSONDecodeError) -> UserError:
    line, column, said = error.lineno, error.colno, json_error(error.msg)
    return UserError(
        _(
            "{path} is not valid JSON (line {line} column {column}: {said}): mend it, or write one row a line as .jsonl"
        ).format(path=path, line=line, column=column, said=said)
    )


def _goes_on(line: str) -> bool:
    """Whether a line is JSON up to its end, which lies in a later line."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line)
    except (ValueError, RecursionError):
        pass
    return False


def _rows_in(line: int, value: Any, odd: bool) -> Iterator[tuple[int, Any]]:
    """The value, or the rows inside an object that is no row itself but holds one list of them, as `{"data": [...]}`."""
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list) and item]
        if len(lists) == 1 and all(isinstance(row, dict | str) for row in lists[0]):
            try:
                schema_of(value)
            except BadRow:
                yield from ((number, _paired(row, odd)) for number, row in enumerate(lists[0], 1))
                return
    yield line, _paired(value, odd)


def _is_odd(source: Source, text: str) -> bool:
    """Whether a text may hold what is no character."""
    return "damaged" in source.patches.found or "\\ud" in text.lower()


def _paired(value: Any, odd: bool) -> Any:
    """The value, or a BadRow if it holds half a surrogate pair (`\\ud83d` alone, or a byte that was none), no character."""
    try:
        if odd:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        if "\udc80" <= error.object[error.start] <= "\udcff":
            byte = ord(error.object[error.start]) - 0xDC00
            return BadRow(_("not UTF-8 (it holds the byte 0x{byte:02x})").format(byte=byte))
        return BadRow(_("half a surrogate pair (\\ud800 to \\udfff) is no character"))
    return value


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def json_error(said: str) -> str:
    """What Python says of wrong JSON, in the user's language where it is known."""
    key = said.rstrip(": ")
    return str(JSON_ERRORS.get(key, key))
