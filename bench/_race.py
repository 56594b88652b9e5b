"""What the races share: ours trained as a learner would, and a peer's own code fetched and run beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from _record import ROOT

from fledge.records import list_runs


def train_ours(words: list[str], runs: Path) -> dict[str, Any]:
    """Run `fledge train pretrain WORDS` from the checkout with its runs in the empty folder `runs`; the record's facts.

    `seconds` is training, validations on the way included, without the last validation; `curve` lists
    [seconds, bits per byte] of every validation.
    """
    command = [sys.executable, "-m", "fledge", "train", "pretrain", *words]
    print("$ fledge", *command[3:], flush=True)
    subprocess.run(command, cwd=ROOT, env=os.environ | {"FLEDGE_RUNS": str(runs)}, stdin=subprocess.DEVNULL, check=True)
    run = list_runs(runs)[0]
    results, model, metrics = run.info["results"], run.info["model"], run.metrics()
    return {
        "command": " ".join(["fledge", *command[3:]]),
        "bpb": results["val_bpb"],
        "seconds": max((line["seconds"] for line in metrics if "loss" in line), default=0.0),
        "parameters": model["num_parameters"]["total"],
        "tokens": results["tokens"],
        "steps": results["step"],
        "seed": run.info["seed"],
        "model_type": model["model_type"],
        "vocab_size": model["vocab_size"],
        "precision": run.info["precision"],
        "validation_bytes": run.info["data"]["val"]["bytes"],
        "curve": [[line["seconds"], line["val_bpb"]] for line in metrics if "val_bpb" in line],
    }


def first_at_most(curve: list[list[float]], bpb: float) -> float | None:
    """Seconds of the first validation at or below `bpb`: an upper bound of when the model passed it."""
    return next((seconds for seconds, value in curve if value <= bpb), None)


def fetch(source: str, folder: Path) -> str:
    """Clone a peer's repository into `folder`; return its commit."""
    subprocess.run(["git", "clone", "--quiet", source, str(folder)], check=True)
    return subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def follow(command: list[str], cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a peer's program, show what it prints, and return it; SystemExit with its code when it fails."""
    print("$", *(word.replace(sys.executable, "python") for word in command), flush=True)
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"} | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    if process.wait():
        raise SystemExit(f"the peer's program ended with code {process.returncode}")
    return "".join(lines)


def step_seconds(printed: str, pattern: str) -> list[float]:
    """The peer's own step times: `pattern` captures the milliseconds of one step."""
    return [float(ms) / 1000 for ms in re.findall(pattern, printed)]


def source_words(path: Path) -> str:
    """A file as the learner types it: relative to the checkout."""
    return Path(os.path.relpath(path, ROOT)).as_posix()
