"""The runs of `fledge quickstart`: what was stopped goes on when the same command is typed again."""

from __future__ import annotations

import itertools
import json
from typing import Any

from fledge.records import Run, runs_root, write_atomic


class Made:
    """The runs that a quickstart with these settings has made, by stage: what was stopped, or asked for less, goes on; what is
    whole begins again beside it.

    Attributes:
        continued: whether something of an earlier time was used.
    """

    def __init__(self, key: dict[str, Any], stages: list[str]):
        self.file, self.key = runs_root() / "quickstart.json", key
        self.runs: dict[str, str] = {}
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            if found["key"] == self.key:
                self.runs = {stage: run for stage, run in found["runs"].items() if Run.exists(runs_root() / run)}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # none, or none that can be read: it begins
        if all(
            stage in self.runs and Run.open(runs_root() / self.runs[stage]).info["status"] == "done" for stage in stages
        ):
            self.runs = {}
        self.continued = bool(self.runs)

    def train(self, stage: str, job: str, **settings: Any) -> Run:
        """`fledge.train`, of a run that is new, goes on, or is done already."""
        from fledge.api import train

        known = stage in self.runs
        if not known:
            self.runs[stage] = _free(f"quickstart-{stage}")
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.file, json.dumps({"key": self.key, "runs": self.runs}, ensure_ascii=False))
        else:
            settings.pop("tokenizer", None)  # a run has its own, wherever the folder of the runs is now
        return train(job, run=self.runs[stage], resume=known, **settings)


def _free(name: str) -> str:
    """The name, or name-2, name-3, … where that is taken."""
    taken = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
    return next(free for free in taken if not (runs_root() / free).exists())
