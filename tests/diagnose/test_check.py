"""`fledge runs check`: every diagnosis finds the run that is broken that way, and a sound run gets none."""

from __future__ import annotations

import contextlib
import json
import math
import shutil

import pytest

from fledge.diagnose.check import check_run
from fledge.records import Run
from tests.diagnose import broken_runs as broken


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEDGE_RUNS", str(folder / "runs"))
        patch.setenv("FLEDGE_CACHE", str(folder / "cache"))
        yield broken.Lab(folder)


@pytest.fixture(autouse=True)
def in_the_lab(isolated_runs, request, tmp_path_factory, monkeypatch):
    """The runs of this module lie together: fine-tuning starts from the sound one, and a check reads the cache."""
    if "lab" in request.fixturenames:
        folder = request.getfixturevalue("lab").tokenizer.removesuffix("tokenizer")
        monkeypatch.setenv("FLEDGE_RUNS", f"{folder}runs")
        monkeypatch.setenv("FLEDGE_CACHE", f"{folder}cache")
    monkeypatch.setenv("FLEDGE_LANG", "en")


def names(check) -> list[str]:
    """What was found; how fast the machine was is no property of the run."""
    return [finding.name for finding in check.findings if finding.name != "slower"]


# How a run is broken: (the context that breaks it, the job, changed settings) -> the diagnosis, words that name the cause.
MUON = {"lr": 2.5, "embed_lr": 30.0, "head_lr": 1.0, "norm_lr": 0.4}
WEAK = {name: rate / 10_000 for name, rate in MUON.items()}
WAYS = {
    "every rate 100 times too high": (None, "pretrain", MUON, "lr_too_high", "diverged"),
    "only --lr 100 times too high": (None, "pretrain", {"lr": 2.5}, "lr_too_high", "too high"),
    "AdamW at Muon's rate times 40": (None, "pretrain", {"optimizer": "adamw", "lr": 1.0}, "lr_too_high", "diverged"),
    "every rate 100 times too low": (None, "pretrain", WEAK, "lr_too_low", "hardly moves"),
    "only --lr 100 times too low": (None, "pretrain", {"lr": 2.5e-4}, "lr_too_low", "body"),
    "labels one place too far": (broken.shifted(1), "pretrain", {}, "labels_shifted", "after the next"),
    "labels are the inputs": (broken.shifted(-1), "pretrain", {}, "sees_the_answer", "current input"),
    "labels from the past": (broken.shifted(-2), "pretrain", {}, "sees_the_answer", "sees the answer"),
    "no causal mask": (broken.no_causal_mask(), "pretrain", {}, "sees_the_answer", "look ahead"),
    "labels of other rows": (broken.shuffled(), "pretrain", {}, "labels_shifted", "do not belong"),
    "too few tokens": (None, "pretrain", {"steps": 25}, "too_few_tokens", "falling"),
    "NaN": (broken.nan_after(15), "pretrain", {"steps": 30}, "nan", "NaN"),
    "nothing loaded": (broken.weights_not_loaded(), "sft", {"steps": 30}, "nothing_loaded", "not loaded"),
    "large initial weights": (broken.large_weights(), "pretrain", {}, "bad_start", "too large"),
    "prompts count": (broken.prompts_count(), "sft", {}, "loss_on_the_prompt", "prompts"),
    "BOS twice": (broken.doubled_bos(), "pretrain", {}, "doubled_bos", "twice"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_broken_run_is_found_and_its_cause_is_named(lab, way):
    context, job, changes, name, words = WAYS[way]
    if way in ("BOS twice", "prompts count"):  # prepared anew: the cache knows the sound rows
        rows = lab.texts if job == "pretrain" else lab.chats
        changes = changes | {"rows": rows[70:], "val_rows": rows[:70]}
    with context or contextlib.nullcontext():
        run = (lab.pretrain if job == "pretrain" else lab.sft)(way.replace(" ", "-"), **changes)
    check = check_run(run)
    assert names(check) == [name]
    assert check.verdict in ("broken", "unusual")
    (finding,) = [finding for finding in check.findings if finding.name == name]
    assert words in finding.cause and finding.evidence and finding.advice
    assert check.why == finding.cause


@pytest.mark.slow
def test_too_much_of_too_little_text_is_overfitting(lab):
    check = check_run(lab.pretrain("overfit", rows=lab.texts[:80]))
    assert names(check) == ["overfitting"]
    assert check.findings[0].numbers["best_step"] <= 48 and check.findings[0].numbers["epochs"] > 20


@pytest.mark.slow
def test_text_that_repeats_itself_teaches_to_repeat(lab):
    sentences = [text.split("。")[0].split(".")[0][:14] + " " for text in lab.texts[:40]]
    rows = [sentences[i % 40] * 30 for i in range(300)]
    check = check_run(lab.pretrain("loops", rows=rows, val_rows=rows[:40], landmarks={}))
    assert names(check) == ["repetition"]
    assert "the training text does" in check.findings[0].cause and check.verdict == "unusual"


@pytest.mark.slow
def test_a_pace_that_breaks_down_is_seen(lab):
    with broken.slow_after(60, 0.2):
        check = check_run(lab.pretrain("slow", steps=75))
    assert "slower" in [finding.name for finding in check.findings]


SOUND = {
    "another seed": ("pretrain", {"seed": 1}),
    "AdamW": ("pretrain", {"optimizer": "adamw", "lr": 0.01}),
    "text of an unknown floor": ("pretrain", {"landmarks": {}, "schedule": "constant"}),
    "fine-tuning": ("sft", {}),
    "fine-tuning with replay": ("sft", {"replay_share": 0.4}),
    "real text": ("pretrain", {"steps": 200, "batch_size": 16, "landmarks": {}}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_run_is_normal(lab, kind, request):
    job, changes = SOUND[kind]
    if kind == "real text":
        file = request.getfixturevalue("shared_data") / "pretrain" / "tinyshakespeare.txt"
        text = file.read_text(encoding="utf-8")[:300_000]
        rows = [text[i : i + 1000] for i in range(0, len(text), 1000)]
        changes = changes | {"rows": rows[20:], "val_rows": rows[:20]}
    if kind == "fine-tuning with replay":
        changes = changes | {"replay_rows": lab.texts}
    check = check_run((lab.pretrain if job == "pretrain" else lab.sft)(kind.replace(" ", "-"), **changes))
    serious = [f for f in check.findings if f.level != "note" and f.name != "slower"]
    assert serious == []


def copy(run: Run, name: str, *, lines: int | None = None, **info) -> Run:
    """The record of a run with only its first lines, and other facts in run.json (None: leave the fact out)."""
    path = run.path.parent / name
    shutil.copytree(run.path, path)
    changed = {key: value for key, value in (run.info | info).items() if value is not None}
    (path / "run.json").write_text(json.dumps(changed), encoding="utf-8")
    if lines is not None:
        kept = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
        (path / "metrics.jsonl").write_text("".join(kept), encoding="utf-8")
    return Run(path)


def test_a_sound_run_and_its_landmarks(lab):
    check = check_run(lab.sound)
    assert (check.verdict, names(check)) == ("normal", [])
    start, unigram, bigram, floor = check.landmarks
    assert start.value == pytest.approx(math.log(broken.VOCAB)) and floor.value == lab.floor
    assert start.value > unigram.value > bigram.value > check.evidence.end > floor.value
    assert start.reached <= unigram.reached < bigram.reached < 120


def test_runs_that_go_on_were_stopped_or_failed_are_judged_by_what_there_is(lab):
    assert check_run(copy(lab.sound, "going-on", lines=70, status="running")).verdict == "normal"
    assert check_run(copy(lab.sound, "young", lines=9, status="running")).verdict == "cannot tell"
    assert check_run(copy(lab.sound, "stopped", lines=70, status="stopped")).verdict == "normal"
    failed = check_run(copy(lab.sound, "failed", lines=70, status="failed", results={"error": "the disk is full"}))
    assert failed.verdict == "unusual" and "the disk is full" in failed.why
    by_the_clock = lab.sound.info["config"] | {"steps": None, "budget": "1000s"}
    seconds = lab.sound.metrics()[-1]["seconds"]
    planned = check_run(
        copy(lab.sound, "clock", lines=70, status="running", config=by_the_clock)
    ).evidence.curves.planned
    assert planned > 120 * 1000 / seconds / 3  # by its pace so far, whatever the machine
    empty = copy(lab.sound, "empty", lines=0)
    assert check_run(empty).verdict == "cannot tell"


def test_what_an_older_record_lacks_is_not_guessed(lab):
    run = copy(lab.sound, "old", landmarks=None, data=None, model=None, results=None)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = "".join(json.dumps({"step": line["step"], "loss": line["loss"]}) + "\n" for line in lines if "loss" in line)
    (run.path / "metrics.jsonl").write_text(kept, encoding="utf-8")
    check = check_run(Run(run.path))
    assert check.verdict == "cannot tell" and not check.landmarks and len(check.unchecked) == 2


def test_without_the_prepared_data_the_curve_is_still_judged(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "another"))
    check = check_run(lab.sound)
    assert check.verdict == "normal" and [mark.name for mark in check.landmarks] == ["start", "floor"]
    assert "no longer in the cache" in check.unchecked[0]


def test_the_check_is_plain_data(lab):
    shown = json.loads(json.dumps(check_run(lab.sound).to_dict(), allow_nan=False))
    assert shown["verdict"] == "normal" and shown["planned_steps"] == 120 and shown["findings"] == []
