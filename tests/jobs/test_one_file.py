"""A new job is one file and one line: help, flags, checks of settings, planner, training, record and resume know it."""

from __future__ import annotations

import json

import pytest

from fledge import jobs
from fledge.cli import main
from fledge.errors import UserError
from fledge.jobs.settings import job_config
from fledge.records import Run
from tests.jobs.test_fit import TEXTS, pretrain, tokenizer  # noqa: F401 (a fixture)


@pytest.fixture(autouse=True)
def echo(monkeypatch):
    monkeypatch.setitem(jobs.JOBS, "echo", "tests.jobs.one_file")


def test_help_lists_it_with_its_own_setting(capsys):
    assert main(["train", "--help"]) == 0
    assert "echo               say again what was read" in capsys.readouterr().out
    assert main(["train", "echo", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--sharpness FLOAT" in out and "(default: 1.0)" in out and "--preset" not in out and "--replay" not in out


def test_its_settings_are_checked_and_have_rates_of_their_own():
    with pytest.raises(UserError, match=r"--sharpness is -1\.0; it must be above 0"):
        job_config("echo", sharpness=-1).check()
    assert job_config("echo", optimizer="adamw").with_rates().lr == 0.001


def test_it_trains_resumes_and_is_planned(tokenizer, tmp_path, capsys):  # noqa: F811
    pretrain(tokenizer, run="base")
    data = tmp_path / "text.txt"
    data.write_text("\n".join(TEXTS), encoding="utf-8")
    words = ["train", "echo", "--model", "base", "--data", str(data), "--run", "echoed", "--seq-len", "32"]
    words += ["--steps", "6", "--sharpness", "2", "--precision", "fp32", "--save-every", "3"]
    assert main(words) == 0
    run = Run.open("echoed")
    rows = [row for row in run.metrics() if "loss" in row]
    assert len(rows) == 6 and rows[-1]["loss"] < rows[0]["loss"] and 0 <= rows[-1]["right"] <= 1
    assert run.info["config"]["sharpness"] == 2.0 and run.info["plan"]["predicted_memory_mb"] > 0
    assert main([*words[:2], "--run", "echoed", "--resume", "--data", str(data), "--steps", "8"]) == 0
    assert Run.open("echoed").info["results"]["step"] == 8
    capsys.readouterr()
    assert main(["plan", "echo", "--model", "base", "--data", str(data), "--card", "8", "--json"]) == 0
    proposals = json.loads(capsys.readouterr().out)
    assert [proposal["settings"]["epochs"] for proposal in proposals] == [1.0, 2.0, 3.0]
    assert main(["runs", "check", "echoed"]) == 0
