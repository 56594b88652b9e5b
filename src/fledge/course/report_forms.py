"""A report as blocks, and its two written forms: Markdown, and one HTML file that needs no network."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fledge.course import markdown
from fledge.errors import UserError
from fledge.lang import _, language
from fledge.records import write_atomic

MARK = "<!-- fledge learn report: made anew every time, write your own notes elsewhere -->"
Block = tuple[str, Any]  # ("heading", text) | ("text", text) | ("table", rows) | ("picture", svg)


@dataclass
class Report:
    title: str
    blocks: list[Block] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """The numbers of the report, for programs."""
        return self.numbers


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.md and report.html; a file of that name that is no report of ours is left alone (UserError)."""
    files = {folder / "report.md": to_markdown(report), folder / "report.html": to_html(report)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace"):
                raise UserError(
                    _(
                        "'{file}' was not written by this command and will not be overwritten: give --out another folder."
                    ).format(file=file)
                )
        for file, text in files.items():
            write_atomic(file, text)
    except OSError as error:
        why = error.strerror or error
        raise UserError(_("'{folder}' cannot be written: {why}.").format(folder=folder, why=why)) from error
    return list(files)


def to_markdown(report: Report) -> str:
    parts = [MARK, f"# {report.title}"]
    for kind, body in report.blocks:
        if kind == "heading":
            parts.append(f"## {body}")
        elif kind == "table":
            parts.append(markdown.table(body))
        elif kind == "text":
            parts.append(body)
    return "\n\n".join(parts) + "\n"


STYLE = """body{font:16px/1.6 system-ui,"Microsoft YaHei","PingFang SC","Noto Sans CJK SC",sans-serif;max-width:60rem;
margin:2rem auto;padding:0 1rem;color:#222;background:#fff}table{border-collapse:collapse;margin:.5rem 0;font-size:14px}
td,th{border:1px solid #ccc;padding:.25rem .5rem;text-align:left;vertical-align:top}th{background:#f3f3f3}
h1,h2{line-height:1.2}code{background:#f3f3f3;padding:0 .2em}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,code{background:#2a2a2a}td,th{border-color:#444}}"""


def to_html(report: Report) -> str:
    """One file: style and pictures inside, no script, nothing fetched."""
    body = []
    for kind, said in report.blocks:
        if kind == "heading":
            body.append(f"<h2>{html.escape(said)}</h2>")
        elif kind == "text":
            body.append(f"<p>{_inline(said)}</p>")
        elif kind == "picture":
            body.append(said)
        else:
            head, *rows = said
            cells = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
            lines = "".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows)
            body.append(f"<table><tr>{cells}</tr>{lines}</table>")
    lang = "zh-CN" if language() == "zh" else "en"
    title = html.escape(report.title)
    return (
        f'<!DOCTYPE html>\n{MARK}\n<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _inline(text: str) -> str:
    """Escaped text, with `code` as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))
