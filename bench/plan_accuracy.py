"""How far `fledge plan` is off on this machine: predicted and actual memory and speed of short real runs.

Every case is planned with `fledge.plan`, then trained by `fledge train` in a process of its own for a few steps. Memory is
the peak of the whole process as its record has it; speed is the median of its steps. All cases are done three times, each
time on a machine that is measured anew, and the median of the three counts. CPU only. About ten minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _record import ROOT, bar, record

import fledge
from fledge.records import Run

STEPS = 12
ROUNDS = 3
CASES: dict[str, dict[str, Any]] = {
    "cpu-2m": {"preset": "cpu-2m"},
    "cpu-2m in fp32": {"preset": "cpu-2m", "precision": "fp32"},
    "cpu-2m, 32 rows": {"preset": "cpu-2m", "batch_size": 32},
    "cpu-2m, 32 rows, checkpoints": {"preset": "cpu-2m", "batch_size": 32, "checkpoint_activations": True},
    "cpu-2m, rows of 1,024": {"preset": "cpu-2m", "seq_len": 1024, "batch_size": 4},
    "cpu-4m": {"preset": "cpu-4m"},
    "cpu-6m, vocabulary 4,096": {"preset": "cpu-6m", "vocab_size": 4096},
    "cpu-4m, AdamW": {"preset": "cpu-4m", "optimizer": "adamw", "lr": 0.002},
    "small-34m, 4 passes a step": {"preset": "small-34m", "batch_size": 2, "accumulation_steps": 4},
}
MEMORY_MARGIN, SPEED_MARGIN = 0.25, 0.3


def train(case: dict[str, Any], data: Path, steps: int, runs: Path, name: str) -> dict[str, float]:
    """Train in a child process; its peak memory (MiB) and its median speed (tokens a second)."""
    words = [f"--data={data}", f"--run={name}", f"--steps={steps}", "--val-tokens=512", "--device=cpu"]
    for key, value in case.items():
        flag = f"--{key.replace('_', '-')}"
        words += [flag] if value is True else [f"{flag}={value}"]
    command = [sys.executable, "-m", "fledge", "train", "pretrain", *words]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"FLEDGE_RUNS": str(runs)}, stdin=subprocess.DEVNULL, check=True)
    run = Run.open(runs / name)
    speeds = [line["tokens_per_second"] for line in run.metrics() if "tokens_per_second" in line]
    return {"memory_mb": run.info["results"]["memory_mb"], "tokens_per_second": statistics.median(speeds[1:])}


def planned_and_trained(cases: dict[str, dict[str, Any]], data: Path, steps: int) -> dict[str, dict[str, float]]:
    """Every case once, on a machine that is measured anew: what else it does changes from minute to minute."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLEDGE_CACHE"] = f"{folder}/cache"
        for number, (name, case) in enumerate(cases.items()):
            plan = fledge.plan("pretrain", card="cpu", data=[str(data)], steps=steps, val_tokens=512, **case)
            actual = train(case, data, steps, Path(folder), f"case-{number}")
            speed = plan.step.num_tokens * plan.config.accumulation_steps * plan.steps / plan.seconds["training"]
            found[name] = {
                "predicted_memory_mb": round(plan.total_mb),
                "actual_memory_mb": actual["memory_mb"],
                "memory_ratio": actual["memory_mb"] / plan.total_mb,
                "predicted_tokens_per_second": round(speed),
                "actual_tokens_per_second": actual["tokens_per_second"],
                "time_ratio": speed / actual["tokens_per_second"],
            }
    return found


def middle(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shakespeare = ROOT.parent / "shared/data/pretrain/tinyshakespeare.txt"
    parser.add_argument("--data", type=Path, default=shakespeare, help="a text file")
    parser.add_argument("--smoke", action="store_true", help="two cases and few steps, and no result file")
    chosen = parser.parse_args(argv)
    cases = dict(list(CASES.items())[:2]) if chosen.smoke else CASES
    steps = 3 if chosen.smoke else STEPS
    rounds = [planned_and_trained(cases, chosen.data, steps) for _ in range(1 if chosen.smoke else ROUNDS)]
    found = {name: {key: middle([one[name][key] for one in rounds]) for key in rounds[0][name]} for name in cases}
    worst = {key: max(abs(case[key] - 1) for case in found.values()) for key in ("memory_ratio", "time_ratio")}
    record(
        "plan_accuracy",
        smoke=chosen.smoke,
        steps=steps,
        rounds=rounds,
        median=found,
        bars={
            "memory of the whole process, worst case off by": bar(worst["memory_ratio"], "<=", MEMORY_MARGIN),
            "seconds a token, worst case off by": bar(worst["time_ratio"], "<=", SPEED_MARGIN),
        },
    )


if __name__ == "__main__":
    main()
