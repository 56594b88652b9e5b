"""Which parts of the engine the learner has written: the state of their exercises, and which of them `--parts mine` takes.

A part and its exercise have the same name. What counts is the last attempt at it: it passed without calling the reference or
what the task rules out, and the file is still the one that passed, byte for byte.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fledge.course.progress import Event, Progress
from fledge.course.workspace import Workspace, find_workspace
from fledge.errors import UserError, suggest
from fledge.lang import N_, Text, _, commas
from fledge.parts.table import PARTS
from fledge.records import write_atomic

if TYPE_CHECKING:
    from fledge.parts import Parts

State = Literal["not started", "failing", "passed", "called", "changed"]
STATES: dict[State, Text] = {
    "not started": N_("not started"),
    "failing": N_("not passed yet"),
    "passed": N_("passed"),
    "called": N_("passed, not written by hand"),
    "changed": N_("changed since it passed"),
}


@dataclass(frozen=True)
class Mine:
    """A part in the learner's workspace. `sha256` is that of the file as it is now; None when there is none. `calls` is what
    it called to pass: the reference, or what the task rules out."""

    name: str
    file: Path
    state: State
    sha256: str | None
    chosen: bool
    calls: tuple[str, ...] = ()

    @property
    def used(self) -> bool:
        """Whether `--parts mine` takes it."""
        return self.chosen and self.state == "passed"

    @property
    def called(self) -> str:
        """Why a part that passed is not the learner's, as a sentence; "" for every other."""
        if self.state != "called":
            return ""
        return _(
            "{part} passed by calling {calls}: it becomes yours when you write it by hand and `fledge check {part}` passes."
        ).format(part=self.name, calls=commas(self.calls))


def answer_file(space: Workspace, name: str) -> Path:
    """Where the learner writes the exercise."""
    return space.exercises / f"{name}.py"


def my_parts(space: Workspace | None = None) -> list[Mine]:
    """Every part, in the order of the book."""
    space = space or find_workspace()
    with Progress(space.database) as progress:
        last = {event.subject: event for event in progress.events("attempt")}
    chosen = _chosen(space)
    parts = []
    for name in PARTS:
        file = answer_file(space, name)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        calls = tuple(last[name].data.get("calls") or ()) if name in last else ()
        state = _state(last.get(name), sha256)
        parts.append(Mine(name, file, state, sha256, chosen is None or name in chosen, calls))
    return parts


def find_part(name: str) -> str:
    """The part of that name; UserError with the nearest one."""
    if name not in PARTS:
        listed = ", ".join(PARTS)
        raise UserError(
            _("there is no part '{name}'; the parts are {listed}.{near}").format(
                name=name, listed=listed, near=suggest(name, PARTS)
            )
        )
    return name


def used_parts(space: Workspace | None = None) -> list[Mine]:
    """What `--parts mine` takes; UserError that says where to begin when that is nothing."""
    parts = my_parts(space)
    used = [part for part in parts if part.used]
    if used:
        return used
    passed = [part.name for part in parts if part.state == "passed"]
    if passed:
        raise UserError(
            _("none of your parts ({passed}) is chosen: take them with `fledge parts use --all`.").format(
                passed=commas(passed)
            )
        )
    changed = [part.name for part in parts if part.state == "changed"]
    if changed:
        raise UserError(
            _("{changed} changed since it passed: check it again with `fledge check {first}`.").format(
                changed=commas(changed), first=changed[0]
            )
        )
    if called := next((part.called for part in parts if part.called), ""):
        raise UserError(called)
    first = next((part.name for part in parts if part.state == "failing"), parts[0].name)
    raise UserError(
        _(
            "no part is yours yet (--parts mine): begin with `fledge exercise start {first}`, "
            "and check what you wrote with `fledge check {first}`."
        ).format(first=first)
    )


def load_mine(choice: str, *, fallback: bool = False, only: Collection[str] = tuple(PARTS)) -> Parts:
    """The parts that `--parts` names: the reference, or "mine" (of those in `only`). One that changed since it passed, or
    that passed by calling what it should not, is the reference's, and the banner says so."""
    from fledge.parts import REFERENCE
    from fledge.parts.learner import MyPart, load_parts

    if choice == "reference":
        return REFERENCE
    used = used_parts()
    files = {part.name: part.file for part in used if part.name in only}
    if not files:
        listed = [part.name for part in used]
        raise UserError(
            _("none of your parts ({listed}) is used here: leave --parts mine out.").format(listed=commas(listed))
        )
    not_mine = {}
    for part in my_parts():
        if part.state in ("changed", "called") and part.name in only:
            not_mine[part.name] = MyPart(part.name, getattr(REFERENCE, part.name), part.file, part.sha256 or "")
            not_mine[part.name].replaced = (
                _("yours passed by calling {calls}").format(calls=commas(part.calls))
                if part.state == "called"
                else _("yours changed since it passed, `fledge check {part}` first").format(part=part.name)
            )
    return dataclasses.replace(load_parts(files, fallback=fallback), **not_mine)


def choose(names: Iterable[str] | None, space: Workspace | None = None) -> list[Mine]:
    """Remember which parts `--parts mine` takes; None means every one that passes, now and later. Returns `my_parts`.

    UserError for a name that has not passed.
    """
    space = space or find_workspace()
    parts = {part.name: part for part in my_parts(space)}
    chosen = None if names is None else list(dict.fromkeys(map(find_part, names)))
    for name in chosen or []:
        state = parts[name].state
        if parts[name].called:
            raise UserError(parts[name].called)
        if state != "passed":
            begin = f"fledge exercise start {name}" if state == "not started" else f"fledge check {name}"
            raise UserError(
                _("{name} cannot be used, it is {state}: first `{begin}`.").format(
                    name=name, state=STATES[state], begin=begin
                )
            )
    _file(space).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(_file(space), json.dumps({"use": "all" if chosen is None else chosen}, indent=1) + "\n")
    return my_parts(space)


def _state(last: Event | None, sha256: str | None) -> State:
    if last is None or sha256 is None or last.data.get("outcome") == "NOT_ATTEMPTED":
        return "not started"
    if not last.data.get("passed"):
        return "failing"
    if last.data.get("sha256") != sha256:
        return "changed"
    return "called" if last.data.get("calls") else "passed"


def _file(space: Workspace) -> Path:
    return space.database.with_name("parts.json")


def _chosen(space: Workspace) -> list[str] | None:
    """The names that were chosen; None: all, also when the file is missing or somebody spoilt it."""
    try:
        said: Any = json.loads(_file(space).read_text(encoding="utf-8"))["use"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return [str(name) for name in said] if isinstance(said, list) else None
