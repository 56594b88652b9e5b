"""`fledge learn`: what to do next, the paths, the pages, and what was done so far."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fledge.cli.flags import parse, subverb
from fledge.cli.learn_carry import export, import_, report
from fledge.cli.learn_go import go
from fledge.cli.learn_view import finished, plain_console, row_of, show_path, span, sums
from fledge.course import book
from fledge.errors import UserError
from fledge.lang import _, both


def main(argv: list[str]) -> int:
    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        return next_(argv)
    table = {
        "go": (
            go,
            both("do the next step of your path right here, and then the one after it"),
        ),
        "init": (
            init,
            both("make a workspace: exercises, log, runs and progress in one folder"),
        ),
        "paths": (paths, both("the learning paths, and how far you are")),
        "path": (
            path,
            both("choose a path and see its steps: quick, system, deep"),
        ),
        "read": (
            read,
            both("read a page of a topic: teaching, code_guide or README"),
        ),
        "done": (
            done,
            both("say that a step is done that only you can judge"),
        ),
        "export": (
            export,
            both("write your progress into a file, for another machine"),
        ),
        "import": (import_, both("bring progress in from such a file")),
        "report": (
            report,
            both("a report of what you did, with its evidence, as HTML and Markdown"),
        ),
    }
    code = subverb(table, argv, "fledge learn")
    if argv[0] in ("-h", "--help"):
        print(_("\n`fledge learn` alone says what to do next."))
    return code


@dataclass
class NextFlags:
    """Say what the next step of your path is, and the command to type."""

    json: bool = False
    """print JSON"""


def next_(argv: list[str]) -> int:
    flags = parse(NextFlags, argv, "fledge learn")
    from fledge.course.onward import current, typed
    from fledge.course.paths import KINDS
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        chosen, evidence = current(progress)
    step = evidence.next_step(chosen)
    if flags.json:
        following = None if step is None else row_of(step, None)
        print(json.dumps({"path": chosen.name, "next": following} | sums(chosen, evidence), ensure_ascii=False))
        return 0
    console = plain_console()
    far = sums(chosen, evidence)
    console.print(
        _("{title} · {done} of {steps} steps, about {minutes_left} left").format(
            title=chosen.title, done=far["done"], steps=far["steps"], minutes_left=span(far["minutes_left"])
        )
    )
    if step is None:
        finished(chosen, evidence, console)
        return 0
    stage = next(stage for stage in chosen.stages if step in stage.steps)
    console.print(_("stage: {title}").format(title=stage.title), style="dim")
    console.print(
        _("\nnext: {kind} · {text} ({minutes})").format(
            kind=KINDS[step.kind], text=step.text, minutes=span(step.minutes)
        ),
        style="bold",
    )
    for line in typed(step, evidence):
        console.print(f"  {line}", style="cyan")
    console.print(
        _(
            "\nstep by step: fledge learn go · all steps: fledge learn path {chosen} · other paths: fledge learn paths"
        ).format(chosen=chosen.name),
        style="dim",
    )
    return 0


@dataclass
class InitFlags:
    """Make a workspace. Where one is already, it is completed and nothing in it is touched."""

    folder: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")] = None
    """where (default: the workspace that is found from here, else ./workspace)"""


def init(argv: list[str]) -> int:
    flags = parse(InitFlags, argv, "fledge learn init")
    from fledge.course.progress import Progress
    from fledge.course.workspace import Workspace, find_workspace, make_workspace

    folder = flags.folder
    if folder is None:
        try:
            folder = find_workspace().root
        except UserError:
            folder = Path("workspace")
    there = Workspace(folder.absolute()).database.is_file()
    space = make_workspace(folder)
    with Progress(space.database):
        pass
    if there:
        print(_("the workspace is there already, and nothing in it was touched: {folder}").format(folder=space.root))
    else:
        print(_("made a workspace: {folder}").format(folder=space.root))
    if not Path.cwd().is_relative_to(space.root) and not book.is_checkout():
        print(_('go into it: cd "{folder}"').format(folder=space.root))
    print(_("next: fledge learn"))
    return 0


@dataclass
class PathsFlags:
    """List the learning paths: how long they take, and how far you are."""

    json: bool = False
    """print JSON"""


def paths(argv: list[str]) -> int:
    flags = parse(PathsFlags, argv, "fledge learn paths")
    from fledge.course.onward import current
    from fledge.course.paths import all_paths
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        chosen, evidence = current(progress)
    found: list[dict[str, Any]] = [
        {"name": p.name, "title": str(p.title), "about": str(p.about), "chosen": p.name == chosen.name}
        | sums(p, evidence)
        for p in all_paths().values()
    ]
    if flags.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    console = plain_console()
    for row in found:
        mark = "*" if row["chosen"] else " "
        steps = _("{done} of {steps} steps").format(done=row["done"], steps=row["steps"])
        long = _("about {minutes}").format(minutes=span(row["minutes"]))
        style = "bold" if row["chosen"] else None
        console.print(f"{mark} {row['name']:<7} {row['title']} · {long} · {steps}", style=style)
        console.print(f"    {row['about']}")
    console.print(_("\nchoose one: fledge learn path NAME"), style="dim")
    return 0


@dataclass
class PathFlags:
    """Choose a path, and see its steps and its checklist. Without a name: your path."""

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None
    """quick, system or deep"""
    json: bool = False
    """print JSON"""


def path(argv: list[str]) -> int:
    flags = parse(PathFlags, argv, "fledge learn path")
    from fledge.course.onward import current
    from fledge.course.paths import find_path
    from fledge.course.progress import open_progress

    with open_progress() as progress:
        chosen, evidence = current(progress)
        if flags.name is not None and find_path(flags.name).name != chosen.name:
            progress.add("path", flags.name)
            chosen, evidence = current(progress)
        elif flags.name is not None and not evidence.about("path"):
            progress.add("path", flags.name)
    if flags.json:
        stages = [
            {
                "title": str(stage.title),
                "minutes": round(stage.minutes, 1),
                "steps": [row_of(step, evidence.of(step)) for step in stage.steps],
                "later": [str(text) for text in stage.later],
            }
            for stage in chosen.stages
        ]
        checks = [{"text": str(c.text), "needs": c.needs, "met": evidence.met(c, chosen)} for c in chosen.checks]
        found = {"path": chosen.name, "stages": stages, "checklist": checks} | sums(chosen, evidence)
        print(json.dumps(found, ensure_ascii=False))
        return 0
    show_path(chosen, evidence, plain_console())
    return 0


@dataclass
class ReadFlags:
    """Show a page of a topic: through a pager where the terminal has one, as plain Markdown into a pipe."""

    topic: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TOPIC")]
    """the topic, or a part of its name"""
    page: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PAGE")] = "teaching"
    """teaching, code_guide or README"""
    pager: bool = True
    """--no-pager prints the whole page at once"""


def read(argv: list[str]) -> int:
    flags = parse(ReadFlags, argv, "fledge learn read")
    from fledge.course import pages
    from fledge.course.progress import open_progress

    topic = book.find_topic(flags.topic, pages.has_pages)
    file = pages.find_page(topic, flags.page)
    with open_progress() as progress:
        pages.show(pages.page_text(file), pager=flags.pager)
        progress.add("read", f"{topic.name}/{file.name.partition('.')[0]}")
    return 0


@dataclass
class DoneFlags:
    """Say that you did a step that only you can judge. What leaves a trace (a pass, a run, a file) is found by itself."""

    step: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="STEP")]
    """the step's name, as `fledge learn path` shows it"""


def done(argv: list[str]) -> int:
    flags = parse(DoneFlags, argv, "fledge learn done")
    from fledge.course.evidence import note_traces
    from fledge.course.onward import current
    from fledge.course.paths import find_step
    from fledge.course.progress import open_progress

    step = find_step(flags.step)
    with open_progress() as progress:
        __, evidence = current(progress)
        note_traces(progress, evidence, [step])
        seen = evidence.of(step)
        if seen is None and step.evidence:
            raise UserError(
                _("'{subject}' leaves a trace when it is done, and there is none yet: run `{command}` first.").format(
                    subject=step.subject, command=step.command
                )
            )
        if seen is None:
            progress.add("done", step.subject)
    print(_("noted: {text}").format(text=step.text) if seen is None else f"{step.text}: {seen}")
    return 0
