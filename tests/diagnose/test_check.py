"""`fledge runs check`: every diagnosis finds the run that is broken that way, and a sound run gets none."""

from __future__ import annotations

import json
import math
import re
import shutil
from unittest import mock

import pytest

from fledge.diagnose.check import check_run
from fledge.jobs import find_job
from fledge.jobs.language import LanguageModeling
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


def judge(run: Run):
    return check_run(run, find_job(run.info["job"]).facts())


def names(check) -> list[str]:
    """What was found; how fast the machine was is no property of the run."""
    return [finding.name for finding in check.findings if finding.name != "slower"]


@pytest.mark.slow
@pytest.mark.parametrize("name", broken.WAYS)
def test_a_broken_run_is_found_and_its_cause_is_named(lab, name):
    way = broken.WAYS[name]
    check = judge(lab.broken(way, name.replace(" ", "-")))
    assert names(check) == [way.finding]
    assert check.verdict in ("broken", "unusual")
    (finding,) = [finding for finding in check.findings if finding.name == way.finding]
    assert way.words in finding.cause and finding.evidence and finding.advice
    assert check.why == finding.cause


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nan_is_found_in_the_record_of_either_language(lab, monkeypatch, language):
    monkeypatch.setenv("FLEDGE_LANG", language)
    run = lab.broken(broken.WAYS["NaN"], f"NaN-{language}")
    assert run.info["results"]["error_kind"] == "not_a_number"
    for reader in ("zh", "en"):
        monkeypatch.setenv("FLEDGE_LANG", reader)
        check = judge(run)
        assert (
            names(check) == ["nan"] and "NaN" in check.why and bool(re.search("[一-鿿]", check.why)) == (reader == "zh")
        )


@pytest.mark.slow
def test_labels_are_blamed_only_where_the_model_can_be_asked(lab):
    run = lab.broken(broken.WAYS["labels one place too far"], "shifted", save_every=60)
    assert names(judge(run)) == ["labels_shifted"]
    going_on = copy(run, "shifted-going-on", status="running")
    shutil.rmtree(going_on.model_dir)
    check = judge(going_on)
    assert names(check) == ["labels_shifted"] and check.findings[0].numbers["shift"] == 1  # its checkpoint was asked
    shutil.rmtree(going_on.checkpoints_dir)
    check = judge(going_on)
    assert check.verdict != "broken" and "not checked with its own model" in check.unchecked[-1]


@pytest.mark.slow
def test_a_checkpoint_that_is_further_than_the_last_validation_is_no_contradiction(lab):
    """Early on a few steps are worth a nat: the model of step 12 is better than the validation of step 2 says."""
    run = copy(lab.pretrain("young-and-sound", steps=12, save_every=12, val_every=2), "stopped-late", status="stopped")
    shutil.rmtree(run.model_dir)
    late = copy(run, "stopped-later", change=lambda line: {} if "val_loss" in line and line["step"] > 2 else line)
    check = judge(late)
    assert check.evidence.asked is not None and names(check) == []
    low, high = check.evidence.claimed
    assert high - low > 1 and low - 0.5 < check.evidence.asked.loss[0].mean < high


@pytest.mark.slow
def test_code_that_still_looks_ahead_is_found_by_its_own_predictions(lab):
    with broken.no_causal_mask():
        check = judge(lab.pretrain("looks-ahead", steps=30))
    assert names(check) == ["sees_the_answer"] and "causal mask leaks" in check.findings[0].cause


@pytest.mark.slow
def test_a_base_that_knows_nothing_is_no_load_that_failed(lab):
    """It begins like new weights; whether they were loaded, only the base can tell, as it was then."""
    way = broken.WAYS["nothing loaded"]
    lab.pretrain("ignorant", steps=1, lr=1e-9, embed_lr=1e-9, head_lr=1e-9, norm_lr=1e-9)
    assert "nothing_loaded" not in names(judge(lab.broken(way, "from-nothing", model="ignorant")))
    run = lab.broken(way, "not-loaded")
    assert names(judge(run)) == ["nothing_loaded"]
    earlier = copy(run, "changed-since", started="2020-01-01T00:00:00+00:00")
    assert "nothing_loaded" not in names(judge(earlier))


@pytest.mark.slow
def test_a_loss_that_is_divided_by_too_much_is_not_called_an_answer_seen(lab):
    validate = LanguageModeling.validate

    def halved(self, *args, **kwargs):
        return {name: value / 2 for name, value in validate(self, *args, **kwargs).items()}

    with mock.patch.object(LanguageModeling, "validate", halved):
        check = judge(lab.pretrain("halved", steps=60))
    assert names(check)[0] == "another_loss" and check.verdict == "broken"


@pytest.mark.slow
def test_too_much_of_too_little_text_is_overfitting(lab):
    check = judge(lab.pretrain("overfit", rows=lab.texts[:80]))
    assert names(check) == ["overfitting"]
    assert check.findings[0].numbers["best_step"] <= 48 and check.findings[0].numbers["epochs"] > 20


@pytest.mark.slow
def test_text_that_repeats_itself_teaches_to_repeat(lab):
    sentences = [text.split("。")[0].split(".")[0][:14] + " " for text in lab.texts[:40]]
    rows = [sentences[i % 40] * 30 for i in range(300)]
    check = judge(lab.pretrain("loops", rows=rows, val_rows=rows[:40], landmarks={}))
    assert names(check) == ["repetition"]
    assert "the training text does" in check.findings[0].cause and check.verdict == "unusual"


def test_a_pace_that_breaks_down_is_seen(lab):
    def at(pace):
        def slowed(line):
            return line | {"tokens_per_second": pace(line["step"])} if "loss" in line else line

        return [
            finding for finding in judge(copy(lab.sound, "slow", change=slowed)).findings if finding.name == "slower"
        ]

    (finding,) = at(lambda step: 9000 if step < 60 else 2000)
    assert finding.numbers == {"before": 9000, "now": 2000} and finding.level == "unusual"
    assert not at(lambda step: 9000 if step % 10 else 100)  # pauses


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
    check = judge((lab.pretrain if job == "pretrain" else lab.sft)(kind.replace(" ", "-"), **changes))
    serious = [f for f in check.findings if f.level != "note" and f.name != "slower"]
    assert serious == []


def copy(run: Run, name: str, *, lines: int | None = None, change=lambda line: line, **info) -> Run:
    """The record of a run with only its first lines, changed ones, and other facts in run.json (None: leave the fact out)."""
    path = run.path.parent / name
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(run.path, path)
    changed = {key: value for key, value in (run.info | info).items() if value is not None}
    (path / "run.json").write_text(json.dumps(changed), encoding="utf-8")
    kept = [change(line) for line in run.metrics()[:lines]]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    return Run(path)


def test_a_sound_run_and_its_landmarks(lab):
    check = judge(lab.sound)
    assert (check.verdict, names(check)) == ("normal", [])
    start, unigram, bigram, floor = check.landmarks
    assert start.value == pytest.approx(math.log(broken.VOCAB)) and floor.value == lab.landmarks["floor"]
    assert start.value > unigram.value > bigram.value > check.evidence.end > floor.value
    assert start.reached <= unigram.reached < bigram.reached < 120


def test_runs_that_go_on_were_stopped_or_failed_are_judged_by_what_there_is(lab):
    assert judge(copy(lab.sound, "going-on", lines=70, status="running")).verdict == "normal"
    assert judge(copy(lab.sound, "young", lines=9, status="running")).verdict == "cannot tell"
    assert judge(copy(lab.sound, "stopped", lines=70, status="stopped")).verdict == "normal"
    failed = judge(copy(lab.sound, "failed", lines=70, status="failed", results={"error": "the disk is full"}))
    assert failed.verdict == "unusual" and "the disk is full" in failed.why
    by_the_clock = lab.sound.info["config"] | {"steps": None, "budget": "1000s"}
    seconds = lab.sound.metrics()[-1]["seconds"]
    planned = judge(copy(lab.sound, "clock", lines=70, status="running", config=by_the_clock)).evidence.curves.planned
    assert planned > 120 * 1000 / seconds / 3  # by its pace so far, whatever the machine
    empty = copy(lab.sound, "empty", lines=0)
    assert judge(empty).verdict == "cannot tell"


def test_what_an_older_record_lacks_is_not_guessed(lab):
    def bare(line):
        return {"step": line["step"], "loss": line["loss"]} if "loss" in line else {}

    run = copy(lab.sound, "old", change=bare, landmarks=None, data=None, model=None, results=None)
    check = judge(Run(run.path))
    assert check.verdict == "cannot tell" and not check.landmarks and len(check.unchecked) == 2


def test_without_the_prepared_data_the_curve_is_still_judged(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "another"))
    check = judge(lab.sound)
    assert check.verdict == "normal" and [mark.name for mark in check.landmarks] == ["start", "floor"]
    assert "no longer in the cache" in check.unchecked[0]


def test_the_check_is_plain_data(lab):
    shown = json.loads(json.dumps(judge(lab.sound).to_dict(), allow_nan=False))
    assert shown["verdict"] == "normal" and shown["planned_steps"] == 120 and shown["findings"] == []
