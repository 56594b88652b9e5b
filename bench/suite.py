"""Wall time of the tests, as a developer runs them: the fast part (`-m "not slow"`), and all of them (that and the slow ones)."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from typing import Any

from _record import ROOT, bar, record


def run(*words: str) -> dict[str, Any]:
    """pytest in a child process: seconds from start to end, and how many tests passed, failed and were skipped."""
    command = [sys.executable, "-m", "pytest", *words]
    print("$ python", *command[1:], flush=True)
    begun = time.perf_counter()
    process = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    seconds = time.perf_counter() - begun
    print(process.stdout)
    last = process.stdout.rstrip().splitlines()[-1]
    counts = {outcome: int(number) for number, outcome in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    return {"seconds": round(seconds, 1), "exit_code": process.returncode, **counts}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one small file of tests, and no result file")
    chosen = parser.parse_args(argv)
    words = ["tests/test_floors.py"] if chosen.smoke else []
    fast, slow = run("-m", "not slow", *words), run("-m", "slow", *words)
    whole = {
        "seconds": round(fast["seconds"] + slow["seconds"], 1),
        "exit_code": max(fast["exit_code"], slow["exit_code"]),
    }
    for outcome in ("passed", "failed", "skipped", "error"):
        whole[outcome] = fast.get(outcome, 0) + slow.get(outcome, 0)
    record(
        "suite",
        smoke=chosen.smoke,
        fast=fast,
        whole=whole,
        bars={
            "seconds of the fast part": bar(fast["seconds"], "<=", 150),
            "seconds of all tests": bar(whole["seconds"], "<=", 600),
            "failures": bar(fast["exit_code"] + whole["exit_code"], "<=", 0),
        },
    )


if __name__ == "__main__":
    main()
