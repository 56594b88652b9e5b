"""bench/gpu.py where there is no card: it says so, its sections run in small, and a section that fails loses only itself."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).resolve().parent.parent / "bench"


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Imports a module of bench/ as its programs do; runs go to a folder of their own."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setenv("FLEDGE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("FLEDGE_CACHE", str(tmp_path / "cache"))
    return importlib.import_module


def found(bench, section: str) -> dict:
    return dict(bench("_gpu").SECTIONS[section][0]("cpu", True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
def test_without_a_card_it_says_so_in_one_sentence():
    done = subprocess.run([sys.executable, "gpu.py"], cwd=BENCH, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("There is no CUDA device here") and done.stderr.count("\n") == 1


def test_every_way_through_packed_rows_gives_the_same(bench):
    ways = found(bench, "attention")
    assert ways.keys() >= {"ours", "torch's formula", "groups as rows", "flash attention by lengths", "FlexAttention"}
    errors = {name: way["largest_error"] for name, way in ways.items() if "largest_error" in way}
    assert errors.keys() >= {"ours", "torch's formula", "groups as rows"}
    assert max(errors.values()) < 1e-5
    assert all(way["seconds"] > 0 for way in ways.values() if "failed" not in way)


def test_experts_are_measured_both_ways(bench):
    ways = found(bench, "experts")
    assert ways["ours takes"] == "one by one"
    assert ways["one by one"]["seconds"] > 0 and ways["one product"]["seconds"] > 0


@pytest.mark.slow
def test_the_generator_is_measured_in_every_precision(bench):
    ways = found(bench, "decode")
    assert len(ways) == 6 and all(way["tokens_per_second"] > 0 for way in ways.values())


@pytest.mark.slow
def test_training_is_measured_as_a_share_of_what_the_machine_can_do(bench):
    numbers = found(bench, "mfu")
    assert 0 < numbers["2M"]["share_of_matmul"] < 1, numbers
    assert numbers["2M"]["mfu"] is None, "nobody published the peak of this machine"


@pytest.mark.slow
def test_the_planner_stands_beside_what_was_used(bench):
    """In a process of its own, as always: on a CPU what was used is the most that the whole process ever held."""
    numbers = bench("gpu").run_section("planner", 120, "cpu", True)
    assert numbers.keys() == {"cpu-2m", "cpu-2m, recomputed", "section_seconds"}
    assert all(0.3 < numbers[case]["ratio"] < 3 for case in ("cpu-2m", "cpu-2m, recomputed")), numbers


@pytest.mark.slow
def test_a_step_in_parts_is_compared_with_the_whole_step(bench):
    numbers = found(bench, "memory_runs_out")
    assert numbers["8 GB"]["status"] == numbers["no limit"]["status"] == "done"
    assert len(numbers["8 GB"]["losses"]) == 3 and numbers["largest_difference_of_a_loss"] == 0


STUB = """
import json, sys, time

section, file, *rest = sys.argv[1:]
with open(file, "a", encoding="utf-8") as out:
    print(json.dumps({"first": rest}), file=out, flush=True)
    if section == "fails":
        raise RuntimeError("no such kernel")
    if section == "hangs":
        out.write('{"cut o')
        out.flush()
        time.sleep(60)
    print(json.dumps({"second": 2}), file=out)
"""


def test_a_section_keeps_what_it_found_before_it_failed_or_ran_out_of_time(bench, tmp_path):
    stub = tmp_path / "stub.py"
    stub.write_text(STUB, encoding="utf-8")
    run = bench("gpu").run_section
    whole = run("works", 30, "cuda", False, stub)
    assert (whole["first"], whole["second"]) == (["cuda"], 2) and "failed" not in whole
    broken = run("fails", 30, "cpu", True, stub)
    assert broken["first"] == ["cpu", "small"] and "second" not in broken and "code 1" in broken["failed"]
    slow = run("hangs", 3, "cpu", False, stub)
    assert "first" in slow and "stopped after 3 s" in slow["failed"] and slow["section_seconds"] < 30


def test_one_section_that_fails_does_not_lose_the_others(bench, monkeypatch, capsys):
    gpu, written = bench("gpu"), []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "record", lambda name, **numbers: written.append((name, numbers)))

    def section(name, seconds, device, small):
        return {"failed": "it ended with code 1"} if name == "experts" else {"asked": (round(seconds), device, small)}

    monkeypatch.setattr(gpu, "run_section", section)
    gpu.main(["--minutes", "2"])
    name, numbers = written[-1]
    assert name == "gpu" and numbers.keys() == {*gpu.SECTIONS, "smoke"} and not numbers["smoke"]
    assert numbers["experts"] == {"failed": "it ended with code 1"}
    assert numbers["attention"]["asked"] == (50, "cuda", False)
    assert numbers["tests"]["asked"][0] == 100, "none takes longer than its own limit"
    assert [len(numbers) for _, numbers in written[:-1]] == list(range(2, 2 + len(gpu.SECTIONS))), "written after each"
    assert "not whole: experts" in capsys.readouterr().out


def test_the_limits_add_up_to_no_more_than_eight_minutes(bench):
    assert sum(seconds for _, seconds in bench("gpu").SECTIONS.values()) <= 60 * bench("gpu").MINUTES == 480


def test_sections_that_come_too_late_are_left_out(bench, monkeypatch):
    gpu, written = bench("gpu"), []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "record", lambda name, **numbers: written.append(numbers))
    monkeypatch.setattr(gpu, "run_section", lambda *_: pytest.fail("there is no time"))
    gpu.main(["--minutes", "0.05", "--sections", "mfu"])
    assert written[-1]["mfu"] == {"failed": "no time was left for it"}
