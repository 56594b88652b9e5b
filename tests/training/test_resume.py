"""Kill it anywhere: the same command with --resume ends in the same weights, bit for bit."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import shutil
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from fledge import proofs
from fledge.errors import UserError
from fledge.model.weights import read_weights
from fledge.records import Run
from fledge.training import checkpoint
from tests.training.resume_jobs import STAGES, prepare, run_stage

KILLS = 5  # of each stage, at other moments every day


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLEDGE_RUNS", "FLEDGE_CACHE", "OMP_NUM_THREADS"):
            patch.setenv(name, "")  # put back afterwards
        prepare(folder)
        yield folder
    torch.set_num_threads(threads)


def same_weights(a: Run, b: Run) -> bool:
    first, second = (read_weights(run.model_dir) for run in (a, b))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_random_moments_a_run_ends_in_the_same_weights(root, stage):
    steps = 100
    whole = run_stage(root, stage, f"{stage} whole", steps=steps)
    context = processes()
    draw = random.Random(f"{stage} {proofs.today()}")
    for number in range(KILLS):
        child = context.Process(target=run_stage, args=(root, stage, stage), kwargs={"steps": steps, "resume": True})
        found = checkpoint.load_checkpoint(root / "runs" / stage / "checkpoints")
        start = found[1]["step"] if found else 0
        child.start()
        if number % 3:  # some steps on, at any moment of a step, a validation or a checkpoint
            wait_for_step(root / "runs" / stage, start + draw.randint(1, steps // KILLS - 1), child)
        time.sleep(draw.uniform(0.0, 0.05 if number % 3 else 0.5))  # else while it starts
        child.kill()
        child.join()
        assert child.exitcode == -9 or sys.platform == "win32", "the child ended before it was killed"
    resumed = run_stage(root, stage, stage, steps=steps, resume=True)
    assert same_weights(whole, resumed)
    assert [m["loss"] for m in whole.metrics() if "loss" in m] == [m["loss"] for m in resumed.metrics() if "loss" in m]


def processes() -> multiprocessing.context.BaseContext:
    """A server that has imported torch once forks the children (spawn on Windows: the same, more slowly)."""
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(["tests.training.resume_jobs"])
    return context


def wait_for_step(path: Path, step: int, child: BaseProcess) -> None:
    """Until the run in `path` has logged this step in this session."""
    begun = time.monotonic()
    while child.is_alive() and time.monotonic() - begun < 60:
        with contextlib.suppress(UserError):
            run = Run(path)
            if run.info["status"] == "running" and max((m["step"] for m in run.metrics()[-3:]), default=0) >= step:
                return
        time.sleep(0.002)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(root):
    whole = run_stage(root, "pretrain", "early whole", steps=6)
    cut = run_stage(root, "pretrain", "early", steps=6)
    shutil.rmtree(cut.checkpoints_dir)
    shutil.rmtree(cut.model_dir)
    cut.update(status="running", finished=None)
    resumed = run_stage(root, "pretrain", "early", steps=6, resume=True)
    assert resumed.name == "early" and same_weights(whole, resumed)
    assert [m["step"] for m in resumed.metrics() if "loss" in m] == list(range(1, 7))


def test_a_run_that_never_was_starts_under_its_name_when_it_is_resumed(root):
    (root / "runs" / "unborn" / "tokenizer").mkdir(parents=True)  # killed while the run folder was made
    run = run_stage(root, "pretrain", "unborn", steps=3, resume=True)
    assert run.name == "unborn" and run.info["status"] == "done"


def test_a_finished_run_is_not_done_again(root, capsys):
    run = run_stage(root, "pretrain", "finished", steps=3)
    again = run_stage(root, "pretrain", "finished", steps=3, resume=True)
    assert "is finished" in capsys.readouterr().out and again.info["finished"] == run.info["finished"]


@pytest.mark.parametrize("damage", ["short", "changed", "no state"])
def test_a_damaged_checkpoint_is_passed_over_with_a_sentence(root, capsys, damage):
    whole = run_stage(root, "pretrain", f"whole {damage}", steps=8)
    run = run_stage(root, "pretrain", damage, steps=8)
    run.update(status="running")
    newest = run.checkpoints_dir / "step-6"
    data = bytearray((newest / "state.safetensors").read_bytes())
    if damage == "short":
        (newest / "state.safetensors").write_bytes(data[:-10])
    elif damage == "changed":
        data[-1] ^= 1
        (newest / "state.safetensors").write_bytes(data)
    else:
        (newest / "state.json").write_text("{", encoding="utf-8")
    resumed = run_stage(root, "pretrain", damage, steps=8, resume=True)
    out = capsys.readouterr().out
    assert "step-6 is damaged; trying the one before it" in out and "goes on after step 3" in out
    assert same_weights(whole, resumed)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left")])
def test_a_full_disk_is_one_sentence_and_the_last_good_checkpoint_stays(root, monkeypatch, error):
    name = f"full {type(error).__name__}"
    save_file = checkpoint.save_file
    saved = []

    def fail(tensors, path):
        saved.append(path)
        if len(saved) == 2:
            path.write_bytes(b"half")
            raise error
        save_file(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(UserError, match=r"step 6 could not be written.*the last whole one is step 3; make room"):
        run_stage(root, "pretrain", name, steps=8)
    folder = root / "runs" / name
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step-3"]
    assert Run.open(folder).info["status"] == "failed"
    resumed = run_stage(root, "pretrain", name, steps=8, resume=True)  # room was made
    assert same_weights(run_stage(root, "pretrain", f"{name} whole", steps=8), resumed)


def test_other_batches_go_on_at_the_same_token_and_say_what_is_lost(root, capsys):
    run = run_stage(root, "pretrain", "rebatched", steps=8)
    run.update(status="running")
    shutil.rmtree(run.checkpoints_dir / "step-6")
    resumed = run_stage(root, "pretrain", "rebatched", steps=8, resume=True, batch_size=2, accumulation_steps=1)
    assert "batch_size 4 → 2: from here it can no longer be bit-identical" in capsys.readouterr().out
    tokens = [m["tokens"] for m in resumed.metrics() if "loss" in m]
    assert tokens[:4] == [192, 384, 576, 576 + 96] and tokens[-1] == 8 * 192
    assert resumed.info["results"]["step"] == 3 + 10


def test_other_data_are_refused(root, monkeypatch):
    run = run_stage(root, "pretrain", "moved", steps=4)
    run.update(status="running")
    monkeypatch.setattr("tests.training.resume_jobs.TEXTS", ["something else altogether"] * 20)
    with pytest.raises(UserError, match="the data have changed since it began"):
        run_stage(root, "pretrain", "moved", steps=4, resume=True)


def test_a_run_of_another_job_is_refused(root):
    with pytest.raises(UserError, match="is a pretrain run: go on with `fledge train pretrain --run base --resume`"):
        run_stage(root, "sft", "base", steps=4, resume=True)


@pytest.mark.slow
def test_two_processes_never_train_one_run(root):
    """Whoever comes second is told so and changes nothing; when the first is killed its run is free."""
    child = processes().Process(target=run_stage, args=(root, "pretrain", "twice"), kwargs={"steps": 10**6})
    child.start()
    try:
        wait_for_step(root / "runs" / "twice", 3, child)
        with pytest.raises(UserError, match="'twice' is being trained by another process"):
            run_stage(root, "pretrain", "twice", steps=10**6, resume=True)
        assert child.is_alive()
    finally:
        child.kill()
        child.join()
    step = max(m["step"] for m in Run(root / "runs" / "twice").metrics())
    assert run_stage(root, "pretrain", "twice", steps=step + 5, resume=True).info["status"] == "done"
