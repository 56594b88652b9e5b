"""The measuring programs start without torch, their parts are right, and every published number says where it is from."""

from __future__ import annotations

import gzip
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fledge.data import prepare_rows
from fledge.tokenizer import Tokenizer

BENCH = Path(__file__).resolve().parent.parent / "bench"
WRITTEN_BY = {
    "suite_all": "python -m pytest",
    "check_alarms_posttraining": "python bench/check_alarms.py --posttraining",
}  # tests/conftest.py does
PROGRAMS = sorted(path.stem for path in BENCH.glob("*.py") if not path.stem.startswith("_"))


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of bench/ as its programs do."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


@pytest.mark.parametrize("path", sorted(BENCH.glob("results/*.json")), ids=lambda path: path.stem)
def test_a_result_says_where_it_is_from(path):
    text = path.read_text(encoding="utf-8")
    result = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not a measurement"))
    assert result["name"] == path.stem
    assert result["command"].startswith(WRITTEN_BY.get(path.stem, f"python bench/{path.stem}.py"))
    assert re.match(r"\d{4}-\d\d-\d\dT", result["date"])
    assert {"cpu", "cores", "python", "torch"} <= result["machine"].keys()
    assert result["git_commit"]
    assert result["numbers"]
    assert not re.search(r'[\s"=]/\w+/', text), "a path of one machine"


@pytest.mark.slow
def test_all_proofs_leave_a_result_when_they_ran_whole(tmp_path):
    """In a project of four tests, red or not; of a part of them nothing is written."""
    for name in ("tests/conftest.py", "bench/_record.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(BENCH.parent / name, tmp_path / name)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n', encoding="utf-8")
    bodies = ("pass", "assert False", "pass", "pytest.skip()")
    tests = "".join(f"\n\ndef test_{number}():\n    {body}\n" for number, body in enumerate(bodies))
    (tmp_path / "tests" / "test_four.py").write_text(f"import pytest\n{tests}", encoding="utf-8")
    result = tmp_path / "bench" / "results" / "suite_all.json"

    def test(*words: str) -> str:
        command = [sys.executable, "-m", "pytest", "-n", "1", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8").stdout

    for part in (["-k", "test_0"], ["tests"], ["-x"]):
        assert "failed" in test("--all", *part) or part == ["-k", "test_0"]
        assert not result.exists(), part
    assert "wrote bench/results/suite_all.json" in test("--all")
    written = json.loads(result.read_text(encoding="utf-8"))
    counts = {outcome: written["numbers"][outcome] for outcome in ("passed", "failed", "skipped", "error")}
    assert counts == {"passed": 2, "failed": 1, "skipped": 1, "error": 0} and written["numbers"]["seconds"] > 0
    assert written["command"] == "python -m pytest -n 1 --all" and written["machine"]["cpu"] and written["date"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_explains_itself_without_torch(name):
    code = (
        f"import sys, {name}\n"
        f"try: {name}.main(['--help'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'pyarrow', 'numpy'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=BENCH, capture_output=True, text=True, encoding="utf-8")
    assert shown.returncode == 0, shown.stderr
    assert "--smoke" in shown.stdout


def test_a_smoke_run_writes_nothing(bench, monkeypatch, tmp_path):
    module = bench("_record")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    module.record("nothing", smoke=True, seconds=1)
    assert not list(tmp_path.iterdir())


def test_a_bar_that_was_never_reached_is_not_met(bench):
    bar = bench("_record").bar
    assert bar(2.0, "<=", 2.0)["met"] and not bar(2.0, "<", 2.0)["met"] and bar(0.9, ">=", 0.9)["met"]
    assert bar(None, "<=", 2.0) == {"value": None, "bar": "<= 2", "met": False}


def test_the_first_moment_below_a_bar(bench):
    curve = [[0.1, 8.0], [30.0, 2.73], [60.0, 2.4], [90.0, 2.8]]
    assert bench("_race").first_at_most(curve, 2.72) == 60.0
    assert bench("_race").first_at_most(curve, 2.0) is None


def test_step_times_are_read_from_what_peers_print(bench):
    """The lines are nanoGPT's and nanochat's own."""
    printed = (
        "step 250: train loss 2.4, val loss 2.5\niter 250: loss 2.4182, time 1439.51ms, mfu 0.01%\n"
        "step 00004/00005 (80.00%) | loss: 8.31 | lrm: 0.12 | dt: 3002.85ms | tok/sec: 1,364 | bf16_mfu: 0.00\n"
    )
    seconds = bench("_race").step_seconds
    assert seconds(printed, bench("race_shakespeare").STEP) == [1.43951]
    assert seconds(printed, bench("race_mix").STEP) == [3.00285]


def test_both_sides_of_the_mix_race_get_what_the_engine_would_hold_out(bench, tmp_path):
    texts = [f"text {i}\u2028 of a row\n" * (1 + 7 * i % 5) for i in range(61)]
    source = tmp_path / "en_mix.jsonl.gz"
    with gzip.open(source, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text, "source": "s"}) + "\n" for text in texts)
    race = bench("race_mix")
    train, val = race.split(source, tmp_path, None)
    data = prepare_rows(texts, Tokenizer.train(texts, 300), kind="text", out_dir=tmp_path / "prepared")
    held_out = len(data.split(race.VAL_FRACTION)[1])
    assert race.read_texts([train]) == texts[:-held_out]
    assert race.read_texts([val]) == texts[-held_out:]
