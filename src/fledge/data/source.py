"""A data file as characters: its lines, one in memory at a time, or its whole text. What is damaged is mended, or named."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fledge.data.encoding import Patches, chunks, cut_off, decode_line, open_bytes
from fledge.data.turns import BadRow
from fledge.errors import UserError
from fledge.lang import _

MAX_LINE = 32 * 2**20  # bytes of one JSON line: a longer one is a broken file, not a row, and is not loaded
BLANKS = " \t\r\n\0\ufeff"


class Source:
    """A file and what is known of its characters. `sure`: every byte decodes; `patches`: what was mended."""

    def __init__(self, path: Path, codec: str, sure: bool) -> None:
        self.path, self.codec, self.sure = path, codec, sure
        self.patches = Patches()

    def lines(self) -> Iterator[tuple[int, str | BadRow]]:
        """Every line, one in memory at a time. Lines over the limit, and damaged ones, are bad rows."""
        for number, line in enumerate(_bounded_lines(self.path, self.codec), 1):
            if line is None:
                size = MAX_LINE >> 20
                yield number, BadRow(_("the line is longer than {size} MB").format(size=size))
            elif isinstance(line, str):
                yield number, line
            else:
                text = self._decoded(line, number)
                yield number, _not_utf8(line) if text is None else text

    def text(self, patched: bool = True) -> str:
        """All of it, with `\\n` line ends, so that a Windows checkout gives the same tokens; bytes that are no character become
        U+FFFD, or (not `patched`) are kept as half surrogate pairs."""
        with open_bytes(self.path) as file:
            data = b"".join(chunks(file, self.path))
        if self.codec == "utf-16":
            return _utf16(self.path, data).replace("\r\n", "\n")
        if self.sure:
            if b"\0" in data:
                self.patches.add("nul", data.count(b"\n", 0, data.index(b"\0")) + 1, data.count(b"\0"))
            return data.replace(b"\0", b"").decode(self.codec).replace("\r\n", "\n")
        lines = []
        for number, line in enumerate(data.split(b"\n"), 1):
            text = self._decoded(line, number)
            if text is None:
                self.patches.add("damaged", number)
                text = line.replace(b"\0", b"").decode("utf-8", "replace" if patched else "surrogateescape")
            lines.append(text.removesuffix("\r"))
        return "\n".join(lines)

    def first_line(self) -> str:
        """The first line that is not blank, without blanks around it, of at most a million bytes; UserError when there is none."""
        with open_bytes(self.path) as file:
            if self.codec == "utf-16":
                file = io.TextIOWrapper(file, encoding="utf-16", errors="replace", newline="\n")  # type: ignore[assignment]
            try:
                while line := file.readline(1 << 20):
                    text = line if isinstance(line, str) else line.decode("utf-8", "replace")
                    if text.strip(BLANKS):
                        return text.strip(BLANKS)
            except (OSError, EOFError, zlib.error) as error:
                raise cut_off(self.path, error) from None
        raise blank(self.path)

    def _decoded(self, line: bytes, number: int) -> str | None:
        if b"\0" in line:
            self.patches.add("nul", number, line.count(b"\0"))
            line = line.replace(b"\0", b"")
        if self.sure:
            return line.decode(self.codec)
        found = decode_line(line, self.codec)
        if found is None:
            return None
        if found[1] != "utf-8-sig":
            self.patches.add(found[1], number)
        return found[0]


def blank(path: Path) -> UserError:
    return UserError(_("{path} holds only white space: give a file with text in it").format(path=path))


def _bounded_lines(path: Path, codec: str) -> Iterator[bytes | str | None]:
    """Every line, with None for one over the limit, whose rest is skipped without being held.

    Lines are split at the byte 0x0A, which no character of UTF-8 or GB18030 contains; UTF-16 has to be decoded first.
    """
    with open_bytes(path) as binary:
        wide = codec == "utf-16"
        file: IO[Any] = io.TextIOWrapper(binary, encoding="utf-16", newline="\n") if wide else binary
        end: Any = "\n" if wide else b"\n"
        try:
            while line := file.readline(MAX_LINE + 1):
                too_long = len(line) > MAX_LINE
                while too_long and line and not line.endswith(end):
                    line = file.readline(1 << 20)
                yield None if too_long else line
        except UnicodeDecodeError as error:
            raise _not_utf16(path, error) from None
        except (OSError, EOFError, zlib.error) as error:
            raise cut_off(path, error) from None


def _utf16(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise _not_utf16(path, error) from None


def _not_utf16(path: Path, error: UnicodeDecodeError) -> UserError:
    return UserError(
        _("{path} is not valid UTF-16 ({reason}): save it as UTF-8").format(path=path, reason=error.reason)
    )


def _not_utf8(line: bytes) -> BadRow:
    try:
        line.decode("utf-8")
        place, byte = 0, line[0]
    except UnicodeDecodeError as error:
        place, byte = error.start, line[error.start]
    return BadRow(_("not UTF-8 (byte {place} of the line is 0x{byte:02x})").format(place=place, byte=byte))
