"""Small pieces of Markdown, for records and reports."""

from __future__ import annotations

import json
from typing import Any


def section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def words(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict, bool)) else str(value)
