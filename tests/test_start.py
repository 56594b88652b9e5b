"""start.py: from nothing to a running program, and a clear sentence for each way that can fail.

The end-to-end tests set up a tiny stand-in project that needs nothing from any index, so they run offline.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fledge import lang

START = Path(__file__).resolve().parent.parent / "start.py"

BACKEND = """
import pathlib, time, zipfile
ROOT = pathlib.Path(__file__).parent

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if (ROOT / "slow").exists():
        time.sleep(60)
    if (ROOT / "broken").exists():
        raise SystemExit((ROOT / "broken").read_text())
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / "fledge_llm-0.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fledge.pth", str(ROOT / "src"))
        info = "fledge_llm-0.1.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: fledge-llm\\nVersion: 0.1\\nProvides-Extra: dev\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return "fledge_llm-0.1-py3-none-any.whl"
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "fledge-llm"
version = "0.1"
[project.optional-dependencies]
dev = []
"""
JOB = "import os, sys\nprint({!r}, sys.argv[1:], os.path.basename(os.getcwd()))\nsys.exit(7)\n"


@pytest.fixture
def start():
    spec = importlib.util.spec_from_file_location("start", START)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with a space and Chinese in its name: start.py and a package that prints what it was asked."""
    root = tmp_path / "my 项目"
    package = root / "src" / "fledge"
    package.mkdir(parents=True)
    shutil.copy(START, root)
    (root / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (root / "backend.py").write_text(BACKEND, encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "__main__.py").write_text(JOB.format("fledge"), encoding="utf-8")
    (root / "src" / "pytest.py").write_text(JOB.format("pytest"), encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    return root


def environment() -> dict[str, str]:
    """English, and no uv: pip is everywhere. Nothing of ours is in reach of the stand-in."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not shutil.which("uv", path=folder)]
    told = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return told | {"FLEDGE_LANG": "en", "PATH": os.pathsep.join(folders), "PYTHONIOENCODING": "utf-8"}


def call(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project / "start.py"), *words],
        cwd=project.parent / "elsewhere",
        env=environment(),
        capture_output=True,
        encoding="utf-8",
    )


@pytest.mark.slow
def test_set_up_run_and_come_back_at_once(project):
    first = call(project)
    assert (first.returncode, first.stderr) == (7, "")
    assert first.stdout.splitlines()[0].startswith("First run")
    assert first.stdout.splitlines()[-1] == "fledge ['quickstart'] elsewhere"

    second = call(project, "chat", "--model", "x y")
    assert (second.returncode, second.stdout) == (7, "fledge ['chat', '--model', 'x y'] elsewhere\n")

    test = call(project, "test", "-k", "a b")
    assert (test.returncode, test.stdout.splitlines()[-1]) == (7, "pytest ['-k', 'a b'] my 项目")
    assert (
        call(project, "--budget", "1m").stdout == "fledge ['quickstart', '--budget', '1m'] elsewhere\n"
    )  # dev is more

    (project / "pyproject.toml").write_text(PYPROJECT + "\n# another dependency\n", encoding="utf-8")
    assert "Set up in" in call(project, "doctor").stdout


@pytest.mark.slow
def test_a_failed_install_says_why_and_the_next_call_goes_on(project):
    (project / "broken").write_text("OSError: [Errno 28] No space left on device", encoding="utf-8")
    failed = call(project)
    assert failed.returncode == 1
    assert "Too little room" in failed.stderr and "Traceback" not in failed.stderr
    (project / "broken").write_text("the moon is full", encoding="utf-8")
    failed = call(project)
    assert "The set-up failed" in failed.stderr and "the moon is full" in failed.stderr
    (project / "broken").unlink()
    assert call(project).returncode == 7


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process group")
def test_an_interrupted_install_is_repaired(project):
    (project / "slow").touch()
    process = subprocess.Popen(
        [sys.executable, str(project / "start.py")],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    unfinished, python = project / ".venv" / "fledge-unfinished.txt", project / ".venv" / "bin" / "pip"
    while not (unfinished.exists() and python.exists()) and process.poll() is None:
        time.sleep(0.1)
    time.sleep(1.5)  # into the install itself
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors and "same command" in errors
    (project / "slow").unlink()
    repaired = call(project)
    assert repaired.returncode == 7
    assert "did not finish" in repaired.stdout
    assert not unfinished.exists()


def test_help_sets_nothing_up(project):
    done = call(project, "--help")
    assert done.returncode == 0 and "start.py test" in done.stdout
    assert not (project / ".venv").exists()


def test_it_parses_on_old_pythons_and_needs_only_the_standard_library():
    tree = ast.parse(START.read_text(encoding="utf-8"), feature_version=(3, 6))
    nodes = list(ast.walk(tree))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in modules} <= sys.stdlib_module_names
    assert "://" not in START.read_text(encoding="utf-8")  # the user's own settings say where packages come from


def test_an_old_python_is_refused(start, monkeypatch, capsys):
    monkeypatch.setenv("FLEDGE_LANG", "zh")
    monkeypatch.setattr(start, "OLDEST", (4, 0))
    assert start.main(["doctor"]) == 1
    assert "需要 Python 3.10" in capsys.readouterr().err


def test_no_venv_module_names_the_package(start, monkeypatch, tmp_path):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    for name in ("VENV", "STAMP", "UNFINISHED", "PYTHON"):
        monkeypatch.setattr(start, name, tmp_path / ".venv" / getattr(start, name).name)
    monkeypatch.setattr(start, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(start.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(start.Stop, match=r"sudo apt install python3\.\d+-venv"):
        start.set_up(set())
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "Too little room"),
        ("error: failed to write: There is not enough space on the disk. (os error 112)", "Too little room"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "check the network"),
        (
            "ERROR: Could not find a version that satisfies the requirement numpy (from versions: none)",
            "check the network",
        ),
        ("  Caused by: dns error: failed to lookup address information", "check the network"),
        ("ERROR: No matching distribution found for torch<2.14,>=2.13", "no build for this Python"),
        ("error: subprocess-exited-with-error", "The set-up failed"),
    ],
)
def test_failures_are_explained(start, monkeypatch, line, expected):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    message = start.explain(["Collecting torch", line])
    assert expected in message
    assert expected == "Too little room" or line in message


def test_pip_settings_are_handed_on_to_uv(start, monkeypatch):
    for variable in (*start.UV_NAMES.values(), "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(variable, raising=False)
    listed = "global.index-url='one'\nglobal.extra-index-url='two three'\n:env:.timeout='9'\ninstall.find-links='here'"
    monkeypatch.setattr(start, "output", lambda command: listed)
    monkeypatch.delenv("PIP_CERT", raising=False)
    handed = {"UV_DEFAULT_INDEX": "one", "UV_INDEX": "two three", "UV_FIND_LINKS": "here"}
    assert start.uv_settings() == handed | {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    monkeypatch.setenv("PIP_FIND_LINKS", "a b")
    monkeypatch.setenv("UV_INDEX_URL", "mine")
    settings = start.uv_settings()
    assert settings["UV_FIND_LINKS"] == "a,b"
    assert "UV_DEFAULT_INDEX" not in settings  # what uv was told itself stays


@pytest.mark.parametrize("value", ["zh_CN.UTF-8", "en_US.UTF-8", "C", "Chinese (Simplified)_China", "fr_FR"])
def test_the_language_rule_is_the_packages(start, monkeypatch, value):
    for variable in ("FLEDGE_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LANG", value)
    assert start.say("zh", "en") == str(lang.Text("zh", "en"))


def test_a_progress_line_fits_the_terminal(start, monkeypatch):
    monkeypatch.setattr(start.shutil, "get_terminal_size", lambda: os.terminal_size((11, 24)))
    assert start.fit("安装软件包 12 s") == "安装软件包"
    assert start.fit("ab") == "ab        "
