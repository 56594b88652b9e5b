"""`fledge quickstart` without a terminal: it trains, measures, prints a table and a conversation, and ends with 0."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from fledge.cli import main, quickstart
from fledge.cli.flags import known_flags
from fledge.cli.quickstart_made import Made
from fledge.jobs.language import LanguageModeling
from fledge.records import Run, list_runs, runs_root
from fledge.training.optim import Optimizer
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


@pytest.mark.slow
def test_with_all_stages_it_goes_on_where_it_was_stopped_and_measures_each(monkeypatch, capsys):
    monkeypatch.setenv("FLEDGE_LANG", "en")
    little_quickstart(monkeypatch)
    words = ["quickstart", "--size", "tiny", "--stages", "all", "--json"]
    assert main(words[:3]) == 0  # what is there of less is used
    step, steps = Optimizer.step, []

    def stopped(self, scale):
        steps.append(1)
        if len(steps) == 3:  # the adapter took two
            signal.raise_signal(signal.SIGINT)
        step(self, scale)

    monkeypatch.setattr(Optimizer, "step", stopped)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(words) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "fledge quickstart --size tiny --stages all" in capsys.readouterr().err
    monkeypatch.setattr(Optimizer, "step", step)
    assert main(words) == 0
    output = capsys.readouterr()
    found = json.loads(output.out.splitlines()[-1])
    assert "Without what was there already, this took" in output.err
    assert found["alignment"].keys() == {"lora", "dpo", "grpo"} and found["alignment"]["dpo"]["n"] == 6
    assert all(0 <= stage[when] <= 1 for stage in found["alignment"].values() for when in ("before", "after"))
    made = {run.name: run.info for run in list_runs()}
    assert made.keys() == {f"quickstart-{stage}" for stage in ("pretrain", "sft", "lora", "dpo", "grpo")}
    assert all(info["status"] == "done" for info in made.values())
    assert {made[f"quickstart-{stage}"]["config"]["model"] for stage in ("lora", "dpo", "grpo")} == {"quickstart-sft"}


def test_a_quickstart_knows_its_runs_by_what_it_is():
    def made(seed: int = 0, stages=("pretrain", "sft")) -> dict[str, str]:
        return Made({"seed": seed}, list(stages)).runs

    assert made() == {}
    for status, stage in (("done", "pretrain"), ("running", "sft")):
        Run.create(stage, {}, f"quickstart-{stage}").update(status=status)
    file = runs_root() / "quickstart.json"
    whole = {"key": {"seed": 0}, "runs": {"pretrain": "quickstart-pretrain", "sft": "quickstart-sft", "dpo": "gone"}}
    file.write_text(json.dumps(whole), encoding="utf-8")
    known = {"pretrain": "quickstart-pretrain", "sft": "quickstart-sft"}
    assert made() == known and made(seed=1) == {}
    Run.open("quickstart-sft").update(status="done")
    assert made() == {}  # it is whole, and begins again beside
    assert made(stages=("pretrain", "sft", "lora")) == known  # but for what is new
    file.write_text(json.dumps(whole)[:20], encoding="utf-8")
    assert made() == {}


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
