"""`fledge lab`: the contrast experiments of the book; each is also a script of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge import book
from fledge.cli.flags import subverb
from fledge.errors import UserError
from fledge.lang import Text, say

if TYPE_CHECKING:
    from fledge.lab import Lab


def main(argv: list[str]) -> int:
    return subverb(
        {
            "list": (list_labs, Text("全部实验，以及上次的结果", "every lab, and what came out of it last time")),
            "run": (
                run,
                Text(
                    "运行实验：NAME、一个主题或 --all；其余参数交给实验（`fledge lab run NAME --help`）",
                    "run labs: NAME, a topic, or --all; further flags go to the lab (`fledge lab run NAME --help`)",
                ),
            ),
            "show": (show, Text("一个实验问什么、对照什么、要检验什么说法", "what a lab asks, compares and claims")),
        },
        argv,
        "fledge lab",
    )


def load(path: Path) -> Lab:
    """The lab that the file defines."""
    return book.load_file(path, f"fledge_lab_{path.parent.parent.name}_{path.stem}".replace("-", "_")).lab


def chosen(words: list[str]) -> list[Path]:
    """The files that lab names, topic names or --all mean."""
    found: list[Path] = []
    topics = {topic.name: topic for topic in book.topics()}
    for word in words:
        if word == "--all":
            found += [path for topic in book.topics() for path in topic.labs]
        elif word.rstrip("/") in topics:
            found += topics[word.rstrip("/")].labs
        else:
            found.append(book.find_lab(word)[1])
    return found


def list_labs(argv: list[str]) -> int:
    """List the labs, or those of one topic, with the newest verdicts of this workspace."""
    parser = argparse.ArgumentParser(prog="fledge lab list", description=list_labs.__doc__)
    parser.add_argument("topic", nargs="?")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args(argv)
    from rich.console import Console
    from rich.table import Table

    from fledge.course.progress import open_progress

    with open_progress() as progress:
        done = {event.subject: event.data for event in progress.events("lab")}
    topics = [book.find_topic(flags.topic)] if flags.topic else book.topics()
    rows: list[dict[str, Any]] = []
    for topic in topics:
        for path in topic.labs:
            lab = load(path)
            verdicts = done.get(lab.id, {}).get("verdicts")
            rows.append({"id": lab.id, "title": str(lab.title), "path": path.as_posix(), "verdicts": verdicts})
    if flags.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    table = Table(box=None, pad_edge=False)
    for head in (say("实验", "lab"), say("问题", "question"), say("上次结果", "last result")):
        table.add_column(head)
    for row in rows:
        verdicts = list((row["verdicts"] or {}).values())
        last = say("还没做", "not yet") if not verdicts else f"{verdicts.count('SUPPORTED')}/{len(verdicts)}"
        table.add_row(row["id"], row["title"], last)
    Console(highlight=False).print(table)
    return 0


def run(argv: list[str]) -> int:
    """Run one lab with any of its flags, or several one after the other."""
    words = [word for word in argv if not word.startswith("-") or word == "--all"]
    if argv in ([], ["-h"], ["--help"]):
        form = "fledge lab run NAME|TOPIC|--all … [--quick] [--seed N] [--seeds N] [--json] [--continue-on-error]"
        print(say("用法：", "usage: ") + form)
        print(
            say(
                "只运行一个实验时，它自己的参数都可以用：`fledge lab run NAME --help`。",
                "One lab takes all of its own flags: `fledge lab run NAME --help`.",
            )
        )
        return 0
    first = next((number for number, word in enumerate(argv) if word.startswith("-") and word != "--all"), len(argv))
    names, flags = argv[:first], argv[first:]
    if not names:
        command = f"fledge lab run NAME {' '.join(words)}"
        raise UserError(
            say(
                f"请在参数前面写出实验或主题的名字：`{command}`。",
                f"name a lab or a topic before the flags: `{command}`.",
            )
        )
    keep_going = "--continue-on-error" in flags
    flags = [flag for flag in flags if flag != "--continue-on-error"]
    from fledge.lab.script import main as script

    failed = []
    paths = chosen(names)
    for number, path in enumerate(paths, 1):
        if len(paths) > 1:
            print(f"\n[{number}/{len(paths)}]", file=sys.stderr)
        lab = load(path)
        with contextlib.suppress(SystemExit) if len(paths) > 1 else contextlib.nullcontext():
            code = script(lab, flags)
            if code == 130:
                return code
            if code and not keep_going:
                return code
            if code:
                failed.append(lab.id)
    if failed:
        names_ = ", ".join(failed)
        print(
            say(
                f"{len(paths)} 个里有 {len(failed)} 个没有跑成：{names_}",
                f"{len(failed)} of {len(paths)} did not run: {names_}",
            ),
            file=sys.stderr,
        )
    return int(bool(failed))


def show(argv: list[str]) -> int:
    """Print what a lab compares and claims, and the command."""
    parser = argparse.ArgumentParser(prog="fledge lab show", description=show.__doc__)
    parser.add_argument("name")
    lab = load(book.find_lab(parser.parse_args(argv).name)[1])
    print(f"{lab.id}\n{lab.title}\n\n{lab.about}\n")
    print(say(f"对照的几组（只差一个设置：{lab.varied}）", f"arms (they differ in one setting: {lab.varied})"))
    for arm, change in lab.arms.items():
        print(f"  {lab.labels[arm]}: {change[lab.varied]}")
    print(say("\n要检验的说法：", "\nclaims:"))
    for claim in lab.claims:
        print(f"  - {claim.text}")
    print(say("\n破坏机制的检查（说法必须因此不成立）：", "\nsabotage (the claims must then fail):"))
    for sabotage in lab.sabotages:
        print(f"  - {sabotage.about}: {', '.join(sabotage.breaks)}")
    print(f"\nfledge lab run {lab.path.stem}")
    return 0
