"""What cleaning did: for every stage how many rows it saw, dropped and changed, why, and examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 3  # of a stage
SHOWN = 160  # characters of one


@dataclass
class CleaningStage:
    """What one stage did. `bytes`: UTF-8, of the judged text as it left the changing stages.

    `reasons` counts drops, `changes` counts what was mended or masked."""

    name: str
    rows_in: int = 0
    bytes_in: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def note(self, kind: str, file: str, line: int, text: str) -> None:
        """Keep the first examples of every kind of drop or change."""
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES:
            kept.append({"what": kind, "file": file, "line": line, "text": shorten(text)})

    def as_dict(self) -> dict[str, Any]:
        """Three examples, of as many kinds as there are."""
        turns = [
            example for nth in range(EXAMPLES) for kept in self.examples.values() for example in kept[nth : nth + 1]
        ]
        return {
            "stage": self.name,
            "rows_in": self.rows_in,
            "rows_out": self.rows_in - self.dropped,
            "dropped": self.dropped,
            "changed": self.changed,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_in - self.dropped_bytes,
            "reasons": dict(self.reasons.most_common()),
            "changes": dict(self.changes.most_common()),
            "examples": turns[:EXAMPLES],
        }


@dataclass
class CleaningReport:
    """The whole of it. `languages`: bytes of the rows that stayed, by script. `unchecked`: test items without a 13-gram."""

    files: list[str]
    out: str
    dropped_file: str
    stages: list[CleaningStage]
    rows_in: int = 0
    rows_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    languages: dict[str, float] = field(default_factory=lambda: {"zh": 0.0, "en": 0.0, "other": 0.0})
    unchecked: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)  # what was mended while the files were read

    def stage(self, name: str) -> CleaningStage:
        return next(stage for stage in self.stages if stage.name == name)

    def settle(self) -> None:
        """Count what every stage saw: what left in the end, and what it and the stages after it dropped."""
        self.rows_out = self.rows_in - sum(stage.dropped for stage in self.stages)
        self.bytes_in = self.bytes_out + sum(stage.dropped_bytes for stage in self.stages)
        rows, size = self.rows_in, self.bytes_in
        for stage in self.stages:
            stage.rows_in, stage.bytes_in = rows, size
            rows, size = rows - stage.dropped, size - stage.dropped_bytes

    def as_dict(self) -> dict[str, Any]:
        total = sum(self.languages.values()) or 1.0
        return {
            "files": self.files,
            "out": self.out,
            "dropped_rows": self.dropped_file,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "languages": {name: round(size / total, 4) for name, size in self.languages.items()},
            "benchmark_items_too_short": self.unchecked,
            "seconds": round(self.seconds, 2),
            "notes": self.notes,
            "stages": [stage.as_dict() for stage in self.stages],
        }


def shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN * 2 // 3]} … {text[-SHOWN // 3 :]}"


def around(text: str, place: int) -> str:
    """What stands at `place`, with what is before and after it."""
    start = max(0, place - SHOWN // 3)
    return ("…" if start else "") + text[start : place + SHOWN * 2 // 3]
