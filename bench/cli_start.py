"""How long a learner waits for help: `fledge --help` and `fledge VERB --help`, the median of five fresh processes each."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from _record import record

from fledge.cli import VERBS

REPEATS = 5


def seconds(*words: str) -> float:
    """Median wall time of `python -m fledge WORDS`; the first, uncounted call fills the disk's and Python's caches."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fledge", *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times[1:]), 3)


if __name__ == "__main__":
    help_seconds = seconds("--help")
    verbs = {verb: seconds(verb, "--help") for verb in VERBS}
    record(
        "cli_start",
        help_seconds=help_seconds,
        verb_help_seconds=verbs,
        slowest_seconds=max(help_seconds, *verbs.values()),
    )
