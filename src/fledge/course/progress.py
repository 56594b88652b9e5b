"""What the learner did: an append-only log in SQLite, every row chained to the one before it by its hash.

A row's hash is sha256 over the hash before it and everything the row says, so one edited byte, and one row taken out of
the middle, is found by `verify`. (Rows cut off at the end leave a shorter chain that is whole: no chain can show that.)
Standard library only; a learner may look into the file with any SQLite browser.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fledge.course.workspace import find_workspace, write_once
from fledge.errors import UserError
from fledge.lang import _
from fledge.records import dumps

FIELDS = ("id", "time", "kind", "subject", "data", "previous", "hash")
TABLE = """CREATE TABLE events(
    id INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, data TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL)"""
GUARD = "CREATE TRIGGER no_{0} BEFORE {0} ON events BEGIN SELECT RAISE(ABORT, 'the log only grows'); END"
SCHEMA = (TABLE, GUARD.format("update"), GUARD.format("delete"))
SELECT = f"SELECT {', '.join(FIELDS)} FROM events"
INSERT = f"INSERT INTO events({', '.join(FIELDS)}) VALUES (?, ?, ?, ?, ?, ?, ?)"
WAIT = 30.0  # seconds that a writer waits for another one
Row = tuple[int, str, str, str, str, str, str]


@dataclass(frozen=True)
class Event:
    """One thing that happened. `time` is ISO 8601 with the time zone; what `data` holds depends on `kind`."""

    id: int
    time: str
    kind: str
    subject: str
    data: dict[str, Any]


class Progress:
    """The log of one workspace. Use it in a `with`, so that the file is free again."""

    def __init__(self, path: str | Path) -> None:
        """Open the log in `path`, or begin one there; UserError when it is damaged or the folder cannot be used."""
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(_cannot_open(self.path, str(error.strerror or error))) from error
        with self._sentences():
            self.connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        # A byte that somebody changed makes one row wrong (`verify` names it), and not the whole log unreadable.
        self.connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            with self._sentences():
                if not self._has_table():
                    self._make_table()
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def add(self, kind: str, subject: str, **data: Any) -> None:
        """Append one event, now. Safe beside other processes that do the same."""
        time = datetime.now().astimezone().isoformat(timespec="seconds")
        text = _dumps(data)
        with self._sentences(), self._writing():
            last = self._select("ORDER BY id DESC LIMIT 1")
            number, previous = (last[0][0] + 1, last[0][6]) if last else (1, "")
            self.connection.execute(INSERT, _row(number, time, kind, subject, text, previous))

    def events(self, kind: str | None = None, subject: str | None = None) -> list[Event]:
        """The events, the oldest first; only those of a kind, or about a subject, when one is given."""
        wanted = {"kind": kind, "subject": subject}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = "WHERE " + " AND ".join(f"{name} = ?" for name in given) if given else ""
        rows = self._select(f"{where} ORDER BY id", *given.values())
        return [Event(row[0], row[1], row[2], row[3], _loads(row[4])) for row in rows]

    def verify(self) -> int | None:
        """The id of the first row that was changed, moved or follows one that is missing; None when the chain is whole."""
        return _first_broken(self._select("ORDER BY id"))

    def head(self) -> str:
        """The hash of the last row, which stands for everything before it; "" of an empty log."""
        last = self._select("ORDER BY id DESC LIMIT 1")
        return last[0][6] if last else ""

    def export(self, path: str | Path) -> int:
        """Write every row as a line of JSON; return how many. UserError when the file exists already, or cannot be written."""
        rows = self._select("ORDER BY id")
        if not write_once(Path(path), "".join(_line(row) + "\n" for row in rows)):
            raise UserError(
                _("'{path}' is there already and will not be overwritten: give another name.").format(path=path)
            )
        return len(rows)

    def import_(self, path: str | Path) -> int:
        """Append what an export has beyond this log; return how many rows.

        The export's chain is verified first, and it must go on from what is here (or hold nothing new): two logs that
        went different ways are refused, because one of them would be lost.
        """
        rows = _read_export(Path(path))
        with self._sentences(), self._writing():
            mine = self._select("ORDER BY id")
            shared = min(len(mine), len(rows))
            if mine[:shared] != rows[:shared]:
                raise UserError(
                    _(
                        "'{path}' and the progress here differ from row {row} on, and one of the two would be lost, "
                        "so nothing was changed: make another workspace with `fledge learn init DIR` and import it "
                        "there."
                    ).format(path=path, row=_parted(mine, rows))
                )
            self.connection.executemany(INSERT, rows[shared:])
        return len(rows) - shared

    def _select(self, rest: str, *values: str) -> list[Row]:
        """The rows that SQL finds. A page that was wiped holds rows without values, which no table of ours can have."""
        with self._sentences():
            rows = self.connection.execute(f"{SELECT} {rest}", values).fetchall()
            if any(None in row for row in rows):
                raise sqlite3.DatabaseError(_("rows without values"))
        return rows

    def _has_table(self) -> bool:
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE name = 'events'").fetchone()
        return found is not None

    def _make_table(self) -> None:
        with self._writing():
            if not self._has_table():  # another process may have been quicker
                for statement in SCHEMA:
                    self.connection.execute(statement)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction; IMMEDIATE, so that what it reads is still so when it writes."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _sentences(self) -> Iterator[None]:
        """What SQLite objects to, as one sentence. Whatever it is, what was in the file before is still there."""
        try:
            yield
        except sqlite3.Error as error:
            raise UserError(_sentence(self.path, str(error))) from error


def open_progress() -> Progress:
    """The log of the workspace that `find_workspace` finds."""
    return Progress(find_workspace().database)


def _sentence(path: Path, why: str) -> str:
    if "full" in why:
        return _(
            "the disk is full: this was not written to '{path}', what was there still is; make room and do it again."
        ).format(path=path)
    if "locked" in why or "busy" in why:
        return _(
            "another program keeps '{path}' busy: wait until it ends (or close what has the file open) and try again."
        ).format(path=path)
    if "readonly" in why or "unable to open" in why or "permission" in why.lower():
        return _cannot_open(path, why)
    if "only grows" in why:
        return _("the log only grows: rows are neither changed nor deleted.")
    return _(
        "the progress file '{path}' is damaged ({why}) and was left as it is: keep it under another name, "
        "and bring back an export with `fledge learn import`."
    ).format(path=path, why=why)


def _cannot_open(path: Path, why: str) -> str:
    return _(
        "the progress file '{path}' cannot be opened or written ({why}): mend the folder's rights, "
        "or name another workspace with FLEDGE_WORKSPACE."
    ).format(path=path, why=why)


def _row(number: int, time: str, kind: str, subject: str, data: str, previous: str) -> Row:
    said = json.dumps([previous, number, time, kind, subject, data], ensure_ascii=False)
    digest = hashlib.sha256(said.encode("utf-8")).hexdigest()
    return (number, time, kind, subject, data, previous, digest)


def _first_broken(rows: list[Row]) -> int | None:
    previous = ""
    for number, row in enumerate(rows, start=1):
        if row != _row(number, *row[1:5], previous):
            return row[0]
        previous = row[6]
    return None


def _line(row: Row) -> str:
    """A row as a line of JSON; the data as the object that it is, for people and programs to read."""
    return json.dumps(dict(zip(FIELDS, row)) | {"data": _loads(row[4])}, ensure_ascii=False)


def _read_export(path: Path) -> list[Row]:
    """The rows of an export whose chain is whole; UserError otherwise."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or _("not UTF-8")
        raise UserError(_("'{path}' cannot be read: {why}.").format(path=path, why=why)) from error
    rows: list[Row] = []
    for number, line in enumerate(filter(None, text.split("\n")), start=1):
        row = _read_row(line)
        if row is None or row != _row(number, *row[1:5], rows[-1][6] if rows else ""):
            raise UserError(
                _(
                    "line {number} of '{path}' is not what was exported (edited, or cut), so nothing was imported: export it again."
                ).format(number=number, path=path)
            )
        rows.append(row)
    return rows


def _read_row(line: str) -> Row | None:
    """The row that a line of an export says; None unless it is written exactly as `_line` writes it."""
    try:
        said = json.loads(line)
        number, time, kind, subject, data, previous, digest = (said[name] for name in FIELDS)
        row = (number, time, kind, subject, _dumps(data), previous, digest)
        return row if line == _line(row) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _parted(mine: list[Row], other: list[Row]) -> int:
    """The first row number at which two logs differ."""
    return next(number for number, (a, b) in enumerate(zip(mine, other), start=1) if a != b)


def _loads(text: str) -> dict[str, Any]:
    """The data of a row; {} when somebody edited it into nonsense (`verify` names that row)."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _dumps(data: dict[str, Any]) -> str:
    return dumps(data).encode("utf-8", "replace").decode("utf-8")  # SQLite stores no half of a surrogate pair
