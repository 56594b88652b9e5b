"""`fledge learn export`, `import` and `report`: progress that moves between machines, and what it shows to others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError
from fledge.lang import _


@dataclass
class FileFlags:
    """Move your progress between machines: a file of JSON lines, chained so that an edited byte is noticed."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """the file"""


def export(argv: list[str]) -> int:
    flags = parse(FileFlags, argv, "fledge learn export")
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        broken = progress.verify()
        if broken is not None:
            raise UserError(
                _(
                    "the progress log is not what was written from row {broken} on, "
                    "so an export could not be imported; `fledge learn report` says so too."
                ).format(broken=broken)
            )
        count = progress.export(flags.file)
    print(_("wrote {count} events: {file}").format(count=count, file=flags.file))
    return 0


def import_(argv: list[str]) -> int:
    flags = parse(FileFlags, argv, "fledge learn import")
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        count = progress.import_(flags.file)
    print(_("imported {count} new events.").format(count=count))
    return 0


@dataclass
class ReportFlags:
    """Write report.html (one file, no network) and report.md: what was done, its evidence, and what is left."""

    out: Path | None = None
    """the folder (default: `report` in your workspace)"""
    json: bool = False
    """print the report's figures as JSON, too"""


def report(argv: list[str]) -> int:
    flags = parse(ReportFlags, argv, "fledge learn report")
    from fledge.course import report as reports
    from fledge.course.onward import current
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        chosen, evidence = current(progress)
        made = reports.build(progress, evidence, chosen)
    files = reports.write(made, flags.out or evidence.space.root / "report")
    if flags.json:
        print(json.dumps(made.figures() | {"files": [file.as_posix() for file in files]}, ensure_ascii=False))
    else:
        print("\n".join(file.as_posix() for file in files))
    return 0
