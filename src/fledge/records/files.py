"""Files that survive a power cut, and JSON that every reader takes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def cache_root() -> Path:
    """The folder of what can be made again: `FLEDGE_CACHE`, else `fledge` in the user's cache folder."""
    if chosen := os.environ.get("FLEDGE_CACHE"):
        return Path(chosen)
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(local) if local else Path.home() / ".cache") / "fledge"


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomic(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a power cut, finds the old file or the new one and nothing between."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    for attempt in range(20):
        try:
            return os.replace(beside, path)
        except PermissionError:  # Windows: somebody is reading the old file this very moment
            if sys.platform != "win32" or attempt == 19:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its place when the block ends well, and is gone when it does not.

    `folder` is not there yet, or empty; OSError when somebody filled it in the meantime.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed and had the same number
    partial.mkdir(parents=True)
    try:
        yield partial
        if folder.is_dir():
            folder.rmdir()  # Windows renames onto no folder
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON that UTF-8 can hold: a byte of a file name that is no UTF-8 (Python keeps it as half a surrogate pair) is escaped."""
    text = json.dumps(_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def _plain(value: Any) -> Any:
    """JSON has no NaN, tuples, paths or tensors: say them in what it has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):  # a numpy or torch scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
