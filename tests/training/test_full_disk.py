"""At the end of a disk nothing that was trained is lost."""

from __future__ import annotations

import errno

import pytest

from fledge.errors import UserError
from fledge.records import Run
from fledge.training.reserve import Reserve
from tests.jobs.test_fit import equal, pretrain, tokenizer  # noqa: F401 (a fixture)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_up_stops_the_run_saved_and_it_resumes_exactly(tokenizer, monkeypatch):  # noqa: F811
    whole = pretrain(tokenizer, run="whole")
    log = Run.log
    monkeypatch.setattr(
        Run, "log", lambda run, **row: full() if row.get("step") == 5 and "loss" in row else log(run, **row)
    )
    with pytest.raises(
        UserError, match=r"the disk is full: run 'cut' is saved at step 5; make room, then go on with the same"
    ):
        pretrain(tokenizer, run="cut")
    cut = Run.open("cut")
    assert cut.info["status"] == "failed" and not (cut.path / ".reserve").exists()
    monkeypatch.setattr(Run, "log", log)
    assert equal(whole, pretrain(tokenizer, run="cut", resume=True))


def test_a_run_whose_result_has_no_room_is_refused_before_its_first_step(tokenizer, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Reserve, "take", lambda self: False)
    with pytest.raises(UserError, match=r"no room for what run 'none' will save \(\d+ MB\): make room"):
        pretrain(tokenizer, run="none")
    assert Run.open("none").info["status"] == "failed" and Run.open("none").metrics() == []


def test_when_no_room_is_left_after_a_save_the_run_stops_there(tokenizer, monkeypatch, capsys):  # noqa: F811
    take, taken = Reserve.take, []

    def once(self) -> bool:
        taken.append(self)
        return take(self) if len(taken) == 1 else False

    monkeypatch.setattr(Reserve, "take", once)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tokenizer, run="nearly", save_every=4)
    assert "the disk is nearly full: the run is saved at step 4 and stops here" in " ".join(
        capsys.readouterr().out.split()
    )
    monkeypatch.setattr(Reserve, "take", take)
    assert pretrain(tokenizer, run="nearly", save_every=4, resume=True).info["status"] == "done"


def test_the_reserve_holds_as_much_as_a_checkpoint_takes(tokenizer, monkeypatch):  # noqa: F811
    take, sizes = Reserve.take, []

    def seen(self) -> bool:
        taken = take(self)
        sizes.append((self.size, self.path.stat().st_size))
        return taken

    monkeypatch.setattr(Reserve, "take", seen)
    run = pretrain(tokenizer, run="sized", save_every=6)
    saved = sum(file.stat().st_size for file in (run.checkpoints_dir / "step-12").iterdir())
    assert len(sizes) == 3 and all(saved <= size <= held for size, held in sizes)
    assert not (run.path / ".reserve").exists()
