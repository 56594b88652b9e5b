"""A GGUF file: what its header says, and its tensors one at a time.

    "GGUF", version, number of tensors, number of facts | facts: name, kind, value | tensors: name, sizes, kind, offset | data

The header is read here: the `gguf` package's reader makes objects of every token (13 s for a vocabulary of 49,152, where this
takes a tenth of one). Quantised blocks are that package's to turn into numbers.
Source: ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from fledge.errors import UserError
from fledge.lang import _

SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}  # kind -> struct's
STRING, ARRAY = 8, 9
PLAIN = {
    0: ("F32", "<f4"),
    1: ("F16", "<f2"),
    30: ("BF16", "<u2"),
}  # kind -> safetensors' name, numpy's (it has no bf16)
VERSIONS = (2, 3)


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: `shape` as torch has it (GGUF counts sizes from the last), `start` and `size` in bytes."""

    shape: tuple[int, ...]
    kind: int
    start: int
    size: int

    @property
    def dtype(self) -> str:
        """What `GgufFile.read` gives, in safetensors' words: quantised tensors become F32."""
        return PLAIN[self.kind][0] if self.kind in PLAIN else "F32"


class GgufFile:
    """An opened GGUF. `facts`: its metadata by name; `tensors`: by llama.cpp's names. UserError when it is none, or not whole."""

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise UserError(_("there is no file '{path}'.").format(path=path))
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise UserError(_("{path} is no GGUF file.").format(path=path))
            try:
                self.facts, found = _header(file, path)
            except EOFError:
                raise self._short() from None
            except (ValueError, OverflowError) as error:
                raise damaged(path, str(error)) from None
            end = file.seek(0, 2)
        self.tensors = {name: Stored(shape, kind, start, self._size(shape, kind)) for name, shape, kind, start in found}
        if any(stored.start + stored.size > end for stored in self.tensors.values()):
            raise self._short()

    def read(self, name: str) -> np.ndarray:
        """One tensor: fp32 or fp16, or uint16 where `dtype` is BF16. Plain ones are views of the file, quantised ones fp32."""
        stored = self.tensors[name]
        raw = np.memmap(self.path, np.uint8, "r", stored.start, (stored.size,))
        if stored.kind in PLAIN:
            return raw.view(PLAIN[stored.kind][1]).reshape(stored.shape)
        gguf = package(self.path)
        blocks = raw.reshape(*stored.shape[:-1], -1)
        try:
            numbers: np.ndarray = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType(stored.kind))
        except NotImplementedError:
            raise UserError(
                _(
                    "{path}: the gguf package cannot read blocks of kind {kind}: update it, or take another file."
                ).format(path=self.path, kind=gguf.GGMLQuantizationType(stored.kind).name)
            ) from None
        return numbers.reshape(stored.shape)

    def _size(self, shape: tuple[int, ...], kind: int) -> int:
        """Bytes of a tensor in the file."""
        count = math.prod(shape)
        if kind in PLAIN:
            return count * np.dtype(PLAIN[kind][1]).itemsize
        gguf = package(self.path)
        try:
            block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]
        except (KeyError, ValueError):
            raise damaged(self.path, _("no kind of tensor has the number {kind}").format(kind=kind)) from None
        if not shape or shape[-1] % block:
            raise damaged(self.path, _("a row of {shape} is no whole number of blocks").format(shape=list(shape)))
        return count // block * size

    def _short(self) -> UserError:
        return UserError(_("{path} is cut short: download it again.").format(path=self.path))


def package(path: Path | str) -> Any:
    """The `gguf` package; UserError when it is not installed."""
    try:
        import gguf
    except ModuleNotFoundError:
        raise UserError(_("reading {path} needs gguf: run  pip install gguf").format(path=path)) from None
    return gguf


def damaged(path: Path, why: str) -> UserError:
    return UserError(_("{path} is damaged ({why}): download it again.").format(path=path, why=why))


def _header(file: IO[bytes], path: Path) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...], int, int]]]:
    """The facts; and name, shape, kind and first byte of every tensor."""
    read = _Reader(file)
    version = read.number("I")
    if version not in VERSIONS:
        raise UserError(
            _("{path} is a GGUF of version {version}; 2 and 3 can be read.").format(path=path, version=version)
        )
    num_tensors, num_facts = read.number("Q"), read.number("Q")
    facts = {}
    for _each in range(num_facts):
        name = read.text()
        facts[name] = read.value(read.number("I"))
    tensors = []
    for _each in range(num_tensors):
        name = read.text()
        sizes = [read.number("Q") for _each in range(read.number("I"))]
        tensors.append((name, tuple(reversed(sizes)), read.number("I"), read.number("Q")))
    align = facts.get("general.alignment", 32)
    if type(align) is not int or align < 1:
        raise ValueError(f"general.alignment={align}")
    start = -(-file.tell() // align) * align
    return facts, [(name, shape, kind, start + offset) for name, shape, kind, offset in tensors]


class _Reader:
    """Little-endian values one after another; EOFError where the file ends before one does."""

    def __init__(self, file: IO[bytes]):
        self.file = file
        at = file.tell()
        self.end = file.seek(0, 2)
        file.seek(at)

    def take(self, size: int) -> bytes:
        if size > self.end - self.file.tell():  # before anything of that size is asked for
            raise EOFError
        return self.file.read(size)

    def number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))[0]

    def text(self) -> str:
        return self.take(self.number("Q")).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind != ARRAY:
            raise ValueError(_("no value has the kind {kind}").format(kind=kind))
        inner, count = self.number("I"), self.number("Q")
        if inner == STRING:
            return [self.text() for _each in range(count)]
        if inner not in SCALARS:
            raise ValueError(_("no value has the kind {kind}").format(kind=inner))
        return list(
            struct.unpack(f"<{count}{SCALARS[inner]}", self.take(count * struct.calcsize(f"<{SCALARS[inner]}")))
        )
