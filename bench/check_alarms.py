"""How often `fledge runs check` blames a sound run, and how often it finds a broken one.

Sound: every job, 1 to 400 steps, rates from a tenth to ten times the usual, much data and a single token of it, the world's
text and real text in both languages, MiniMind's scripts too; all with tiny models. Broken: the ways of
tests/diagnose/broken_runs.py, each with several seeds, lengths, texts and optimizers. The thresholds of `fledge.diagnose` were
chosen with seed 1; what is reported is another seed. About 20 minutes on one core.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _record import ROOT, bar, record

if TYPE_CHECKING:
    from fledge.diagnose.check import RunCheck
    from fledge.records import Run

SOUND = 144
MOST_FALSE, LEAST_FOUND = 0.02, 0.95
RATES = {"every rate 100 times too high", "only --lr 100 times too high", "AdamW at Muon's rate times 40"}
RATES |= {"every rate 100 times too low", "only --lr 100 times too low"}
LABELS = {"labels one place too far", "labels are the inputs", "labels from the past", "no causal mask", "NaN"}


def judge(run: Run, number: int) -> RunCheck:
    """The check, in Chinese and in English by turns."""
    from fledge.diagnose.check import check_run
    from fledge.jobs import find_job

    os.environ["FLEDGE_LANG"] = ("en", "zh")[number % 2]
    return check_run(run, find_job(run.info["job"]).facts())


def blew_up(check: RunCheck) -> bool:
    """Whether a run of a right program went wrong all the same: at ten times its rate it may. By the losses themselves: worse
    at the end than at the start, on the text that it learns and on the text that it is validated on."""
    rows, vals = check.evidence.curves.rows, check.evidence.curves.vals
    if len(rows) < 20:
        return False  # of so few steps nobody can say
    tail = [row["loss"] for row in rows[-len(rows) // 10 :]]
    worse = sum(tail) / len(tail) > rows[0]["loss"]
    if any("reward" in row for row in rows):
        return False  # there a loss means nothing: every alarm counts
    return worse and (not vals or vals[-1]["val_loss"] > vals[0]["val_loss"])


def sound_runs(
    folder: Path, seed: int, number: int, real: Path | None, posttraining: bool = False
) -> Iterator[tuple[dict[str, Any], RunCheck]]:
    """What each sound run was, and the check of it."""
    from tests.diagnose.sound_runs import KINDS, POSTTRAINING, Stock, sounds

    with quiet():
        stock = Stock(folder, seed, real)
    for i, sound in enumerate(sounds(seed, number, bool(real), POSTTRAINING if posttraining else KINDS)):
        with quiet():
            check = judge(stock.make(sound), i)
        yield dataclasses.asdict(sound), check


def broken_runs(folder: Path, seed: int, real: Path | None, few: bool) -> Iterator[tuple[str, str, str, RunCheck]]:
    """The way that a run was broken, its variant, the finding that is right, and the check of it."""
    from tests.diagnose.broken_runs import SHAPE, WAYS, Lab

    text = None
    if real:
        play = (real / "pretrain/tinyshakespeare.txt").read_text(encoding="utf-8")
        text = [play[i : i + 1000] for i in range(0, 300_000, 1000)]
    variants: tuple[tuple[str, dict[str, Any]], ...] = (
        ("as it is", {}),
        ("longer", {"seed": seed + 1, "steps": 200, "batch_size": 16}),
        ("AdamW", {"optimizer": "adamw", "lr": 0.01}),
        ("tied", {"set": SHAPE | {"tie_word_embeddings": True}, "seed": seed + 2}),
        ("fine-tuning", {"seed": seed + 3}),
        ("other text", {"seed": seed + 4}),
    )
    number = 0
    for place in ("world", "other"):
        (folder / place).mkdir()
        os.environ["FLEDGE_RUNS"] = str(folder / place / "runs")
        with quiet():
            lab = Lab(folder / place, seed + (place == "other"), text if place == "other" else None)
        for variant, changes in variants[:1] if few else variants:
            for name, way in WAYS.items():
                if (variant == "other text") != (place == "other") or (variant == "AdamW" and name in RATES):
                    continue
                if variant == "fine-tuning" and name not in LABELS:
                    continue
                if variant == "fine-tuning":
                    way = dataclasses.replace(way, job="sft")
                changes = {k: v for k, v in changes.items() if not (k == "steps" and way.steps_fixed)}
                if way.job == "sft":
                    changes = {k: v for k, v in changes.items() if k != "set"}  # the base has its shape
                number += 1
                with quiet():
                    check = judge(lab.broken(way, f"{place}-{number}", **changes), number)
                yield name, variant, way.finding, check


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def findings(check: RunCheck) -> list[str]:
    return [f"{finding.name} ({finding.level})" for finding in check.findings if finding.name != "slower"]


def count_sound(runs: Iterator[tuple[dict[str, Any], RunCheck]]) -> dict[str, Any]:
    """The verdicts over sound runs, and every false alarm with what the run was."""
    verdicts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    alarms, blown = [], collections.Counter()
    for sound, check in runs:
        if blew_up(check):
            blown[check.verdict] += 1
            continue
        verdicts[sound["kind"]][check.verdict] += 1
        if check.verdict == "broken":
            alarms.append({"run": sound, "findings": findings(check)})
        print(
            f"{sound['kind']}, {sound['data']}, {sound['steps']} steps: {check.verdict} {findings(check)}", flush=True
        )
    number = sum(sum(counts.values()) for counts in verdicts.values())
    return {
        "runs": number,
        "verdicts": {kind: dict(counts) for kind, counts in verdicts.items()},
        "false_alarms": alarms,
        "false_alarm_rate": len(alarms) / max(1, number),
        "blew_up": dict(blown),  # not counted: worse at their end than at their start
    }


def count_broken(runs: Iterator[tuple[str, str, str, RunCheck]]) -> dict[str, Any]:
    """How many of each way were found by their right name."""
    found, total, missed = collections.Counter(), collections.Counter(), []
    for way, variant, right, check in runs:
        total[way] += 1
        named = any(finding.name == right and finding.level != "note" for finding in check.findings)
        found[way] += named
        if not named:
            missed.append({"way": way, "variant": variant, "verdict": check.verdict, "findings": findings(check)})
        print(f"{way}, {variant}: {check.verdict} {findings(check)}{'' if named else '  <-- missed'}", flush=True)
    return {
        "runs": total.total(),
        "found": {way: [found[way], total[way]] for way in total},
        "missed": missed,
        "found_rate": found.total() / max(1, total.total()),
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seed", type=int, default=2, help="of everything: the runs, the world, the weights (default: 2)"
    )
    parser.add_argument("--runs", type=int, default=SOUND, help=f"sound runs (default: {SOUND})")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folder of the real texts")
    parser.add_argument("--posttraining", action="store_true", help="sound runs of those jobs only (tests/diagnose)")
    parser.add_argument("--smoke", action="store_true", help="few runs, and nothing is written")
    chosen = parser.parse_args(argv)
    sys.path.insert(0, str(ROOT))
    begun = time.perf_counter()
    real = chosen.data if chosen.data.is_dir() and not chosen.smoke else None
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.environ |= {"FLEDGE_RUNS": f"{folder}/sound/runs", "FLEDGE_CACHE": f"{folder}/cache"}
            sound = count_sound(
                sound_runs(
                    Path(folder, "sound"), chosen.seed, 6 if chosen.smoke else chosen.runs, real, chosen.posttraining
                )
            )
            if chosen.posttraining:
                return _record_posttraining(chosen, sound)
            broken = count_broken(broken_runs(Path(folder), chosen.seed, real, chosen.smoke))
        finally:
            os.chdir(here)
    record(
        "check_alarms",
        smoke=chosen.smoke,
        seed=chosen.seed,
        real_text=bool(real),
        sound=sound,
        broken=broken,
        minutes=round((time.perf_counter() - begun) / 60, 1),
        bars={
            "false alarms": bar(sound["false_alarm_rate"], "<=", MOST_FALSE),
            "broken runs found": bar(broken["found_rate"], ">=", LEAST_FOUND),
        },
    )


def _record_posttraining(chosen: argparse.Namespace, sound: dict[str, Any]) -> None:
    alarms = {"false alarms": bar(sound["false_alarm_rate"], "<=", MOST_FALSE)}
    record("check_alarms_posttraining", smoke=chosen.smoke, seed=chosen.seed, sound=sound, bars=alarms)


if __name__ == "__main__":
    main()
