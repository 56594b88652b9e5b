"""What every bench program does with its numbers: bench/results/NAME.json, with the machine, command, date and commit."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from fledge import device
from fledge.records import command_line, git_commit, write_atomic

RESULTS = Path(__file__).resolve().parent / "results"


def record(name: str, **numbers: Any) -> Path:
    """Write `numbers` to bench/results/`name`.json, print them, and return the file."""
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
    print(json.dumps(numbers, ensure_ascii=False, indent=1))
    print(f"wrote {path.relative_to(RESULTS.parent.parent).as_posix()}")
    return path
