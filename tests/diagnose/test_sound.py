"""Sound runs are not called broken: a part of what bench/check_alarms.py measures, short enough for every day."""

from __future__ import annotations

import json

import pytest

from fledge.diagnose.check import check_run
from fledge.jobs import find_job
from tests.conftest import ROOT
from tests.diagnose.sound_runs import SCRAPS, STEPS, Sound, Stock, sounds


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLEDGE_RUNS", str(folder / "runs"))
        patch.setenv("FLEDGE_CACHE", str(folder / "cache"))
        yield Stock(folder)


@pytest.fixture
def judge(stock, monkeypatch):
    """judge(sound) -> the check of such a run; the runs of this module lie together."""
    monkeypatch.setenv("FLEDGE_RUNS", str(stock.folder / "runs"))
    monkeypatch.setenv("FLEDGE_CACHE", str(stock.folder / "cache"))

    def made(sound: Sound):
        run = stock.make(sound)
        return check_run(run, find_job(run.info["job"]).facts())

    return made


@pytest.mark.slow
@pytest.mark.parametrize("sound", [s for s in sounds(0, 60, real=False) if s.steps <= 32][:10], ids=lambda s: s.name)
def test_a_sound_run_is_not_called_broken(judge, sound):
    check = judge(sound)
    assert check.verdict != "broken", check.findings
    assert sound.steps >= 10 or check.verdict == "cannot tell"


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "val"), [(1, "none"), (4, "the same"), (32, "none"), (100, "the same")])
def test_a_few_tokens_learned_by_heart_are_no_answers_seen(judge, steps, val):
    sound = Sound("scrap", SCRAPS[steps % len(SCRAPS)], steps, 3.0, steps, val=val)
    assert judge(sound).verdict != "broken"


@pytest.mark.slow
def test_the_same_fine_tuning_of_more_steps_is_not_judged_back_and_forth(judge):
    """A verdict that says more may follow one that says less, and never the other way."""
    order = ["cannot tell", "unusual", "normal"]
    verdicts = [judge(Sound("sft", "chats", steps, 1.0, 7, base="good")).verdict for steps in (5, 10, 20, 40, 120)]
    places = [order.index(verdict) for verdict in verdicts]
    assert places == sorted(places) and verdicts[0] == "cannot tell" and verdicts[-1] == "normal", verdicts


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "steps"), [(1e-4, 25), (5e-4, 32)])
def test_fine_tuning_with_minimind_s_script_is_sound(judge, rate, steps):
    check = judge(Sound("door full_sft", "chats", steps, rate, steps))
    assert check.verdict != "broken" and check.evidence.asked is not None


def test_the_draw_of_sound_runs_covers_what_it_should():
    drawn = sounds(0, 144, real=True)
    assert {sound.steps for sound in drawn} == set(STEPS) and len({sound.kind for sound in drawn}) == 5
    assert {0.1, 1.0, 10.0} <= {sound.rate for sound in drawn} and len({sound.name for sound in drawn}) == 144


def test_the_recorded_measurement_meets_its_bars():
    file = ROOT / "bench/results/check_alarms.json"
    if not file.is_file():
        pytest.skip("bench/check_alarms.py has not been run in full yet")
    numbers = json.loads(file.read_text(encoding="utf-8"))["numbers"]
    assert numbers["sound"]["runs"] >= 100 and all(bar["met"] for bar in numbers["bars"].values())
