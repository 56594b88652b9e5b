"""Shared fixtures. Real data is never shipped: tests that need it skip with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fledge.proofs import DAY, today

if "PYTEST_XDIST_WORKER" in os.environ:  # tests side by side: one thread each, before torch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser) -> None:
    parser.addoption("--all", action="store_true", help="run every proof again, also of what has not changed")


def pytest_terminal_summary(terminalreporter, config) -> None:
    if not config.getoption("--all"):
        terminalreporter.write_line(
            f"proofs that had not changed: those of {DAY}={today()} ran again; --all runs every one"
        )


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
