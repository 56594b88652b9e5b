"""How long the book keeps its reader waiting: every lab in full and with --quick, and every grader's answer.

Each is a command of its own, as it is typed: `fledge lab run NAME`, and `fledge check NAME` with the book's solution and with
a known mistake (the last one of the exercise's bank). Seconds are of the whole process, imports included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _record import ROOT, bar, record

from fledge.course.book import topics
from fledge.course.exercise import Exercise, exercises

MISTAKEN = """

import importlib.util as _util
_spec = _util.spec_from_file_location("known_mistakes", {bank!r})
_bank = _util.module_from_spec(_spec)
_spec.loader.exec_module(_bank)
{function} = _bank.{mistake}
"""


def fledge(*words: str, codes: tuple[int, ...] = (0,)) -> float:
    """Seconds of one command; an exit code that is not expected ends the program."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fledge", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    seconds = time.perf_counter() - begun
    if done.returncode not in codes:
        sys.exit(f"fledge {' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    print(f"{seconds:6.1f} s  fledge {' '.join(words)}", flush=True)
    return round(seconds, 2)


def answers(exercise: Exercise, workspace: Path) -> dict[str, float]:
    """Seconds until the grader has answered: the right solution, and a mistake that it knows."""
    fledge("exercise", "start", exercise.name)
    file = workspace / "exercises" / f"{exercise.name}.py"
    file.write_text(exercise.source("solution"), encoding="utf-8")
    right = fledge("check", exercise.name)
    entry = exercise.bank().mistakes[-1]
    function = exercise.target(entry)
    more = MISTAKEN.format(bank=str(exercise.path / "bank.py"), function=function, mistake=entry.name)
    file.write_text(exercise.source("solution") + more, encoding="utf-8")
    return {"right": right, "mistaken": fledge("check", exercise.name, codes=(1,))}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one lab and one exercise, and no result file")
    smoke = parser.parse_args(argv).smoke
    labs = [f"{topic.name}/{path.stem}" for topic in topics() for path in topic.labs][: 1 if smoke else None]
    tasks = list(exercises())[: 1 if smoke else None]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLEDGE_WORKSPACE"] = folder
        quick = {lab: fledge("lab", "run", lab, "--quick") for lab in labs}
        full = quick if smoke else {lab: fledge("lab", "run", lab) for lab in labs}
        graders = {task.name: answers(task, Path(folder)) for task in tasks}
    slowest = max(seconds for both in graders.values() for seconds in both.values())
    record(
        "book",
        smoke=smoke,
        labs={lab: {"quick": quick[lab], "full": full[lab]} for lab in labs},
        graders=graders,
        bars={
            "all labs in full, seconds": bar(round(sum(full.values()), 1), "<=", 600),
            "the longest lab, seconds": bar(max(full.values()), "<=", 60),
            "the slowest grader, seconds": bar(slowest, "<=", 5),
        },
    )


if __name__ == "__main__":
    main()
