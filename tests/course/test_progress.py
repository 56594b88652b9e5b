"""The log of what was done: it only grows, every changed byte is found, and nothing that can go wrong loses a row."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from fledge.course.progress import Event, Progress, open_progress
from fledge.course.workspace import find_workspace
from fledge.errors import UserError

NAMES = "中文 \u2028 \x85 \"quotes\" 'n' \\ 😀"


@pytest.fixture
def database(tmp_path):
    return tmp_path / "w" / ".fledge" / "progress.sqlite"


@pytest.fixture
def filled(database):
    with Progress(database) as progress:
        progress.add("started", "rms_norm")
        progress.add("attempt", "rms_norm", outcome="WRONG_VALUE", passed=False, seconds=1.5, mistake=None)
        progress.add("quiz", f"topic/{NAMES}", chosen=[0, 2], right=True, text=NAMES)
        progress.add("read", "topic/teaching")
    return database


def raw(database, *statements):
    """What somebody with an SQLite browser does."""
    with sqlite3.connect(database) as connection:
        for trigger in ("no_update", "no_delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def events(database) -> list[Event]:
    with Progress(database) as progress:
        return progress.events()


def test_events_come_back_in_order(filled):
    with Progress(filled) as progress:
        found = progress.events()
        assert [event.id for event in found] == [1, 2, 3, 4]
        assert found[1].data == {"outcome": "WRONG_VALUE", "passed": False, "seconds": 1.5, "mistake": None}
        assert (found[2].subject, found[2].data["text"]) == (f"topic/{NAMES}", NAMES)
        assert [event.id for event in progress.events("attempt")] == [2]
        assert [event.id for event in progress.events(subject="rms_norm")] == [1, 2]
        assert progress.events("attempt", "softmax") == []
        assert progress.verify() is None
    assert found[0].time[10] == "T" and (found[0].time[-6] in "+-")


def test_what_json_has_not_is_said_in_what_it_has(database):
    import numpy as np

    with Progress(database) as progress:
        progress.add("lab", "x", nan=float("nan"), pair=(1, 2), number=np.float32(0.5), path=database, half="\ud800")
        data = progress.events()[0].data
        assert progress.verify() is None
    assert data == {"nan": None, "pair": [1, 2], "number": 0.5, "path": database.as_posix(), "half": "\ud800"}


def test_rows_are_neither_changed_nor_deleted(filled):
    with Progress(filled) as progress:
        for statement in ("UPDATE events SET kind = 'done'", "DELETE FROM events WHERE id = 4"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                progress.connection.execute(statement)
        assert len(progress.events()) == 4


@pytest.mark.parametrize(
    "column, value",
    [
        ("time", "2026-01-01T00:00:00+00:00"),
        ("kind", "done"),
        ("subject", "rms_norn"),
        ("data", '{"passed": true}'),
        ("data", "nonsense"),
        ("previous", "0" * 64),
        ("hash", "0" * 64),
    ],
)
def test_one_edited_value_is_found(filled, column, value):
    raw(filled, f"UPDATE events SET {column} = '{value}' WHERE id = 2")
    with Progress(filled) as progress:
        assert progress.verify() == 2
        progress.add("read", "after")
        assert progress.verify() == 2
        assert len(progress.events()) == 5


def test_a_row_that_is_gone_or_swapped_is_found(filled):
    raw(filled, "DELETE FROM events WHERE id = 2")
    with Progress(filled) as progress:
        assert progress.verify() == 3
    raw(filled, "UPDATE events SET id = id - 1 WHERE id > 2")
    with Progress(filled) as progress:
        assert progress.verify() == 2


def test_an_export_is_the_log(filled, tmp_path):
    file = tmp_path / "导出.jsonl"
    with Progress(filled) as progress:
        assert progress.export(file) == 4
        head = progress.head()
        with pytest.raises(UserError, match="导出"):
            progress.export(file)
    with Progress(tmp_path / "other.sqlite") as other:
        assert other.import_(file) == 4
        assert other.import_(file) == 0
        assert (other.events(), other.head(), other.verify()) == (events(filled), head, None)


def test_no_byte_of_an_export_can_be_changed(filled, tmp_path):
    file, edited = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    with Progress(filled) as progress:
        progress.export(file)
    good = file.read_bytes()
    with Progress(tmp_path / "other.sqlite") as other:
        for place in range(0, len(good) - 1, 3):  # the last byte is a line's end, which a mail program may change
            edited.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises(UserError):
                other.import_(edited)
        for lines in (good.splitlines(True)[1:], good.splitlines(True)[:1] + good.splitlines(True)[2:]):
            edited.write_bytes(b"".join(lines))
            with pytest.raises(UserError, match=r"b\.jsonl"):
                other.import_(edited)
        assert other.events() == []
        edited.write_bytes(b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))  # what Windows programs do to a text
        assert other.import_(edited) == 4


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[1, 2]\n", b"{}\n", b"null\n", b'{"id": 1}\n', b"\x00" * 50])
def test_what_is_no_export_is_one_sentence(database, tmp_path, content):
    file = tmp_path / "x.jsonl"
    file.write_bytes(content)
    with Progress(database) as progress:
        with pytest.raises(UserError, match=r"x\.jsonl"):
            progress.import_(file)
        with pytest.raises(UserError, match=r"none\.jsonl"):
            progress.import_(tmp_path / "none.jsonl")
        assert progress.events() == []


def test_import_goes_on_and_refuses_to_drop(filled, tmp_path):
    early, late = tmp_path / "early.jsonl", tmp_path / "late.jsonl"
    with Progress(filled) as progress:
        progress.export(early)
        progress.add("read", "later")
        progress.export(late)
    with Progress(tmp_path / "other.sqlite") as other:
        assert other.import_(early) == 4
        assert other.import_(late) == 1
        assert other.import_(early) == 0
        other.add("read", "mine alone")
        before = other.events()
        assert other.import_(late) == 0
    with Progress(tmp_path / "third.sqlite") as third:
        third.add("read", "something else")
        with pytest.raises(UserError, match="learn init"):
            third.import_(late)
        assert [event.subject for event in third.events()] == ["something else"]
    assert before[-1].subject == "mine alone"


WRITER = """
import sys
from fledge.course.progress import Progress
for number in range(40):
    with Progress(sys.argv[1]) as progress:
        progress.add("attempt", sys.argv[2], number=number)
"""


def test_two_processes_may_write_at_once(database):
    database.parent.mkdir(parents=True)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(database), name]) for name in ("a", "b")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    with Progress(database) as progress:
        assert progress.verify() is None
        for name in ("a", "b"):
            assert [event.data["number"] for event in progress.events(subject=name)] == list(range(40))


def test_a_process_that_dies_in_the_middle_loses_its_row_alone(filled):
    dying = sqlite3.connect(filled, isolation_level=None)
    dying.execute("BEGIN IMMEDIATE")
    dying.execute("INSERT INTO events VALUES (5, '', 'x', 'x', '{}', '', '')")
    dying.close()
    with Progress(filled) as progress:
        progress.add("read", "after")
        assert ([event.id for event in progress.events()], progress.verify()) == ([1, 2, 3, 4, 5], None)


def test_a_writer_that_never_lets_go_is_one_sentence(filled, monkeypatch):
    monkeypatch.setattr("fledge.course.progress.WAIT", 0.1)
    greedy = sqlite3.connect(filled, isolation_level=None)
    greedy.execute("BEGIN IMMEDIATE")
    with Progress(filled) as progress:
        with pytest.raises(UserError, match=r"progress\.sqlite"):
            progress.add("read", "x")
        greedy.execute("ROLLBACK")
        progress.add("read", "x")
    greedy.close()
    assert len(events(filled)) == 5


def test_a_damaged_file_is_one_sentence_and_stays_as_it_is(filled, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    good = filled.read_bytes()
    page = int.from_bytes(good[16:18], "big")
    for content in (b"no database" * 100, good[: page + page // 2], good[:page] + b"\x00" * (len(good) - page)):
        filled.write_bytes(content)
        with pytest.raises(UserError, match=r"damaged.*fledge learn import"), Progress(filled) as progress:
            progress.events()
            progress.verify()
        assert filled.read_bytes() == content


def test_a_byte_changed_in_the_file_itself_is_found(filled):
    for byte in (b"\xff", b"e"):
        good = filled.read_bytes()
        filled.write_bytes(good.replace(b"WRONG_VALUE", b"WRONG_VALU" + byte))
        with Progress(filled) as progress:
            assert (progress.verify(), len(progress.events())) == (2, 4)
        filled.write_bytes(good)


def test_a_full_disk_is_one_sentence_and_loses_nothing(filled, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    with Progress(filled) as progress:
        (pages,) = progress.connection.execute("PRAGMA page_count").fetchone()
        progress.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UserError, match="disk is full"):
            progress.add("read", "x", text="x" * 100_000)
        assert len(progress.events()) == 4
        assert progress.verify() is None


def test_a_folder_that_can_only_be_read_can_be_read(filled, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    with Progress(filled) as progress:
        progress.connection.execute("PRAGMA query_only = ON")
        with pytest.raises(UserError, match="rights"):
            progress.add("read", "x")
        assert len(progress.events()) == 4


def test_a_place_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="FLEDGE_WORKSPACE"):
        Progress(tmp_path / "file" / "progress.sqlite")
    with pytest.raises(UserError, match="FLEDGE_WORKSPACE"):
        Progress(tmp_path)


def test_it_lies_in_the_workspace():
    with open_progress() as progress:
        progress.add("read", "x")
    assert find_workspace().database.is_file()
