"""Files of other programs as models: the engine finds their readers by name and imports no door."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from fledge import interop
from fledge.errors import UserError
from fledge.model.source import find_model
from tests.conftest import ROOT

SRC = ROOT / "src" / "fledge"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A format `.fake`; the files that were asked for."""
    asked: list[Path] = []

    def folder(path: Path) -> Path:
        asked.append(path)
        if not path.is_file():
            raise UserError("not there")
        return tmp_path / "made"

    monkeypatch.setitem(sys.modules, "a_reader", types.SimpleNamespace(folder=folder))
    monkeypatch.setitem(interop.FORMATS, ".fake", "a_reader:folder")
    monkeypatch.chdir(tmp_path)
    return asked


def test_a_new_format_is_one_entry_of_the_table(fake, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/a.fake").touch()
    assert find_model("weights/a.fake") == tmp_path / "made"
    with pytest.raises(UserError, match="not there"):  # meant for one of those: its reader says which are there
        find_model("weights/b")
    assert fake == [Path("weights/a.fake"), Path("weights/b")]
    with pytest.raises(UserError, match="no run 'b'"):
        find_model("b")


def test_every_reader_is_there():
    for suffix, name in interop.FORMATS.items():
        module, _, function = name.partition(":")
        assert suffix.startswith(".") and callable(getattr(__import__(module, fromlist=[function]), function))


def test_the_engine_names_the_doors_in_two_tables_only():
    engine = [path for path in SRC.rglob("*.py") if path.relative_to(SRC).parts[0] not in ("interop", "cli", "studio")]
    naming = [
        path.relative_to(SRC).as_posix() for path in engine if "fledge.interop" in path.read_text(encoding="utf-8")
    ]
    assert sorted(naming) == ["jobs/__init__.py", "model/source.py"]  # by name, imported when asked for


def test_a_model_folder_needs_no_door_s_reader():
    code = "import sys\nimport fledge.model.source\nassert not [n for n in sys.modules if 'interop' in n]"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
