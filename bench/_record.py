"""What every bench program does with its numbers: bench/results/NAME.json, with the machine, command, date and commit."""

from __future__ import annotations

import json
import operator
from datetime import datetime
from pathlib import Path
from typing import Any

from fledge import device
from fledge.records import command_line, git_commit, write_atomic

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
RELATIONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge}


def record(name: str, *, smoke: bool = False, **numbers: Any) -> None:
    """Print `numbers` and write them to bench/results/`name`.json; a smoke run only prints."""
    print(json.dumps(numbers, ensure_ascii=False, indent=1))
    if smoke:
        print("smoke run: nothing written")
        return
    RESULTS.mkdir(exist_ok=True)
    result = {
        "name": name,
        "command": command_line(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "machine": device.machine(),
        "numbers": numbers,
    }
    path = RESULTS / f"{name}.json"
    write_atomic(path, json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    print(f"wrote {path.relative_to(ROOT).as_posix()}")


def bar(value: float | None, relation: str, limit: float) -> dict[str, Any]:
    """A number beside what it must reach; None (never measured, never reached) meets nothing."""
    return {
        "value": value,
        "bar": f"{relation} {limit:.4g}",
        "met": value is not None and RELATIONS[relation](value, limit),
    }
