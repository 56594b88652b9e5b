"""Where the learner's folder is, and that nothing in it is ever harmed."""

from __future__ import annotations

import io

import pytest

from fledge.course import book
from fledge.course.workspace import Workspace, find_workspace, make_workspace, write_once
from fledge.errors import UserError


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No workspace is named, and the program is installed, not a checkout."""
    monkeypatch.delenv("FLEDGE_WORKSPACE")
    monkeypatch.setattr(book, "is_checkout", lambda: False)
    folder = tmp_path / "空 folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_variable_decides_and_its_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("FLEDGE_WORKSPACE", str(tmp_path / "a" / "我的 课"))
    space = find_workspace()
    assert space.root == tmp_path / "a" / "我的 课"
    assert all(folder.is_dir() for folder in (space.exercises, space.log, space.runs, space.database.parent))


def test_the_nearest_folder_around_is_found(nowhere, monkeypatch):
    outer = make_workspace(nowhere)
    inner = make_workspace(nowhere / "inner")
    (nowhere / "exercises" / "deep").mkdir()
    monkeypatch.chdir(nowhere / "exercises" / "deep")
    assert find_workspace() == outer
    monkeypatch.chdir(inner.exercises)
    assert find_workspace() == inner


def test_a_checkout_has_one_of_its_own_and_says_so_once(nowhere, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    monkeypatch.setattr(book, "is_checkout", lambda: True)
    monkeypatch.setattr(book, "checkout", lambda: tmp_path / "project")
    root = tmp_path / "project" / "workspace"
    assert find_workspace().root == root
    said = capsys.readouterr()
    assert f"making the workspace {root}" in said.err and not said.out
    find_workspace()
    assert not capsys.readouterr().err


def test_nowhere_else_it_is_one_sentence(nowhere, monkeypatch):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    with pytest.raises(UserError, match="fledge learn init"):
        find_workspace()
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    with pytest.raises(UserError, match="工作区"):
        find_workspace()


def test_making_it_again_touches_nothing(tmp_path):
    space = make_workspace(tmp_path / "w")
    mine = space.exercises / "rms_norm.py"
    mine.write_text("my own", encoding="utf-8")
    before = mine.stat().st_mtime_ns
    assert make_workspace(space.root) == space
    assert (mine.read_text(encoding="utf-8"), mine.stat().st_mtime_ns) == ("my own", before)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="file"):
        make_workspace(tmp_path / "file" / "w")


def test_a_workspace_that_can_only_be_read_is_still_found(tmp_path, monkeypatch):
    space = make_workspace(tmp_path / "w")
    space.log.rmdir()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(space.log), "mkdir", refuse)
    assert make_workspace(space.root) == space
    with pytest.raises(UserError, match="Permission denied"):
        make_workspace(tmp_path / "other")


def test_paths_lie_inside(tmp_path):
    space = Workspace(tmp_path)
    assert not space.exists
    assert space.database.parent == tmp_path / ".fledge"
    assert list(tmp_path.iterdir()) == []


class TestWriteOnce:
    def test_writes_and_never_over(self, tmp_path):
        file = tmp_path / "new" / "a.md"
        assert write_once(file, "一\r\n")
        assert not write_once(file, "two")
        assert file.read_bytes() == "一\r\n".encode()

    def test_a_folder_that_is_a_file_is_one_sentence(self, tmp_path):
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(UserError, match=r"a\.md"):
            write_once(tmp_path / "file" / "a.md", "x")

    def test_a_full_disk_leaves_no_half_of_a_file(self, tmp_path, monkeypatch):
        class Full(io.StringIO):
            def write(self, text):
                raise OSError(28, "No space left on device")

        def open_full(path, mode, **_):
            path.touch()
            return Full()

        monkeypatch.setattr("pathlib.Path.open", open_full)
        with pytest.raises(UserError, match="No space left"):
            write_once(tmp_path / "a.md", "text")
        assert list(tmp_path.iterdir()) == []
