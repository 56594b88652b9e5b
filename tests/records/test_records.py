"""Run directories survive kills, power cuts, name clashes and odd values."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from fledge import records
from fledge.errors import UserError, quoted
from fledge.records import Run, list_runs


def test_a_new_run_says_what_ran(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/fledge", "train", "sft", "--seed", "3"])
    run = Run.create("sft", {"seed": 3, "lr": 1e-3})
    info = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    assert info == Run.open(run.name).info
    assert run.path.parent == records.runs_root()
    assert (info["job"], info["status"], info["seed"], info["config"]["lr"]) == ("sft", "running", 3, 1e-3)
    assert info["command"] == "fledge train sft --seed 3"
    assert info["versions"]["torch"] == torch.__version__
    assert info["machine"]["cores"] >= 1
    assert info["started"] and info["finished"] is None


def test_a_taken_name_gets_a_number_and_never_overwrites():
    first, second, third = (Run.create("pretrain", {"n": n}, "mine") for n in range(3))
    assert [run.name for run in (first, second, third)] == ["mine", "mine-2", "mine-3"]
    assert Run.open("mine").info["config"] == {"n": 0}


@pytest.mark.parametrize("name", ["../out", "a/b", ".", "..", ".hidden"])
def test_a_name_cannot_leave_the_runs_folder(name):
    with pytest.raises(UserError, match="plain folder name"):
        Run.create("pretrain", {}, name)


def test_paths_in_the_command_become_relative(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    argv = ["/usr/bin/fledge", "train", f"--data={tmp_path / 'a b.txt'}", str(tmp_path / "val.txt"), "--lr=0.1"]
    monkeypatch.setattr(sys, "argv", argv)
    assert records.command_line() == "fledge train '--data=a b.txt' val.txt --lr=0.1"
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "fledge" / "__main__.py"), "doctor"])
    assert records.command_line() == "python -m fledge doctor"
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bench" / "race.py")])
    assert records.command_line() == "python bench/race.py"


def test_update_merges_one_level_deep():
    run = Run.create("pretrain", {"lr": 1})
    run.update(data={"train": "abc"}, landmarks={"start": 7.6})
    run.update(data={"val": "def"})
    run.finish(val_bpb=1.5)
    info = Run.open(run.path).info
    assert info["data"] == {"train": "abc", "val": "def"}
    assert info["results"] == {"val_bpb": 1.5}
    assert info["status"] == "done" and info["finished"] >= info["started"]


def test_a_failed_write_leaves_the_old_file(monkeypatch):
    run = Run.create("pretrain", {"lr": 1})
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError):
        run.update(status="done")
    assert Run.open(run.name).info["status"] == "running"


def test_metrics_come_back_as_logged_and_odd_values_stay_json():
    run = Run.create("pretrain", {})
    run.log(step=1, loss=torch.tensor(2.5), lr=np.float32(0.5), val_bits_by_kind={"fact": float("nan")})
    run.log(step=2, loss=float("inf"), path=run.path)
    strict = [
        json.loads(line, parse_constant=pytest.fail)
        for line in (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert run.metrics() == strict
    assert strict[0] == {"step": 1, "loss": 2.5, "lr": 0.5, "val_bits_by_kind": {"fact": None}}
    assert strict[1]["loss"] is None


def test_a_torn_line_is_skipped_and_spoils_no_later_line():
    run = Run.create("pretrain", {})
    run.log(step=1, loss=2.0)
    run.close()
    with (run.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')
    again = Run.open(run.name)
    assert [row["step"] for row in again.metrics()] == [1]
    again.log(step=2, loss=1.9)
    assert [row["step"] for row in again.metrics()] == [1, 2]


def test_a_line_is_on_disk_as_soon_as_it_is_logged():
    code = (
        "import os; from fledge.records import Run\n"
        "run = Run.create('pretrain', {}, 'killed'); run.log(step=1, loss=2.0); run.sample(step=1, text='天'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    run = Run.open("killed")
    assert run.metrics() == [{"step": 1, "loss": 2.0}]
    assert run.samples() == [{"step": 1, "text": "天"}]


def test_rewind_forgets_what_came_after_the_checkpoint():
    run = Run.create("pretrain", {})
    for step in range(1, 6):
        run.log(step=step, loss=float(step))
    run.rewind(3)
    run.log(step=4, loss=40.0)
    assert [(row["step"], row["loss"]) for row in run.metrics()] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0)]


def test_open_names_the_nearest_run():
    Run.create("pretrain", {}, "shakespeare")
    with pytest.raises(UserError, match="Did you mean 'shakespeare'"):
        Run.open("shakespere")


def test_list_is_newest_first_and_skips_broken_folders():
    old, new = Run.create("pretrain", {}, "z-old"), Run.create("pretrain", {}, "a-new")
    old.update(started="2020-01-01T00:00:00+00:00")
    broken = records.runs_root() / "broken"
    broken.mkdir()
    (broken / "run.json").write_text('{"name": "bro', encoding="utf-8")
    assert [run.name for run in list_runs()] == [new.name, old.name]
    with pytest.raises(UserError, match="broken"):
        Run.open("broken")


def test_trackers_are_checked_before_the_run_is_made(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for config, name in (({"tensorboard": True}, "tensorboard"), ({"track": "swanlab"}, "swanlab")):
        with pytest.raises(UserError, match=f"pip install {name}"):
            Run.create("pretrain", config)
    with pytest.raises(UserError, match="Did you mean 'wandb'"):
        Run.create("pretrain", {"track": "wandbb"})
    assert list_runs() == []


def test_tensorboard_gets_the_scalars():
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = Run.create("pretrain", {"tensorboard": True})
    for step in (1, 2):
        run.log(step=step, loss=1.0 / step, val_bits_by_kind={"fact": 3.0 * step})
    run.finish()
    seen = events.EventAccumulator(str(run.path / "tensorboard"))
    seen.Reload()
    assert [(e.step, e.value) for e in seen.Scalars("loss")] == [(1, 1.0), (2, 0.5)]
    assert [e.value for e in seen.Scalars("val_bits_by_kind/fact")] == [3.0, 6.0]


def test_records_import_no_torch():
    code = "import sys; from fledge.records import Run; Run.create('data', {}); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


TRAINING = """
import sys, time
from fledge.records import Run
run = Run.open("held")
with run.alone():
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_is_not_running():
    """The lock says it at once: it is the process's, and goes with it."""
    run = Run.create("pretrain", {}, "held")
    assert run.status() == "running", "about to begin"
    trainer = subprocess.Popen([sys.executable, "-c", TRAINING], stdout=subprocess.PIPE)
    try:
        assert trainer.stdout.readline().strip() == b"holding"
        os.utime(run.path / "run.json", (1e9, 1e9))
        assert run.status() == "running", "however long it has said nothing"
    finally:
        trainer.kill()
        trainer.wait()
    os.utime(run.path / "run.json")
    assert run.status() == "killed" and Run.open("held").info["status"] == "running"
    with run.alone():
        assert run.status() == "running"
    for status in ("done", "failed", "stopped"):
        run.finish(status)
        assert run.status() == status


def test_a_run_without_a_lock_is_judged_by_its_silence():
    run = Run.create("pretrain", {})
    assert run.status() == "running"
    os.utime(run.path / "run.json", (1e9, 1e9))
    assert run.status() == "killed"
    run.log(step=1)
    assert run.status() == "running"


@pytest.mark.parametrize("word", ["plain-name_2", "my first run", "名字 二", 'a"b c', "$HOME", ""])
def test_a_quoted_word_is_typed_back_as_it_is(word):
    script = f"import sys; assert sys.argv[1:] == [{word!r}], sys.argv"
    shown = quoted(word)
    assert (shown == word) == (word == "plain-name_2")
    command = f"{quoted(sys.executable)} -c {quoted(script)} {shown}"
    assert subprocess.run(command, shell=True).returncode == 0


def test_half_surrogate_pairs_are_escaped_and_read_back():
    name = "\udcb2\udce2.txt"  # a file name that is not UTF-8, as Python holds it
    run = Run.create("pretrain", {"data": [name, "中文.txt"]})
    run.log(step=1, file=name)
    assert "中文.txt" in (run.path / "run.json").read_text(encoding="utf-8")
    again = Run.open(run.name)
    assert again.info["config"]["data"] == [name, "中文.txt"] and again.metrics()[0]["file"] == name


def test_a_line_ends_at_a_newline_alone():
    """What a model writes may hold other separators of lines (U+2028, U+0085)."""
    run = Run.create("pretrain", {})
    run.sample(step=1, text="one\u2028two\u0085three")
    run.close()
    assert [row["text"] for row in run.samples()] == ["one\u2028two\u0085three"]


def test_a_place_that_cannot_hold_runs_is_refused_before_any_work(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"")
    monkeypatch.setenv("FLEDGE_RUNS", str(file / "runs"))
    with pytest.raises(UserError, match=r"cannot make the run folder .*FLEDGE_RUNS"):
        Run.check({})
    monkeypatch.setenv("FLEDGE_RUNS", str(tmp_path / "new" / "runs"))
    Run.check({})
    assert not (tmp_path / "new").exists()
