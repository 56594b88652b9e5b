"""What a machine does to a run: memory runs out, numbers overflow, somebody closes the lid or the terminal."""

from __future__ import annotations

import signal

import pytest
import torch
from safetensors.torch import load_file

from fledge.errors import UserError
from fledge.jobs.language import LanguageModeling
from fledge.model.folder import load_model
from fledge.records import Run
from fledge.training.clock import Clock
from tests.training.resume_jobs import prepare, run_stage


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survival")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLEDGE_RUNS", "FLEDGE_CACHE", "OMP_NUM_THREADS"):
            patch.setenv(name, "")
        prepare(folder)
        yield folder
    torch.set_num_threads(threads)


def small_memory(monkeypatch, rows: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
    """A machine that can hold only `rows` rows, and finds out in the middle of the backward pass."""
    loss = LanguageModeling.loss

    def limited(self, batch):
        found = loss(self, batch)
        if len(batch.inputs_BT) > rows:
            found.sum.backward()  # half of the work is done when memory runs out
            raise error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return found

    monkeypatch.setattr(LanguageModeling, "loss", limited)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError, RuntimeError])
@pytest.mark.parametrize("stage", ["pretrain", "sft with replay", "pretrain a mixture of experts"])
def test_when_memory_runs_out_the_same_step_is_computed_in_smaller_parts(root, monkeypatch, capsys, stage, error):
    name = f"{stage} {error.__name__}"
    whole = run_stage(root, stage, f"{name} whole", steps=8)
    small_memory(monkeypatch, 1, error)
    small = run_stage(root, stage, name, steps=8)
    out = " ".join(capsys.readouterr().out.split())
    assert "memory ran out at step 1: from here 2 times 2 rows instead of 4 at a time" in out
    assert "4 times 1 rows instead of 4" in out and small.info["micro_batch"] == 1
    for a, b in zip(whole.metrics(), small.metrics()):  # same rows in the same order, same global batch
        assert (a["step"], a["tokens"]) == (b["step"], b["tokens"])
        name = "loss" if "loss" in a else "val_loss"
        assert a[name] == pytest.approx(b[name], rel=1e-3)
    first, second = (load_model(run.model_dir).state_dict() for run in (whole, small))
    assert all(torch.allclose(first[key], second[key], atol=2e-3) for key in first)


def test_the_smaller_parts_are_remembered_when_the_run_goes_on(root, monkeypatch, capsys):
    small_memory(monkeypatch, 2)
    run = run_stage(root, "pretrain", "remembers", steps=4)
    run.update(status="running")
    run_stage(root, "pretrain", "remembers", steps=6, resume=True)
    out = capsys.readouterr().out
    assert out.count("memory ran out") == 1


def test_memory_too_small_for_one_row_says_what_to_do(root, monkeypatch):
    small_memory(monkeypatch, 0)
    with pytest.raises(UserError, match=r"even with one row of 48 tokens.*--seq-len.*--checkpoint-activations"):
        run_stage(root, "pretrain", "too small", steps=4)


def test_other_errors_of_torch_are_not_taken_for_memory(root, monkeypatch):
    def broken(self, batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(LanguageModeling, "loss", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        run_stage(root, "pretrain", "broken", steps=4)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_no_number_stops_the_run_and_keeps_the_batch(root, monkeypatch, where):
    loss = LanguageModeling.loss
    calls = []

    def diverge(self, batch):
        found = loss(self, batch)
        calls.append(batch)
        if len(calls) == 5:
            if where == "loss":
                found.sum = found.sum * float("nan")
            else:
                self.model.model.norm.weight.register_hook(lambda grad: grad * float("inf"))
        return found

    monkeypatch.setattr(LanguageModeling, "loss", diverge)
    what = "the loss became nan" if where == "loss" else "the gradient became infinite"
    with pytest.raises(UserError, match=rf"{what} at step 5 .*--lr.*--warmup.*--precision fp32"):
        run_stage(root, "pretrain", f"diverged {where}", steps=8)
    run = Run.open(root / "runs" / f"diverged {where}")
    kept = load_file(run.path / "bad-step-5.safetensors")
    assert torch.equal(kept["0.inputs"], calls[4].inputs_BT) and torch.equal(kept["0.targets"], calls[4].targets_BT)
    assert run.info["status"] == "failed"
    monkeypatch.setattr(LanguageModeling, "loss", loss)
    assert run_stage(root, "pretrain", run.name, steps=8, resume=True).info["status"] == "done"  # from step 3


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"])
def test_a_signal_waits_for_the_end_of_the_step_and_saves(root, monkeypatch, name):
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    signum = getattr(signal, name)
    loss, calls = LanguageModeling.loss, []

    def interrupted(self, batch):
        calls.append(1)
        if len(calls) == 5:
            signal.raise_signal(signum)
        return loss(self, batch)

    monkeypatch.setattr(LanguageModeling, "loss", interrupted)
    before = signal.signal(signum, signal.default_int_handler)  # a runner in the background may ignore it
    try:
        with pytest.raises(KeyboardInterrupt) as stopped:
            run_stage(root, "pretrain", name, steps=8)
    finally:
        signal.signal(signum, before)
    run = Run.open(root / "runs" / name)
    assert stopped.value.args == (name, True) and run.info["status"] == "stopped"
    assert (run.checkpoints_dir / "step-5").is_dir()


class Hands:
    """A clock that is turned by hand."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_pause_is_left_out_of_the_budget_and_of_the_time_left():
    hands = Hands()
    clock = Clock(hands)
    for seconds in [2.0] * 10 + [3600.0] + [2.0] * 9:  # the lid was closed for an hour
        hands.time += seconds
        clock.step(seconds)
    assert clock.elapsed == pytest.approx(40) and clock.paused == pytest.approx(3598)
    assert clock.left(100) == pytest.approx(200)


def test_a_machine_that_gets_slow_is_no_pause_and_shows_in_the_time_left():
    hands = Hands()
    clock = Clock(hands)
    for seconds in [1.0] * 100 + [3.0] * 50:
        hands.time += seconds
        assert clock.step(seconds) == 0
    assert clock.elapsed == pytest.approx(250)
    assert clock.left(100) == pytest.approx(300)


def test_the_share_of_validation_counts_in_the_time_left():
    hands = Hands()
    clock = Clock(hands)
    for _ in range(10):
        hands.time += 1.0
        clock.step(1.0)
    hands.time += 10.0  # a validation
    assert clock.left(10) == pytest.approx(20)
