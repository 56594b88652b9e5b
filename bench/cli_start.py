"""How long a learner waits for help: `fledge --help` and `fledge VERB --help`, the median of fresh processes each."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from _record import bar, record

from fledge.cli import VERBS


def seconds(*words: str, repeats: int) -> float:
    """Median wall time of `python -m fledge WORDS`; the first, uncounted call fills the disk's and Python's caches."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fledge", *words], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times[1:]), 3)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="each once, and no result file")
    chosen = parser.parse_args(argv)
    repeats = 1 if chosen.smoke else 5
    help_seconds = seconds("--help", repeats=repeats)
    verbs = {verb: seconds(verb, "--help", repeats=repeats) for verb in VERBS}
    record(
        "cli_start",
        smoke=chosen.smoke,
        repeats=repeats,
        help_seconds=help_seconds,
        verb_help_seconds=verbs,
        slowest_seconds=max(help_seconds, *verbs.values()),
        bars={
            "seconds of fledge --help": bar(help_seconds, "<", 0.5),
            "seconds of the slowest fledge VERB --help": bar(max(verbs.values()), "<", 0.5),
        },
    )


if __name__ == "__main__":
    main()
