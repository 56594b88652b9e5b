"""Write the figures of the READMEs from bench/results/*.json; no figure there is typed by hand.

    python docs/fill_numbers.py            list what is out of date (exit code 1 when something is)
    python docs/fill_numbers.py --write    put the right values in

A figure stands between two comments that name its source: a result file, the way through its JSON, and how to write it.

    <!--num race_shakespeare/numbers/ours/bpb as .2f-->2.05<!--/num-->
    <!--num quickstart/numbers/job_seconds as .1f in minutes-->4.6<!--/num-->

A whole table or conversation stands between <!--block NAME LANGUAGE--> and <!--/block-->; `BLOCKS` makes it. What has not
been measured yet is written `?`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
READMES = ("README.md", "README.zh-CN.md")
UNITS = {"minutes": 60, "millions": 1e6, "wan": 1e4}  # 万
UNKNOWN = "?"

NUM = re.compile(r"<!--num (?P<path>.+?) as (?P<format>[^\s>-]+)(?: in (?P<unit>\w+))?-->(?P<shown>.*?)<!--/num-->")
BLOCK = re.compile(r"<!--block (?P<name>\w+) (?P<lang>\w+)-->\n(?P<shown>.*?)<!--/block-->", re.DOTALL)


class Missing(Exception):
    """The result file is not there yet; its name is the argument."""


def lookup(path: str, folder: Path = RESULTS) -> Any:
    """The value at FILE/key/key/…; an item of a list is named by its number. KeyError names what is not there."""
    name, *keys = path.split("/")
    file = folder / f"{name}.json"
    if not file.exists():
        raise Missing(file.name)
    value = json.loads(file.read_text(encoding="utf-8"))
    for key in keys:
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (LookupError, TypeError, ValueError):
            raise KeyError(f"{file.name} has no '{key}' on the way '{path}'") from None
    return value


def show(path: str, format: str, unit: str | None = None, folder: Path = RESULTS) -> str:
    """The value at `path` as the README shows it; None (never reached) is a dash, a missing result file `?`."""
    try:
        value = lookup(path, folder)
    except Missing:
        return UNKNOWN
    if value is None:
        return "–"
    if isinstance(value, str) and format != "s":
        value = float(value.split()[-1])  # of a bar such as "<= 2.12", the number
    return f"{value / UNITS[unit] if unit else value:{format}}"


def stages(lang: str, folder: Path) -> str:
    """The table that the quickstart ends with."""
    from fledge.cli.quickstart import MEASURES, STAGES
    from fledge.evaluate.report import FAMILIES
    from fledge.lang import Text

    def said(text: Text) -> str:
        return getattr(text, lang)

    at = "quickstart/numbers/stages"
    head = ["", *(said(name) for name in STAGES.values()), said(Text("下限 / 瞎猜", "floor / chance"))]
    bits = [show(f"{at}/{stage}/bits/all/bpb", ".3f", folder=folder) for stage in STAGES]
    floor = show(f"{at}/sft/bits/all/floor", ".3f", folder=folder)
    rows = [[said(Text("每字节比特数（越低越好）", "bits per byte (lower is better)")), *bits, floor]]
    for family in MEASURES:
        cells = [show(f"{at}/{stage}/rates/{family}/value", ".0%", folder=folder) for stage in STAGES]
        chance = show(f"{at}/sft/rates/{family}/chance", ".0%", folder=folder)
        rows.append([said(FAMILIES[family]), *cells, chance])
    return table(head, rows)


def conversation(lang: str, folder: Path) -> str:
    """Questions and the model's answers, as a quotation. The record holds lines; those with a question begin with '>'."""
    try:
        said = lookup("quickstart/numbers/conversation", folder)
    except Missing:
        said = [f"> {UNKNOWN}", UNKNOWN]
    lines = said[lang] if isinstance(said, dict) else said
    shown = [
        f"> **{line.removeprefix('>').strip()}**<br>" if line.startswith(">") else f"> {line}\n>" for line in lines
    ]
    return "\n".join(shown).removesuffix("\n>") + "\n"


def races(lang: str, folder: Path) -> str:
    """Ours beside its peers, bits per byte on the same validation text."""
    zh = lang == "zh"
    mixed = "英文与中文的书、百科等" if zh else "English and Chinese books, encyclopedia, …"
    books = "莎士比亚(tinyshakespeare)" if zh else "Shakespeare (tinyshakespeare)"
    head = ["文本", "谁", "训练时间", "每字节比特"] if zh else ["text", "who", "training time", "bits per byte"]
    who = {
        "nanogpt": "nanoGPT，README 里的 CPU 配置" if zh else "nanoGPT, its README's recipe for a CPU",
        "ours_in_a_quarter": "**Fledge**，四分之一的时间" if zh else "**Fledge**, a quarter of that time",
        "ours": "**Fledge**",
        "nanochat": "nanochat (d4)",
    }
    rows = []
    for race, text, run, measure in (
        ("race_shakespeare", books, "nanogpt", "bpb"),
        ("race_shakespeare", books, "ours_in_a_quarter", "bpb"),
        ("race_shakespeare", books, "ours", "bpb"),
        ("race_mix", mixed, "nanochat", "bpb"),
        ("race_mix", mixed, "ours", "bpb_without_document_ends"),  # what the peer's own measure counts
    ):
        at = f"{race}/numbers/{run}"
        seconds = show(f"{at}/seconds", ".0f", folder=folder)
        rows.append([text, who[run], f"{seconds} {'秒' if zh else 's'}", show(f"{at}/{measure}", ".3f", folder=folder)])
    return table(head, rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    rule = ["---"] * len(head)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [head, rule, *rows])


BLOCKS: dict[str, Callable[[str, Path], str]] = {"stages": stages, "conversation": conversation, "races": races}


def fill(text: str, folder: Path = RESULTS) -> str:
    """`text` with every figure and block as the result files say."""

    def number(found: re.Match[str]) -> str:
        shown = show(found["path"], found["format"], found["unit"], folder)
        return found[0][: found.start("shown") - found.start()] + shown + "<!--/num-->"

    def block(found: re.Match[str]) -> str:
        made = BLOCKS[found["name"]](found["lang"], folder)
        return f"<!--block {found['name']} {found['lang']}-->\n\n{made}\n<!--/block-->"

    return NUM.sub(number, BLOCK.sub(block, text))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the right values in")
    write = parser.parse_args(argv).write
    stale = 0
    for name in READMES:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = fill(old)
        changed = [line for line in new.splitlines() if line not in old.splitlines()]
        stale += len(changed)
        print(
            f"{name}: {len(changed)} lines {'changed' if write else 'out of date'}, {new.count('>?<')} figures unknown"
        )
        if write and new != old:
            path.write_text(new, encoding="utf-8", newline="\n")
    return int(bool(stale) and not write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
