"""`fledge lab`: the contrast experiments of the book; each is also a script of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.cli.flags import subverb
from fledge.course import book
from fledge.errors import UserError
from fledge.lang import _, both

if TYPE_CHECKING:
    from fledge.lab import Lab


def main(argv: list[str]) -> int:
    return subverb(
        {
            "list": (list_labs, both("every lab, and what came out of it last time")),
            "run": (
                run,
                both("run labs: NAME, a topic, or --all; further flags go to the lab (`fledge lab run NAME --help`)"),
            ),
            "show": (show, both("what a lab asks, compares and claims")),
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
    from fledge.course.paths import lab_title
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        done = {event.subject: event.data for event in progress.events("lab")}
    topics = [book.find_topic(flags.topic, lambda topic: bool(topic.labs))] if flags.topic else book.topics()
    rows: list[dict[str, Any]] = []
    for topic in topics:
        for path in topic.labs:
            name = f"{topic.name}/{path.stem}"
            verdicts = done.get(name, {}).get("verdicts")
            title = str(lab_title(path))  # read, not run: running them all would load torch
            rows.append({"id": name, "title": title, "path": path.as_posix(), "verdicts": verdicts})
    if flags.json:
        print(json.dumps(rows, ensure_ascii=False))
        return 0
    for row in rows:
        verdicts = list((row["verdicts"] or {}).values())
        supported = verdicts.count("SUPPORTED")
        last = _("{supported} of {num_verdicts} claims supported").format(
            supported=supported, num_verdicts=len(verdicts)
        )
        if not verdicts:
            last = _("not run yet")
        print(f"{row['id']}\n    {row['title']}\n    {last}")
    return 0


def run(argv: list[str]) -> int:
    """Run one lab with any of its flags, or several one after the other."""
    words = [word for word in argv if not word.startswith("-") or word == "--all"]
    if argv in ([], ["-h"], ["--help"]):
        form = "fledge lab run NAME|TOPIC|--all … [--quick] [--seed N] [--seeds N] [--json] [--continue-on-error]"
        print(_("usage: {form}").format(form=form))
        print(_("One lab takes all of its own flags: `fledge lab run NAME --help`."))
        return 0
    first = next((number for number, word in enumerate(argv) if word.startswith("-") and word != "--all"), len(argv))
    names, flags = argv[:first], argv[first:]
    if not names:
        command = f"fledge lab run NAME {' '.join(words)}"
        raise UserError(_("name a lab or a topic before the flags: `{command}`.").format(command=command))
    keep_going = "--continue-on-error" in flags
    flags = [flag for flag in flags if flag != "--continue-on-error"]
    from fledge.lab.script import main as script

    failed = []
    paths = chosen(names)
    labs = [load(path) for path in paths]
    if not keep_going:
        _refuse(labs, flags)
    for number, lab in enumerate(labs, 1):
        if len(paths) > 1:
            print(f"\n[{number}/{len(paths)}]", file=sys.stderr)
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
            _("{length} of {num_paths} did not run: {names}").format(
                length=len(failed), num_paths=len(paths), names=names_
            ),
            file=sys.stderr,
        )
    return int(bool(failed))


def _refuse(labs: list[Lab], flags: list[str]) -> None:
    """UserError for a flag that does not fit every lab, before the first of them runs."""
    from fledge.lab.script import parse, settings_of

    if len(labs) < 2:
        return  # its own errors name its own file
    if any(flag.partition("=")[0] == "--predict" for flag in flags):
        raise UserError(
            _(
                "--predict answers the question of one lab, and these are {num_labs}: leave it out, or name one lab."
            ).format(num_labs=len(labs))
        )
    for lab in labs:
        settings_of(lab, parse(lab, flags))


def show(argv: list[str]) -> int:
    """Print what a lab compares and claims, and the command."""
    parser = argparse.ArgumentParser(prog="fledge lab show", description=show.__doc__)
    parser.add_argument("name")
    lab = load(book.find_lab(parser.parse_args(argv).name)[1])
    print(f"{lab.id}\n{lab.title}\n\n{lab.about}\n")
    print(_("arms (they differ in one setting: {varied})").format(varied=lab.varied))
    for arm, change in lab.arms.items():
        print(f"  {lab.labels[arm]}: {change[lab.varied]}")
    print(_("\nclaims:"))
    for claim in lab.claims:
        print(f"  - {claim.text}")
    print(_("\nsabotage (the claims must then fail):"))
    for sabotage in lab.sabotages:
        print(f"  - {sabotage.about}: {', '.join(sabotage.breaks)}")
    print(f"\nfledge lab run {lab.path.stem}")
    return 0
