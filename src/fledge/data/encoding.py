"""Which characters a file's bytes are.

UTF-8 where all of it is; else what it looks like: UTF-8 with damage, GB18030 that reads as Chinese, or Windows-1252 that reads
as a Western language. Nearly any bytes decode as one of the last two, so that alone proves nothing. A file that fits none
is refused; one that fits is read line by line, since files are often put together from several: a line that is none of
these, or a damaged one, is for the caller to quarantine or to patch.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fledge.errors import UserError
from fledge.lang import _

CHUNK = 1 << 20
ENOUGH = 1 << 18  # bytes that show an encoding: a line may be a whole book
DAMAGE = 0.01  # share of the bytes: more places that are no UTF-8 than that, and it is no UTF-8
# A text is Chinese in GB18030 when this share of its characters is common: simplified Chinese has 0.97; UTF-8, Big5 and
# Latin-1 taken for GB18030 below 0.35.
COMMON = 0.8
# Windows-1252: letters of Western European languages (without ÿ, þ and ð, which stray bytes and other code pages give), and
# the signs that Windows programs put in.
WESTERN = frozenset(
    "ƒŠŒšœŸÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûü€‚„…†‡ˆ‰‘’“”•–—˜™‹›¡£§ª«®°±²³´·º»¼½¾¿©\xa0\xad"
)
HIGH = re.compile(rb"[\x80-\xff]")
HIGH_RUN = re.compile(rb"[\x80-\x9f\xa1-\xff]{3,}")  # Portuguese has two in a row; without the no-break space of « »
WESTERN_SHARE, ONE_LINE = 0.25, 0.9  # most bytes that are such letters; least of them that must be in WESTERN
UNDECODED = re.compile("[\udc80-\udcff]+")  # bytes that were kept as they are (surrogateescape)


@dataclass
class Patches:
    """What was mended while a file was read: kind -> (how often, in which line first)."""

    found: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, kind: str, line: int, count: int = 1) -> None:
        before, first = self.found.get(kind, (0, line))
        self.found[kind] = before + count, first

    def sentences(self, name: str) -> list[str]:
        """One for every kind."""
        return [_sentence(kind, name, count, line) for kind, (count, line) in self.found.items()]


def _sentence(kind: str, name: str, count: int, line: int) -> str:
    if kind == "nul":
        return _("{name}: NUL bytes were left out: {count} (the first is in line {line})").format(
            name=name, count=count, line=line
        )
    if kind == "damaged":
        return _("{name}: bytes that are no character became �, in lines: {count} (the first is line {line})").format(
            name=name, count=count, line=line
        )
    codec = {"cp1252": "Windows-1252", "gb18030": "GB18030"}[kind]
    return _("{name}: lines that are not UTF-8 and are read as {codec}: {count} (the first is line {line})").format(
        name=name, codec=codec, count=count, line=line
    )


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacking `.gz`."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


def chunks(file: IO[bytes], path: Path, size: int = CHUNK) -> Iterator[bytes]:
    """The bytes of a file in pieces. UserError when they cannot be unpacked."""
    try:
        while chunk := file.read(size):
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise cut_off(path, error) from None


def cut_off(path: Path, error: Exception) -> UserError:
    return UserError(
        _("{path} cannot be unpacked ({error}): download or compress it again").format(path=path, error=error)
    )


def sniff(path: Path) -> tuple[str, bool]:
    """(codec, is it sure that all bytes decode): a byte-order mark decides, then whether all of it is UTF-8, then its looks.

    UserError for a file that is none of the encodings of this module.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    head, read = b"", 0
    with open_bytes(path) as file:
        for chunk in chunks(file, path):
            if not read:
                head = chunk
                if chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    return "utf-16", True
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                at = error.start - (len(error.object) - len(chunk))
                return _by_its_looks(path, head, chunk, max(at, 0), read + at)
            read += len(chunk)
    rest = decoder.getstate()[0]
    if rest:  # the file ends in the middle of a character
        return _by_its_looks(path, head, b"", 0, read - len(rest))
    return "utf-8-sig", True


def _by_its_looks(path: Path, head: bytes, chunk: bytes, at: int, broken: int) -> tuple[str, bool]:
    """By the beginning of the file and by what stands around the first byte that is no UTF-8, at `at` of `chunk`."""
    around = chunk[max(0, at - ENOUGH // 4) : at + ENOUGH // 2]
    data = chunk if chunk is head and len(head) <= ENOUGH // 2 else head[: ENOUGH // 4] + b"\n" + around
    codec = looks_like(data.removeprefix(codecs.BOM_UTF8))
    if codec is None and looks_like(b"\n".join(line for line in data.split(b"\n") if not _is_utf8(line))):
        codec = "utf-8-sig"  # with lines of another encoding, which are read as what they look like
    if codec is None:
        raise UserError(
            _("{path} is neither UTF-8, GB18030 nor Windows-1252 (byte {broken} is wrong): save it as UTF-8").format(
                path=path, broken=broken
            )
        )
    return codec, False


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def looks_like(data: bytes) -> str | None:
    """The codec that bytes which are not UTF-8 throughout were most likely written with; None: none of ours."""
    data = data[:ENOUGH]
    places = UNDECODED.findall(data.decode("utf-8", "surrogateescape"))
    if not places:
        return "utf-8-sig"
    wrong, high = sum(map(len, places)), len(HIGH.findall(data))
    if is_chinese(data):
        return "gb18030"
    # The other bytes above ASCII are UTF-8; half of Big5's are, by accident.
    if high >= 5 * wrong:
        return "utf-8-sig"
    if is_western(data):
        return "cp1252"
    return "utf-8-sig" if len(places) <= max(1, DAMAGE * len(data)) else None


def is_chinese(data: bytes) -> bool:
    """Whether bytes read as GB18030 are mostly common Chinese (GB 2312 level 1, or punctuation), hardly any damaged."""
    high = [character for character in data[:ENOUGH].decode("gb18030", "replace") if character > "\x7f"]
    leads = [character.encode("gb18030")[0] for character in high if character != "\ufffd"]
    common = sum(0xB0 <= lead <= 0xD7 or 0xA1 <= lead <= 0xA3 for lead in leads)
    if not leads or common < COMMON * len(high) or len(high) - len(leads) > DAMAGE * len(high):
        return False
    # Korean in EUC-KR has the same bytes as the syllables from a to qu; those from ran to zuo are two in five of Chinese.
    return common < 20 or sum(0xC9 <= lead <= 0xD7 for lead in leads) >= 0.1 * common


def is_western(data: bytes) -> bool:
    """Whether bytes read as Windows-1252 are a text with the letters and signs of a Western European language."""
    high = HIGH.findall(data)
    if not high or len(high) > WESTERN_SHARE * len(data):
        return False
    western = sum(byte.decode("cp1252", "replace") in WESTERN for byte in high)
    return western >= ONE_LINE * len(high) and sum(map(len, HIGH_RUN.findall(data))) <= (1 - ONE_LINE) * len(high)


def decode_line(line: bytes, codec: str) -> tuple[str, str] | None:
    """(text, codec) of one line of a file that mostly is `codec`: as UTF-8, as that, or as what itself looks like; None: damaged.

    Two Chinese characters in GB18030 may happen to be valid UTF-8 (联通); they are read as the rest of their file.
    """
    if _is_utf8(line) and not (codec == "gb18030" and not line.isascii() and is_chinese(line)):
        return line.decode("utf-8-sig"), "utf-8-sig"
    try:
        return line.decode(codec), codec
    except UnicodeDecodeError:
        own = looks_like(line)
    try:
        return (line.decode(own), own) if own else None
    except UnicodeDecodeError:
        return None
