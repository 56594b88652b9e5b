"""What is handed out: a wheel and a source distribution that hold everything, and one version everywhere."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fledge
from tests.conftest import ROOT

MADE = {
    ".git",
    ".venv",
    "venv",
    "runs",
    "out",
    "checkpoints",
    "build",
    "dist",
    "workspace",
}  # beside the project's own files


def left_out(folder: str, names: list[str]) -> set[str]:
    """What a copy of the project does without."""
    made = MADE if Path(folder) == ROOT else set()
    return {name for name in names if name in made or name == "__pycache__" or name.endswith(("_cache", ".egg-info"))}


def test_the_distribution_has_a_free_name_and_the_version_of_the_code() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^name = "fledge-llm"', text, re.MULTILINE)
    assert re.search(r'^version = \{ attr = "fledge\.__version__" \}$', text, re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", fledge.__version__)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the source distribution and the wheel that is built from it, made of a copy of the project."""
    folder = tmp_path_factory.mktemp("dist")
    project = folder / "project"
    shutil.copytree(ROOT, project, ignore=left_out)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(command, cwd=project, capture_output=True, encoding="utf-8", errors="replace")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def files(root: Path) -> set[str]:
    """Files below `root` as the package has them, without what Python and tools left there."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"}


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_the_book(built) -> None:
    (wheel,) = built.glob("fledge_llm-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (commands,) = (archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        (about,) = (archive.read(name).decode() for name in names if name.endswith("METADATA"))
    mine = {name.removeprefix("fledge/") for name in names if name.startswith("fledge/")}
    book = {f"modules/{name}" for name in files(ROOT / "modules") if not name.startswith("common/data/")}
    assert mine == files(ROOT / "src" / "fledge") | book
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"fledge", "fledge_llm"}
    parser = configparser.ConfigParser()
    parser.read_string(commands)
    assert dict(parser["console_scripts"]) == {"fledge": "fledge.cli:main"}
    assert f"\nName: fledge-llm\nVersion: {fledge.__version__}\n" in about


@pytest.mark.slow
def test_the_source_distribution_is_the_project(built) -> None:
    (source,) = built.glob("fledge_llm-*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {f"modules/{name}" for name in files(ROOT / "modules") if not name.startswith("common/data/")}
    wanted |= {f"{folder}/{name}" for folder in ("tests", "docs", "bench") for name in files(ROOT / folder)}
    wanted |= {f"trainer/{path.name}" for path in (ROOT / "trainer").glob("*.py")}
    wanted |= {"start.py", "eval_llm.py", "requirements.txt", "LICENSE", "README.md", "README.zh-CN.md"}
    assert wanted - names == set()


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(built, tmp_path) -> None:
    """The book's first steps, from the unpacked wheel alone: nothing of the checkout is in reach."""
    (wheel,) = built.glob("fledge_llm-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    told = ("FLEDGE_RUNS", "FLEDGE_WORKSPACE")
    env = {name: value for name, value in os.environ.items() if name not in told}
    env |= {"PYTHONPATH": str(tmp_path / "site"), "FLEDGE_LANG": "en", "PYTHONIOENCODING": "utf-8"}
    (tmp_path / "空 folder").mkdir()

    def run(*words: str, code: int = 0, folder: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fledge", *words],
            cwd=tmp_path / "空 folder" / folder,
            env=env,
            capture_output=True,
            encoding="utf-8",
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    assert run("--version") == f"fledge {fledge.__version__}\n"
    assert "there is no workspace here" in run("exercise", "start", "rms_norm", code=2)
    run("learn", "init", "mine")
    assert "rms_norm.py" in run("exercise", "start", "rms_norm", folder="mine")
    assert "not attempted" in run("check", "rms_norm", folder="mine", code=1)
    solution = next((tmp_path / "site").rglob("exercises/rms_norm/solution.py"))
    shutil.copy(solution, tmp_path / "空 folder" / "mine" / "exercises" / "rms_norm.py")
    assert "passed" in run("check", "rms_norm", folder="mine")
    said = run("lab", "run", "exp1_gradient_vanishing", "--quick", "--seeds", "1", "--no-predict", folder="mine")
    assert "picture and record" in said and list((tmp_path / "空 folder/mine/runs").glob("exp1*/figure.png"))
