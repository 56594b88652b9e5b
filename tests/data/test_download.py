"""Downloads against a server on this machine that breaks, lies, forgets and changes its mind."""

from __future__ import annotations

import errno
import hashlib
import json

import pytest

from fledge.data import download
from fledge.data.download import Settings, fetch, part_path, probe, record_path
from fledge.errors import UserError
from tests.data.flaky_server import DATA, serving

DIGEST = hashlib.sha256(DATA).hexdigest()
QUICK = Settings(tries=4, wait=0.001, timeout=1.0)


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data.jsonl"


def get(server, target, **given):
    return fetch(server.url, target, settings=QUICK, **given)


def refused(server, target, **given):
    with pytest.raises(UserError) as error:
        get(server, target, **given)
    assert "\n" not in str(error.value)
    return str(error.value)


def left_over(target):
    return sorted(path.name for path in target.parent.iterdir())


def test_a_whole_file_with_its_record(server, target):
    seen = []
    got = get(server, target, progress=lambda done, size: seen.append((done, size)))
    assert target.read_bytes() == DATA
    assert (got.downloaded, got.size, got.sha256, got.checked) == (True, len(DATA), DIGEST, "")
    assert seen[-1] == (len(DATA), len(DATA)) and len(seen) > 2
    record = json.loads(record_path(target).read_text(encoding="utf-8"))
    assert (record["sha256"], record["size"], record["url"]) == (DIGEST, len(DATA), server.url)
    assert "nobody publishes" in record["checked_by"]
    assert left_over(target) == ["data.jsonl", "data.jsonl.source.json"]


def test_the_size_is_known_before_a_download(server):
    assert probe(server.url, QUICK).size == len(DATA)
    server.ranges = False
    assert probe(server.url, QUICK).size == len(DATA)


def test_broken_connections_go_on_where_they_stopped(server, target):
    server.breaks = [300_000, 0, 1, 500_000]
    get(server, target)
    assert target.read_bytes() == DATA
    assert server.asked[1:] == [f"bytes={n}-" for n in (0, 300_000, 300_000, 300_001, 800_001)]


def test_a_second_call_goes_on_where_the_first_gave_up(server, target):
    server.breaks = [300_000] + [0] * 10
    said = refused(server, target)
    assert "the connection broke, 4 times in a row; 300.0 KB are kept, and the same command goes on" in said
    assert not target.exists() and part_path(target).stat().st_size == 300_000
    server.breaks, server.asked = [], []
    assert get(server, target).resumed_at == 300_000
    assert target.read_bytes() == DATA and server.asked[1] == "bytes=300000-"
    assert left_over(target) == ["data.jsonl", "data.jsonl.source.json"]


def test_ctrl_c_keeps_what_came(server, target):
    def stop(done, size):
        if done > 400_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(server, target, progress=stop)
    kept = part_path(target).stat().st_size
    assert 400_000 < kept < len(DATA) and not target.exists()
    assert get(server, target).resumed_at == kept
    assert target.read_bytes() == DATA


def test_a_server_without_ranges_sends_all_of_it_again(server, target):
    server.ranges = False
    server.breaks = [300_000, 300_001]
    get(server, target)
    assert target.read_bytes() == DATA


def test_a_server_without_ranges_that_always_breaks_is_given_up(server, target):
    server.ranges = False
    server.breaks = [300_000] * 20
    assert "4 times in a row" in refused(server, target)


def test_a_file_that_changed_between_two_calls_starts_anew(server, target):
    server.breaks = [300_000] + [0] * 10
    refused(server, target)
    server.breaks, server.data, server.etag = [], DATA[::-1], '"two"'
    assert get(server, target).resumed_at == 0
    assert target.read_bytes() == DATA[::-1]


@pytest.mark.parametrize("etags", [('"one"', '"two"'), ('W/"one"', 'W/"two"')])
def test_two_versions_are_never_mixed(server, target, etags):
    """Even if the server sends the rest of another version, of the same size, without a word."""

    def change():
        server.data, server.etag = DATA[::-1], etags[1]

    server.if_range, server.etag, server.breaks, server.after = False, etags[0], [300_000], {3: change}
    get(server, target)
    assert target.read_bytes() == DATA[::-1]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changes_during_the_download_starts_anew(server, target, ranges):
    def change():
        server.data, server.etag = DATA[::-1] + b"more", '"two"'

    server.ranges, server.breaks, server.after = ranges, [300_000] * (1 if ranges else 2), {3: change}
    get(server, target)
    assert target.read_bytes() == DATA[::-1] + b"more"


def test_bytes_of_nobody_knows_which_version_are_not_gone_on_with(server, target):
    server.etag = ""
    server.breaks = [300_000] + [0] * 10
    refused(server, target)
    server.breaks, server.data = [], DATA[::-1]
    assert get(server, target).resumed_at == 0
    assert target.read_bytes() == DATA[::-1]


def test_a_pinned_checksum_lets_another_source_go_on(server, target):
    server.breaks = [300_000] + [0] * 10
    refused(server, target, sha256=DIGEST)
    server.breaks, server.etag = [], '"another server"'
    assert get(server, target, sha256=DIGEST).resumed_at == 300_000


def test_a_truncated_body_of_unknown_length_needs_a_checksum(server, target):
    """Nothing in such an answer says that it is short: only the checksum does."""
    server.ranges = server.size_known = False
    server.breaks = [1, 500_000]  # the first question is for the size only
    assert "is not the expected file" in refused(server, target, sha256=DIGEST)
    assert get(server, target, sha256=DIGEST).checked == "list"


def test_a_wrong_checksum_keeps_the_file_aside(server, target):
    said = refused(server, target, sha256="0" * 64)
    assert "arrived whole but is not the expected file" in said and "kept as data.jsonl.bad" in said
    assert left_over(target) == ["data.jsonl.bad"]
    assert get(server, target, sha256=DIGEST).checked == "list"


def test_the_checksum_of_a_redirect_is_checked(server, target):
    server.linked = DIGEST
    assert get(server, target).checked == "server"
    assert fetch(server.url, target, settings=QUICK).downloaded is False
    server.linked = "f" * 64
    assert "is not the expected file" in refused(server, target, force=True)


def test_the_redirect_is_what_names_the_version(server, target):
    """The machines behind a redirect may each have their own ETag for the same file."""
    server.linked, server.breaks = DIGEST, [300_000]

    def change():
        server.etag = '"of another machine"'

    server.after = {3: change}
    assert get(server, target).sha256 == DIGEST
    assert server.asked[1:] == ["bytes=0-", "bytes=300000-"]


def test_a_passing_error_is_tried_again(server, target):
    server.answers = [500, 503]
    get(server, target)
    assert target.read_bytes() == DATA


def test_errors_that_stay_are_one_sentence_each(server, target):
    for code, words in (
        (404, "there is no file at"),
        (410, "moved or renamed"),
        (403, "wants a login"),
        (418, "answers 418"),
    ):
        server.answers = [code]
        assert words in refused(server, target)
    server.answers = [500] * 20
    assert "cannot be reached: the server answers 500" in refused(server, target)
    assert left_over(target) == []


def test_a_silent_server_is_not_waited_for_for_ever(server, target):
    server.silent = 10
    with pytest.raises(UserError, match="the server is silent"):
        fetch(server.url, target, settings=Settings(tries=2, wait=0.001, timeout=0.1))


def test_a_server_that_falls_silent_once(server, target):
    server.after = {2: lambda: setattr(server, "silent", 1)}
    fetch(server.url, target, settings=Settings(tries=3, wait=0.001, timeout=0.3))
    assert target.read_bytes() == DATA


def test_no_connection(target):
    with pytest.raises(UserError, match="the server refuses the connection"):
        fetch("http://127.0.0.1:9/data.jsonl", target, settings=QUICK)


def test_an_empty_file(server, target):
    server.data = b""
    assert "is an empty file" in refused(server, target)


def test_what_is_there_is_compared(server, target):
    get(server, target)
    assert get(server, target).downloaded is False
    server.data, server.etag = DATA + b"new", '"two"'
    assert "the publisher has another data.jsonl now" in refused(server, target)
    target.write_bytes(b"mine")
    assert "was changed after it was downloaded" in refused(server, target)
    assert get(server, target, force=True).downloaded
    assert target.read_bytes() == DATA + b"new"


def test_a_file_of_somebody_else_is_not_replaced(server, target):
    target.write_bytes(b"mine")
    assert "is there already and is not the published file" in refused(server, target)
    target.write_bytes(DATA)
    assert get(server, target, sha256=DIGEST).downloaded is False
    assert record_path(target).exists()


def test_too_little_disk_is_said_before(server, target, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    assert "needs 1.0 MB more and the disk of" in refused(server, target)
    assert server.asked == ["bytes=0-0"]


def test_a_disk_that_fills_up_keeps_the_part(server, target, monkeypatch):
    whole = download._Part.add

    def add(part, file, chunk):
        if part.done > 500_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(part, file, chunk)

    monkeypatch.setattr(download._Part, "add", add)
    assert "is full" in refused(server, target) and not target.exists()
    monkeypatch.setattr(download._Part, "add", whole)
    assert get(server, target).resumed_at > 500_000
    assert target.read_bytes() == DATA
