"""Download one file so that it is whole and the right one: goes on after a break, checks, and renames when complete.

While it runs there are two files beside the target: `NAME.part`, the bytes so far, and `NAME.part.json`, which version
of the file they belong to. A second call goes on from there when the server still has that version (HTTP Range), else
from the start. A complete file is renamed at once, and `NAME.source.json` records where it came from and its SHA-256,
so that a later call notices a change of the file here or at the publisher.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from fledge.data.remote import BREAKS, Again, Remote, ask, sentence
from fledge.errors import UserError
from fledge.lang import _
from fledge.records import write_atomic

CHUNK = 1 << 18
ROOM = 64 << 20  # bytes of disk that stay free
LONGEST_WAIT = 60.0
FULL = (errno.ENOSPC, errno.EDQUOT)
OURS = (*FULL, errno.EACCES, errno.EPERM, errno.EROFS)  # errors of this machine, not of the way


@dataclass(frozen=True)
class Settings:
    """`tries`: failures in a row without a new byte before giving up; `wait`: seconds before the second one, doubled after."""

    tries: int = 6
    wait: float = 1.0
    timeout: float = 30.0


@dataclass(frozen=True)
class Got:
    """What a download came to. `checked`: by whom the checksum is known: "list", "server", or "" for nobody."""

    path: str
    url: str
    size: int
    sha256: str
    checked: str
    downloaded: bool
    resumed_at: int = 0


def record_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.source.json")


def part_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def probe(url: str, settings: Settings | None = None) -> Remote:
    """What the server has at `url`, from one byte of it; UserError in one sentence when there is nothing to be had."""
    settings = settings or Settings()
    failures = 0
    while True:
        wait = None
        try:
            remote = ask(url, "0-0", settings.timeout)
            remote.body.close()
            if remote.size == 0:
                raise UserError(_("{url} is an empty file: try another --source.").format(url=url))
            return remote
        except Again as again:
            said, wait = str(again), again.after
        except BREAKS as error:
            said = sentence(error)
        failures += 1
        if failures >= min(3, settings.tries):
            raise UserError(
                _("{url} cannot be reached: {said}; check the connection, or name another source.").format(
                    url=url, said=said
                )
            )
        _pause(settings, failures, wait)


def fetch(
    url: str,
    target: Path,
    *,
    remote: Remote | None = None,
    sha256: str | None = None,
    force: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, size: None,
    settings: Settings | None = None,
) -> Got:
    """Download `url` to `target`. `sha256`: what the file must be; without it, what the server says of it.

    `force` replaces a file that is there. `progress(done, size)` is called in bytes. UserError says what stopped it;
    the bytes so far stay, as they do on Ctrl-C.
    """
    settings = settings or Settings()
    remote = remote or probe(url, settings)
    expected = sha256 or remote.sha256
    checked = "list" if sha256 else "server" if remote.sha256 else ""
    if target.exists() and not force:
        return _already(target, url, remote, expected, checked)
    part = _Part(part_path(target), remote, sha256)
    _check_room(target, (remote.size or 0) - part.done)
    resumed_at = part.done
    try:
        _fill(url, part, progress, settings)
    except OSError as error:
        if error.errno not in FULL:
            raise
        kept = megabytes(part.path.stat().st_size)
        raise UserError(
            _("the disk of {target} is full; {kept} are kept: make room, and the same command goes on.").format(
                target=target, kept=kept
            )
        ) from None
    digest = part.hasher.hexdigest()
    part.state_path.unlink(missing_ok=True)
    if expected and digest != expected:
        bad = target.with_name(f"{target.name}.bad")
        os.replace(part.path, bad)
        raise UserError(
            _(
                "{url} arrived whole but is not the expected file (SHA-256 {digest}…, expected {expected}…): "
                "it is kept as {bad}; try again, or another --source."
            ).format(url=url, digest=digest[:12], expected=expected[:12], bad=bad.name)
        )
    os.replace(part.path, target)
    _record(target, url, part.remote, digest, checked)
    return Got(str(target), url, part.done, digest, checked, True, resumed_at)


class _Part:
    """The bytes so far with their running checksum, and which version of the file they belong to.

    `best` is the most that was ever there of this version: a try that comes no further has failed.
    """

    def __init__(self, path: Path, remote: Remote, pinned: str | None):
        self.path, self.remote, self.pinned = path, remote, pinned
        self.state_path = path.with_name(f"{path.name}.json")
        self.done = self.best = 0
        self.hasher = hashlib.sha256()
        if self._fits():
            self.hasher = _hash(path)
            self.done = self.best = path.stat().st_size
        else:
            self.restart(remote)

    @property
    def whole(self) -> bool:
        return self.remote.size is not None and self.done == self.remote.size

    def restart(self, remote: Remote) -> None:
        """Forget the bytes; a new version of the file also forgets how far the old one came."""
        if remote.tag != self.remote.tag or remote.size != self.remote.size:
            self.best = 0
        self.remote, self.done, self.hasher = remote, 0, hashlib.sha256()
        self.path.write_bytes(b"")
        write_atomic(self.state_path, json.dumps(self._state()) + "\n")

    def add(self, file: IO[bytes], chunk: bytes) -> None:
        file.write(chunk)
        self.hasher.update(chunk)
        self.done += len(chunk)

    def _state(self) -> dict[str, Any]:
        return {"version": self.pinned or self.remote.tag, "size": self.remote.size}

    def _fits(self) -> bool:
        """Whether what lies there is the beginning of what the server has now; a file without any name of its version never is."""
        state = _read_json(self.state_path)
        if not state or not state.get("version") or state != self._state() or not self.path.exists():
            return False
        return self.remote.size is not None and self.path.stat().st_size <= self.remote.size


def _fill(url: str, part: _Part, progress: Callable[[int, int | None], None], settings: Settings) -> None:
    """Download until the part is whole; UserError after `tries` tries in a row that brought nothing new."""
    failures = 0
    while not part.whole:
        wait = None
        try:
            if _append(url, part, progress, settings):
                return
            said = _("the connection broke")  # the body ended before it was whole
        except Again as again:
            said, wait = str(again), again.after
        except BREAKS as error:
            if isinstance(error, OSError) and error.errno in OURS:
                raise
            said = sentence(error)
        failures = 0 if part.done > part.best else failures + 1
        part.best = max(part.best, part.done)
        if failures >= settings.tries:
            kept = megabytes(part.done)
            raise UserError(
                _("{url}: {said}, {failures} times in a row; {kept} are kept, and the same command goes on.").format(
                    url=url, said=said, failures=failures, kept=kept
                )
            )
        _pause(settings, failures, wait)


def _append(url: str, part: _Part, progress: Callable[[int, int | None], None], settings: Settings) -> bool:
    """One request for the bytes that are missing; True when the file is whole. False: ask again."""
    strong = part.remote.etag if part.remote.etag.startswith('"') and not part.remote.sha256 else ""
    answer = ask(url, f"{part.done}-", settings.timeout, strong if part.done else "")
    with contextlib.closing(answer.body):
        if answer.tag != part.remote.tag or answer.size != part.remote.size:
            part.restart(answer)  # the file was replaced on the server in the meantime
        elif part.done and answer.start != part.done:
            part.restart(answer)  # no ranges here: all of it comes again
        if (answer.start or 0) != part.done:
            return False
        with part.path.open("ab") as file:
            try:
                while chunk := answer.body.read(CHUNK):
                    part.add(file, chunk)
                    progress(part.done, part.remote.size)
            finally:
                file.flush()
                os.fsync(file.fileno())
    if part.remote.size is None:
        return True  # nobody said how long it is; it came to its end without a complaint
    if part.done > part.remote.size:
        part.restart(part.remote)
    return part.whole


def _pause(settings: Settings, failures: int, wait: float | None) -> None:
    time.sleep(min(LONGEST_WAIT, settings.wait * 2 ** max(0, failures - 1) if wait is None else wait))


def _already(target: Path, url: str, remote: Remote, expected: str | None, checked: str) -> Got:
    """The file is there: the right one, or a sentence about what changed, here or at the publisher."""
    digest = _hash(target).hexdigest()
    size = target.stat().st_size
    record = _read_json(record_path(target))
    if digest == expected:
        if not record:
            _record(target, url, remote, digest, checked)
        return Got(str(target), url, size, digest, checked, False)
    if record and record.get("sha256") != digest:
        raise UserError(
            _("{target} was changed after it was downloaded: rename it, or --force downloads it again.").format(
                target=target
            )
        )
    if expected is None and record and (record.get("size"), record.get("tag")) == (remote.size, remote.tag):
        return Got(str(target), url, size, digest, checked, False)
    if record:
        date, here, there = str(record.get("date"))[:10], megabytes(size), megabytes(remote.size)
        raise UserError(
            _(
                "the publisher has another {target} now than the one downloaded on {date} ({here} here, "
                "{there} there): rename it, or --force replaces it."
            ).format(target=target.name, date=date, here=here, there=there)
        )
    raise UserError(
        _("{target} is there already and is not the published file: rename it, or --force replaces it.").format(
            target=target
        )
    )


def _check_room(target: Path, missing: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if missing + ROOM > free:
        needed, left, folder = megabytes(missing), megabytes(free), target.parent.resolve()
        raise UserError(
            _(
                "{target} needs {needed} more and the disk of {folder} has {left}: make room, or name another folder with --to."
            ).format(target=target.name, needed=needed, folder=folder, left=left)
        )


def _record(target: Path, url: str, remote: Remote, digest: str, checked: str) -> None:
    found = {
        "url": url,
        "size": remote.size if remote.size is not None else target.stat().st_size,
        "tag": remote.tag,
        "sha256": digest,
        "checked_by": checked or _("nobody publishes a checksum: this one is of what arrived"),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    write_atomic(record_path(target), json.dumps(found, ensure_ascii=False, indent=1) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _hash(path: Path) -> Any:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher


def megabytes(size: int | None) -> str:
    """A size to read: 23 KB, 1.2 MB, 8.3 GB (powers of ten, as publishers write them)."""
    if size is None:
        return _("an unknown size")
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return _("{size} bytes").format(size=size)
