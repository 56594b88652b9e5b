"""Reference bands: what is in the package is whole, and a run is measured only against what it can be compared with."""

from __future__ import annotations

import importlib
import json
import math
import random
from pathlib import Path

import pytest

from fledge.diagnose import bands
from fledge.diagnose.bands import Band
from fledge.diagnose.check import check_run
from fledge.diagnose.curves import Curves
from fledge.diagnose.outcome import LOOPS
from fledge.jobs import find_job
from fledge.records import Run

ROOT = Path(__file__).resolve().parents[2]
RECORDED = sorted(bands.FOLDER.glob("*.json"))


def judge(run: Run):
    return check_run(run, find_job(run.info["job"]).facts())


def record(seed: int, *, shift: float = 0.0, tokens: int = 90_000, **config) -> Run:
    """A made-up run whose loss falls from 6 by a power of the step, with noise of its seed and `shift` nats on top."""
    noise = random.Random(seed)
    settings = {
        "steps": 100,
        "seq_len": 64,
        "batch_size": 8,
        "accumulation_steps": 1,
        "replay_share": 0.25,
        "lr": 0.025,
    }
    settings |= {name: 0.01 for name in bands.SETTINGS if name != "lr"} | {"seed": seed} | config
    run = Run.create("pretrain", settings, f"made-{seed}")
    source = {"file": "train", "rows": 9, "sha256": f"text of seed {seed}"}
    train = {
        "key": "0" * 64,
        "inputs": [source],
        "examples": 9,
        "tokens": tokens,
        "targets": tokens - 9,
        "bytes": 2 * tokens,
    }
    model = {name: 1 for name in bands.SHAPE} | {"vocab_size": 400, "num_parameters": {"active": 50_000}}
    run.update(
        data={"train": train}, landmarks={"start": math.log(400), "floor": 0.5}, model=model, precision="float32"
    )
    for step in range(settings["steps"] + 1):
        loss = 6 * (step + 1) ** -0.25 + shift * (step > 5) + noise.gauss(0, 0.02)
        if step:
            run.log(step=step, tokens=step * 512, seconds=step * 0.1, loss=loss)
        if step % 20 == 0:
            run.log(step=step, tokens=step * 512, val_loss=loss, val_bpb=loss / 1.4)
    run.finish("done", seconds=10.0)
    return run


@pytest.fixture
def band(monkeypatch) -> Band:
    """A band of three made-up runs, as bench/record_bands.py writes it; the only one there is."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    monkeypatch.setenv("FLEDGE_LANG", "en")
    program = importlib.import_module("record_bands")
    monkeypatch.setitem(program.TITLES, "made", ["编的", "made up"])
    found = Band(json.loads(json.dumps(program.band("made", [record(seed) for seed in (0, 1, 2)], "made up"))))
    monkeypatch.setattr(bands, "bands", lambda: (found,))
    return found


def test_a_run_of_another_seed_lies_in_the_band(band):
    check = judge(record(7))
    assert check.match is not None and check.match.exact
    assert abs(check.evidence.sigmas) < 2 and check.verdict == "normal"
    assert {point.measure for point in check.points} == {"loss", "val_loss", "val_bpb"}
    assert [point.step for point in check.points if point.measure == "loss"] == [10, 25, 50, 75, 100]


def test_a_run_far_above_the_band_is_unusual_and_its_other_settings_are_named(band):
    check = judge(record(7, shift=0.8, grad_clip=9.0))
    (finding,) = check.findings
    assert (check.verdict, finding.name) == ("unusual", "above_the_band")
    assert check.evidence.sigmas > bands.WIDE and "grad_clip 9.0 (0.01)" in finding.evidence


def test_a_better_run_is_no_fault(band):
    check = judge(record(7, shift=-0.5))
    assert check.evidence.sigmas < -bands.WIDE and check.verdict == "normal"


def test_half_a_run_is_compared_with_half_of_the_band(band):
    run = record(7)
    run.update(status="running")
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run.path / "metrics.jsonl").write_text("".join(lines[:52]), encoding="utf-8")
    points = judge(Run(run.path)).evidence.points
    assert max(point.step for point in points) in range(40, 51) and all(abs(point.sigmas) < 4 for point in points)


@pytest.mark.parametrize(
    ("change", "difference"),
    [({"steps": 50}, "steps"), ({"batch_size": 4}, "tokens_per_step"), ({"tokens": 200_000}, "data")],
)
def test_what_differs_is_named_and_nothing_is_judged_by_it(band, change, difference):
    check = judge(record(7, shift=0.8, **change))
    assert check.match.differences == [difference]
    assert check.evidence.sigmas is None and not check.points and check.verdict == "normal"


def test_the_recording_program_refuses_seeds_that_did_something_else(band):
    program = importlib.import_module("record_bands")
    with pytest.raises(SystemExit, match="did not run the same thing"):
        program.band("made", [record(0), record(1, batch_size=4)], "")


def test_the_curve_is_cut_into_the_parts_of_the_plan():
    run = record(0, steps=50)
    curves = Curves(run)
    assert curves.parts == 10 and curves.ends() == [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]
    losses = [line["loss"] for line in curves.rows]
    assert curves.means("loss") == pytest.approx([sum(losses[i : i + 5]) / 5 for i in range(0, 50, 5)])
    run.update(status="running", config={"steps": 100})
    assert Curves(run).progress == 0.5 and len(Curves(run).means("loss")) == 10


def test_the_package_holds_bands():
    assert len(RECORDED) >= 2


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_band_is_whole(path):
    info = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda word: pytest.fail(word))
    assert info["name"] == path.stem and info["command"].startswith("python bench/record_bands.py")
    assert info["git_commit"] and {"cpu", "cores", "torch"} <= info["machine"].keys()
    assert len(set(info["seeds"])) >= 3 and len(info["key"]["inputs"]) == len(info["seeds"])
    assert not any(f"/{word}/" in path.read_text(encoding="utf-8") for word in ("home", "root", "tmp", "work"))
    loss = info["curve"]["loss"]
    assert len(loss["mean"]) == len(loss["sd"]) == len(info["curve"]["step"]) == len(info["curve"]["tokens"])
    assert info["curve"]["step"][-1] == info["key"]["steps"] and loss["mean"][-1] < 0.8 * loss["mean"][0]
    assert info["final"]["val_loss"][1] < 0.1 * info["final"]["val_loss"][0]  # seeds agree
    if info["key"]["floor"] is not None or info["key"]["job"] == "sft":
        assert info["final"].get("repetition", [0])[0] < LOOPS  # what the threshold of `repetition` stands on
