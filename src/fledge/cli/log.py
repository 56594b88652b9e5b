"""`fledge log`: a dated record of a run, templates to fill in, and the table of all training runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fledge.cli.flags import parse
from fledge.errors import UserError, suggest
from fledge.lang import _

if TYPE_CHECKING:
    from fledge.course.workspace import Workspace
    from fledge.records import Run


@dataclass
class Flags:
    """Write what a run did into your log: settings, what was changed, curves, memory, time, samples. Nothing is overwritten."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """the run's name, or its folder; training runs and lab runs"""
    against: str | None = None
    """the run to compare it with: what differs between the two is computed"""
    hypothesis: str | None = None
    """what you expected; else a line to fill in"""
    conclusion: str | None = None
    """what you conclude; else a line to fill in"""
    template: Literal["experiment", "project", "questions", "defence", "week"] | None = None
    """write an empty form instead"""
    table: bool = False
    """print all training runs as a table: date, command, memory, loss, sample"""
    out: Path | None = None
    """the file to write (default: log/DATE-NAME.md in your workspace; the table: the screen)"""
    json: bool = False
    """print JSON"""


def main(argv: list[str]) -> int:
    flags = parse(Flags, argv, "fledge log")
    asked = [flags.run is not None, flags.template is not None, flags.table]
    if sum(asked) != 1:
        raise UserError(_("give one of these: the name of a RUN, --template NAME, or --table."))
    if flags.run is None and (flags.against or flags.hypothesis or flags.conclusion):
        raise UserError(_("--against, --hypothesis and --conclusion belong to the record of a RUN: name it."))
    from fledge.course import notebook
    from fledge.course.evidence import find_runs
    from fledge.course.workspace import find_workspace

    space, today = find_workspace(), date.today()
    if flags.table:
        return _give(notebook.training_table(find_runs(space)), flags)
    name: str
    if flags.template:
        text, name = notebook.template(flags.template), flags.template
    else:
        run = find_run(str(flags.run), space)
        against = find_run(flags.against, space) if flags.against else None
        if against and against.path.resolve() == run.path.resolve():
            raise UserError(
                _("'{run}' cannot be compared with itself: give --against another run.").format(run=run.name)
            )
        beside = flags.out.absolute().parent if flags.out else space.log
        text = notebook.record(
            run, against, hypothesis=flags.hypothesis, conclusion=flags.conclusion, today=today, beside=beside
        )
        name = run.name
    if flags.out:
        return _give(text, flags)
    return _told(notebook.write_new(space.log, name, text, today), flags)


def find_run(word: str, space: Workspace) -> Run:
    """A run by its folder or its name, wherever runs lie."""
    from fledge.course.evidence import find_runs
    from fledge.records import Run

    if (Path(word) / "run.json").is_file():
        return Run(Path(word))
    runs = {run.name: run for run in reversed(find_runs(space))}  # the newest of a name wins
    if word not in runs:
        listed = _(" `fledge runs list` shows the training runs.")
        hint = suggest(word, runs) or (listed if runs else _(" There are none yet."))
        raise UserError(_("there is no run '{word}'.{hint}").format(word=word, hint=hint))
    return runs[word]


def _give(text: str, flags: Flags) -> int:
    """Write to --out, or print."""
    from fledge.course.workspace import write_once

    if flags.out is None:
        print(json.dumps({"text": text}, ensure_ascii=False) if flags.json else text)
        return 0
    if not write_once(flags.out, text):
        raise UserError(
            _("'{out}' is there already and will not be overwritten: give another name.").format(out=flags.out)
        )
    return _told(flags.out, flags)


def _told(file: Path, flags: Flags) -> int:
    print(json.dumps({"file": file.as_posix()}, ensure_ascii=False) if flags.json else file.as_posix())
    return 0
