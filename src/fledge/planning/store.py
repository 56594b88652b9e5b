"""What this user's machines were measured to do, in one small JSON file of the cache folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fledge.data.shards import cache_root
from fledge.records import write_atomic


def path() -> Path:
    return cache_root() / "plan.json"


def read() -> dict[str, Any]:
    """Everything stored; {} when there is nothing, or nothing that can be read."""
    try:
        data = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def get(kind: str, key: str) -> Any:
    """One entry, e.g. get("speed", machine.key); None when there is none."""
    entries = read().get(kind)
    return entries.get(key) if isinstance(entries, dict) else None


def put(kind: str, key: str, value: Any) -> None:
    """Store one entry. A cache that cannot be written costs a measurement, not the run."""
    data = read()
    entries = data.get(kind)
    data[kind] = (entries if isinstance(entries, dict) else {}) | {key: value}
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path(), json.dumps(data, indent=1) + "\n")
    except OSError:
        pass
