"""`fledge quickstart` without a terminal: it trains, measures, prints a table and a conversation, and ends with 0."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import re
import subprocess
import sys

import pytest

from fledge.cli import main, quickstart
from fledge.cli.flags import known_flags
from fledge.jobs.language import LanguageModeling
from fledge.records import Run, list_runs
from fledge.world import sample
from tests.cheap import little_quickstart

SAID = {
    "zh": ("■ 第 1 步 · 世界", "■ 第 5 步 · 测量", "每个阶段之后的同一组测量", "微调之后",
           "■ 对话样例", "你好！你是谁？", "再聊一次"),
    "en": ("■ Step 1 · The world", "■ Step 5 · Measuring", "The same measures after every stage", "after SFT",
           "■ A sample conversation", "Hello! Who are you?", "chat again:"),
}  # fmt: skip


def check_output(out: str, lang: str) -> None:
    """Every part is there in its order, in one language, and every question has an answer below it."""
    places = [out.find(words) for words in SAID[lang]]
    assert -1 not in places and places == sorted(places), dict(zip(SAID[lang], places))
    assert not any(words in out for words in SAID["en" if lang == "zh" else "zh"])
    table = out[places[2] : places[4]]
    assert table.count("%") >= 10 and len(table.splitlines()) >= 2 + len(quickstart.MEASURES)
    lines = out[places[4] :].splitlines()
    asked = [i for i, line in enumerate(lines) if line.startswith("  > ")]
    assert len(asked) == len(sample.QUESTIONS[lang])
    assert all(lines[i + 1].startswith("    ") for i in asked), lines


@pytest.mark.slow
def test_a_new_user_without_a_terminal_in_chinese(tmp_path):
    env = {**os.environ, "FLEDGE_LANG": "zh", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "fledge", "quickstart", "--size", "tiny"],
        stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", env=env, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0 and done.stderr == "", done.stderr
    check_output(done.stdout, "zh")
    tuned = Run.open("quickstart-sft")
    stages = tuned.info["results"]["stages"]
    assert {run.name: run.info["status"] for run in list_runs()} == {
        "quickstart-pretrain": "done",
        "quickstart-sft": "done",
    }
    assert set(stages) == {"pretrain", "sft"} and stages["pretrain"]["bits"]["all"]["bpb"] < 2.5
    losses = [row["val_loss"] for row in tuned.metrics() if "val_loss" in row]
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.slow
def test_in_english_with_settings_cut_short_and_again_beside_it(monkeypatch, capsys):
    little_quickstart(monkeypatch)
    monkeypatch.setenv("FLEDGE_LANG", "en")
    assert main(["quickstart", "--size", "tiny"]) == 0
    check_output(capsys.readouterr().out, "en")
    assert main(["quickstart", "--size", "tiny", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["run"] == "quickstart-sft-2" and set(report["stages"]) == {"pretrain", "sft"}
    assert Run.open("quickstart-sft").info["config"]["model"] == "quickstart-pretrain"
    assert Run.open("quickstart-sft-2").info["config"]["model"] == "quickstart-pretrain-2"


def memory_runs_out(self, batch):
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


def no_number(self, batch, loss=LanguageModeling.loss):
    found = loss(self, batch)
    found.sum = found.sum * float("nan")
    return found


def disk_is_full(self, **row):
    if "loss" in row:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "broken", "said"),
    [
        ((LanguageModeling, "loss"), memory_runs_out, "tokens at a time: choose a smaller --size."),
        ((LanguageModeling, "loss"), no_number, "became nan at step 1 (its batch is in *.safetensors)."),
        ((Run, "log"), disk_is_full, "make room, then go on with the same command."),
    ],
)
def test_what_goes_wrong_in_a_training_is_said_in_the_words_of_this_verb(monkeypatch, capsys, place, broken, said):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    little_quickstart(monkeypatch)
    monkeypatch.setattr(*place, broken)
    assert main(["quickstart", "--size", "tiny"]) == 2
    error = capsys.readouterr().err.strip()
    assert fnmatch.fnmatchcase(error, f"*{said}"), error
    assert set(re.findall(r"--[a-z-]+", error)) <= set(known_flags(quickstart.Flags))
