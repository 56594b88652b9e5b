"""Read files row by row: .jsonl, .json (array or lines), .parquet, anything else as one text document; `.gz` of each.

Whatever is wrong with the whole file (missing, empty, binary, unreadable) is a `UserError` in one sentence. Whatever
is wrong with one row goes to the quarantine (file, line, reason) and never stops or silently shrinks a run: the
counts are shown. When more rows are bad than good, the file is probably not what the user thinks, and the first
reason is raised.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fledge.data.rows import BadRow, Kind, Row, json_error, parse
from fledge.errors import UserError, suggest
from fledge.lang import say

MAX_LINE = 32 * 2**20  # bytes of one JSON line: a longer one is a broken file, not a row, and is not loaded
ROW_FORMATS = (".jsonl", ".json", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Bad:
    """One row that could not be read. `line` counts from 1 (for parquet: the row)."""

    file: str
    line: int
    reason: str


@dataclass
class Quarantine:
    """What a reading left out, and how many rows it kept."""

    good: int = 0
    bad: list[Bad] = field(default_factory=list)

    def summary(self) -> str:
        """One sentence for the user; empty when nothing was left out."""
        if not self.bad:
            return ""
        first, bad, rows = self.bad[0], len(self.bad), self.good + len(self.bad)
        return say(
            f"{rows} 行里有 {bad} 行读不了；第一处是 {first.file} 第 {first.line} 行：{first.reason}",
            f"{bad} of {rows} rows could not be read; the first is {first.file} line {first.line}: {first.reason}",
        )


def read_rows(path: str | Path, kind: Kind, quarantine: Quarantine | None = None) -> Iterator[Row]:
    """Yield the rows of one file as `kind`. Bad rows go to `quarantine`; UserError if they outnumber the good."""
    path = check_file(path)
    quarantine = quarantine if quarantine is not None else Quarantine()
    yield from parse_rows(raw_rows(path, kind), kind, quarantine, path.name, str(path))


def parse_rows(
    raws: Iterable[tuple[int, Any]], kind: Kind, quarantine: Quarantine, name: str, path: str | None = None
) -> Iterator[Row]:
    """Parse (line, raw row) pairs; a raw row is a dict in any schema, a string (text), a row type, or a `BadRow`."""
    good_before, bad_before = quarantine.good, len(quarantine.bad)
    for line, raw in raws:
        try:
            if isinstance(raw, BadRow):
                raise raw
            row = parse({"text": raw} if isinstance(raw, str) and kind == "text" else raw, kind)
        except BadRow as error:
            quarantine.bad.append(Bad(name, line, str(error)))
            continue
        quarantine.good += 1
        yield row
    good, bad = quarantine.good - good_before, quarantine.bad[bad_before:]
    if not good and not bad:
        zh = f"{path or name} 里没有数据行：至少要有一行 {kind} 数据"
        raise UserError(say(zh, f"{path or name} holds no rows: give at least one {kind} row"))
    if len(bad) > good:
        line, reason, rows = bad[0].line, bad[0].reason, good + len(bad)
        zh = "里没有一行" if not good else f"的 {rows} 行里只有 {good} 行"
        en = "none of its rows" if not good else f"only {good} of its {rows} rows"
        raise UserError(
            say(
                f"{path or name} {zh}能当作 {kind} 数据来读；第 {line} 行：{reason}",
                f"{path or name}: {en} can be read as {kind} data; line {line}: {reason}",
            )
        )


def raw_rows(path: Path, kind: Kind) -> Iterator[tuple[int, Any]]:
    """Yield (line number, decoded JSON value or a `BadRow`) of a file that `check_file` has passed."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet(path)
        return
    encoding, broken = sniff(path)
    if not name.endswith(ROW_FORMATS):
        if kind != "text":
            zh = f"{path} 是纯文本，里面没有 {kind} 行：改用 .jsonl、.json 或 .parquet"
            en = f"{path} is plain text, which holds no {kind} rows: give .jsonl, .json or .parquet"
            raise UserError(say(zh, en))
        yield 1, {"text": _document(path, encoding, broken)}
    elif _first_character(path, encoding) == "[":
        yield from _array(path, encoding, broken)
    else:
        yield from _lines(path, encoding)


def check_file(path: str | Path) -> Path:
    """Return the path if it is a non-empty file; else a UserError that says what to do."""
    path = Path(path)
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.is_file())
        example = say("，例如", ", for example") + f" {path / inside[0]}" if inside else ""
        zh = f"{path} 是文件夹，不是数据文件：写出里面的文件{example}"
        raise UserError(say(zh, f"{path} is a folder, not a data file: name the files in it{example}"))
    if not path.is_file():
        parent = path.parent
        if not parent.is_dir():
            zh = f"没有文件 {path}：文件夹 {parent} 不存在"
            raise UserError(say(zh, f"there is no file {path}: the folder {parent} does not exist"))
        near = suggest(path.name, (p.name for p in parent.iterdir()))
        raise UserError(say(f"没有文件 {path}。{near}", f"there is no file {path}.{near}"))
    if path.stat().st_size == 0:
        zh = f"{path} 是空的（0 字节）：换一个有文字的文件"
        raise UserError(say(zh, f"{path} is empty (0 bytes): give a file with text in it"))
    return path


def sniff(path: Path) -> tuple[str, int | None]:
    """Find out a file's encoding in one pass: (codec, offset of the first byte that is not UTF-8 or None).

    A byte-order mark decides; else UTF-8 if all of it decodes; else GB18030 if all of it decodes *and* reads as
    Chinese (nearly any bytes decode as GB18030, so that alone proves nothing); else UTF-8 with the offset of the
    first wrong byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = 0
    broken = None
    with open_bytes(path) as file:
        for chunk in _chunks(file, path):
            if not read:
                if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    return "utf-16", None
                if b"\0" in chunk:
                    where = chunk.index(b"\0")
                    zh = f"{path} 是二进制文件（字节 {where} 是 NUL）：改用文本、JSON 行或 parquet"
                    en = f"{path} is a binary file (byte {where} is NUL): give text, JSON lines or parquet"
                    raise UserError(say(zh, en))
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                broken = read + error.start - (len(error.object) - len(chunk))
                break
            read += len(chunk)
        else:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:  # the file ends in the middle of a character
                broken = read - len(error.object) + error.start
    if broken is None:
        return "utf-8-sig", None
    return ("gb18030", None) if _is_chinese_gb18030(path) else ("utf-8-sig", broken)


def _is_chinese_gb18030(path: Path) -> bool:
    """Whether all of the file decodes and most of its Chinese is common (GB 2312 level 1, or punctuation)."""
    decoder = codecs.getincrementaldecoder("gb18030")()
    common = seen = 0
    with open_bytes(path) as file:
        try:
            for chunk in _chunks(file, path):
                text = decoder.decode(chunk)
                for character in (c for c in text[:20_000] if c > "\x7f"):
                    lead = character.encode("gb18030")[0]
                    common += 0xB0 <= lead <= 0xD7 or 0xA1 <= lead <= 0xA3
                    seen += 1
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return (
        seen > 0 and common >= 0.8 * seen
    )  # simplified Chinese: 0.97; UTF-8, Big5 or Latin-1 taken for GB18030: below 0.35


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacking `.gz`."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def _chunks(file: IO[bytes], path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    try:
        while chunk := file.read(size):
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise _cut_off(path, error) from None


def _cut_off(path: Path, error: Exception) -> UserError:
    zh = f"{path} 解压不了（{error}）：重新下载或重新压缩"
    return UserError(say(zh, f"{path} cannot be unpacked ({error}): download or compress it again"))


def _blank(path: Path) -> UserError:
    zh = f"{path} 里只有空白：换一个有文字的文件"
    return UserError(say(zh, f"{path} holds only white space: give a file with text in it"))


def _first_character(path: Path, encoding: str) -> str:
    """The first character that is not white space; a file of nothing else is as good as empty."""
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding=encoding, errors="replace") as text:
        while piece := text.read(4096):
            if piece.strip():
                return piece.strip()[0]
    raise _blank(path)


def _whole(path: Path, encoding: str, broken: int | None) -> str:
    """The decoded file with `\\n` line ends, so that a Windows checkout gives the same tokens."""
    if broken is not None:
        zh = f"{path} 既不是 UTF-8 也不是 GB18030（字节 {broken} 不对）：另存为 UTF-8"
        raise UserError(say(zh, f"{path} is neither UTF-8 nor GB18030 (byte {broken} is wrong): save it as UTF-8"))
    with open_bytes(path) as file:
        data = b"".join(_chunks(file, path))
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:  # only UTF-16 comes here unchecked
        zh = f"{path} 不是有效的 {encoding.upper()}（字节 {error.start} 不对）：另存为 UTF-8"
        en = f"{path} is not valid {encoding.upper()} (byte {error.start} is wrong): save it as UTF-8"
        raise UserError(say(zh, en)) from None


def _document(path: Path, encoding: str, broken: int | None) -> str:
    text = _whole(path, encoding, broken)
    if not text.strip():
        raise _blank(path)
    return text


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, Any]]:
    """JSON lines, one in memory at a time."""
    for number, line in enumerate(_bounded_lines(path, encoding), 1):
        if line is None:
            yield number, BadRow(f"这一行超过 {MAX_LINE >> 20} MB", f"the line is longer than {MAX_LINE >> 20} MB")
            continue
        try:
            text = (line if isinstance(line, str) else line.decode(encoding)).rstrip()
            if text:
                yield number, _paired(json.loads(text), "\\ud" in text.lower())
        except UnicodeDecodeError as error:
            byte = f"0x{error.object[error.start]:02x}"
            zh = f"不是 UTF-8（这一行的字节 {error.start} 是 {byte}）"
            yield number, BadRow(zh, f"not UTF-8 (byte {error.start} of the line is {byte})")
        except json.JSONDecodeError as error:
            zh = f"不是 JSON：{json_error(error.msg)}（第 {error.colno} 列）"
            yield number, BadRow(zh, f"not JSON: {error.msg} (column {error.colno})")
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits; brackets nested 100,000 deep
            yield number, BadRow(f"不是能读的 JSON：{error}", f"not JSON that can be read: {error}")


def _bounded_lines(path: Path, encoding: str) -> Iterator[bytes | str | None]:
    """Every line, with None for one over the limit, whose rest is skipped without being held.

    Lines are split at the byte 0x0A, which no character of UTF-8 or GB18030 contains; UTF-16 has to be decoded first.
    """
    with open_bytes(path) as binary:
        wide = encoding == "utf-16"
        file: IO[Any] = io.TextIOWrapper(binary, encoding="utf-16", newline="\n") if wide else binary
        end: Any = "\n" if wide else b"\n"
        try:
            while line := file.readline(MAX_LINE + 1):
                too_long = len(line) > MAX_LINE
                while too_long and line and not line.endswith(end):
                    line = file.readline(1 << 20)
                yield None if too_long else line
        except (OSError, EOFError, zlib.error) as error:
            raise _cut_off(path, error) from None
        except UnicodeDecodeError as error:
            zh = f"{path} 不是有效的 UTF-16（{error.reason}）：另存为 UTF-8"
            raise UserError(say(zh, f"{path} is not valid UTF-16 ({error.reason}): save it as UTF-8")) from None


def _array(path: Path, encoding: str, broken: int | None) -> Iterator[tuple[int, Any]]:
    """The items of a JSON array, decoded one by one; a syntax error says where it stands."""
    text = _whole(path, encoding, broken)
    decoder, escapes = json.JSONDecoder(), "\\ud" in text.lower()
    position, line, counted = text.index("[") + 1, 1, 0
    try:
        while True:
            position = _skip(text, position, " \t\r\n")
            if text[position : position + 1] == "]":
                break
            line, counted = line + text.count("\n", counted, position), position
            value, position = decoder.raw_decode(text, position)
            yield line, _paired(value, escapes)
            position = _skip(text, position, " \t\r\n")
            if text[position : position + 1] == ",":
                position += 1
            elif text[position : position + 1] != "]":
                raise json.JSONDecodeError(say("这里应该是 ',' 或 ']'", "Expecting ',' or ']'"), text, position)
        if (position := _skip(text, position + 1, " \t\r\n")) < len(text):
            raise json.JSONDecodeError(say("数组后面还有内容", "Extra data after the array"), text, position)
    except json.JSONDecodeError as error:
        line, column, said = error.lineno, error.colno, json_error(error.msg)
        zh = f"{path} 不是有效的 JSON 数组（第 {line} 行第 {column} 列：{said}）：改好它，或写成每行一条的 .jsonl"
        en = f"{path} is not a valid JSON array (line {line} column {column}: {said}): mend it, or write one row a line as .jsonl"
        raise UserError(say(zh, en)) from None


def _paired(value: Any, escapes: bool) -> Any:
    """The value, or a BadRow if it holds half a surrogate pair (`\\ud83d` alone), which is no character."""
    try:
        if escapes:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        en = "half a surrogate pair (\\ud800 to \\udfff) is no character"
        return BadRow("半个代理对（\\ud800 到 \\udfff）不是字符", en)
    return value


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def _parquet(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        zh = f"读 {path} 需要 pyarrow：运行  pip install pyarrow"
        raise UserError(say(zh, f"reading {path} needs pyarrow: run  pip install pyarrow")) from None
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {key: value for key, value in row.items() if value is not None}
    except (pyarrow.ArrowException, OSError) as error:
        zh = f"{path} 不是能读的 parquet 文件（{error}）"
        raise UserError(say(zh, f"{path} is not a parquet file that can be read ({error})")) from None
