"""Shared fixtures. Real data is never shipped: tests that need it skip with the reason."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import time
from pathlib import Path

import pytest

from fledge.proofs import DAY, today

if "PYTEST_XDIST_WORKER" in os.environ:  # tests side by side: one thread each, before torch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent


BEGUN = time.perf_counter()


def pytest_addoption(parser) -> None:
    parser.addoption("--all", action="store_true", help="run every proof again, also of what has not changed")


def pytest_terminal_summary(terminalreporter, exitstatus, config) -> None:
    if not config.getoption("--all"):
        terminalreporter.write_line(
            f"proofs that had not changed: those of {DAY}={today()} ran again; --all runs every one"
        )
    elif is_whole(config) and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        outcomes = ("passed", "failed", "skipped", "error")
        counts = {outcome: len(terminalreporter.getreports(outcome)) for outcome in outcomes}
        seconds = round(time.perf_counter() - BEGUN, 1)
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            patch.syspath_prepend(str(ROOT / "bench"))
            importlib.import_module("_record").record("suite_all", seconds=seconds, **counts)
        terminalreporter.write_line("wrote bench/results/suite_all.json")


def is_whole(config) -> bool:
    """Whether every test there is was asked for."""
    option = config.option
    chosen = (option.keyword, option.markexpr, option.deselect, option.ignore, option.ignore_glob, option.lf)
    ends_early = (option.maxfail, option.collectonly)
    return config.args_source is config.ArgsSource.TESTPATHS and not any((*chosen, *ends_early))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (../shared/data)."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout: real data is not shipped with the project")
    return folder


@pytest.fixture(autouse=True)
def isolated_runs(tmp_path, monkeypatch) -> None:
    """Every test has its own runs, prepared data and learner's workspace."""
    monkeypatch.setenv("FLEDGE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FLEDGE_WORKSPACE", str(tmp_path / "workspace"))
