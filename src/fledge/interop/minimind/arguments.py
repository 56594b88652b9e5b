"""The command line of a door: its arguments from the table, and what was typed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from fledge.errors import Spelling, UserError, quoted, suggest, translated
from fledge.interop.minimind.files import Place
from fledge.interop.minimind.runs import weights_of
from fledge.interop.minimind.tables import ABSENT, BY_DOOR, DOORS, GENERATIONS, Generation, default, file_of
from fledge.lang import _
from fledge.records import Run


def parse(door: str, argv: Sequence[str]) -> dict[str, Any]:
    """Only the arguments that were typed. UserError, in one sentence, for what cannot be; `--help` leaves with SystemExit."""
    made = parser(door)
    typed, rest = made.parse_known_args(list(argv))
    if rest:
        known = [option for action in made._actions for option in action.option_strings]
        word = rest[0].partition("=")[0]
        near = suggest(word, known) or _(" See --help.")
        raise UserError(_("'{word}' is not an argument of {prog}.{near}").format(word=word, prog=made.prog, near=near))
    return vars(typed)


def values(door: str, generation: Generation, typed: dict[str, Any]) -> dict[str, Any]:
    """All arguments of the door in a generation: what was typed, else the defaults."""
    known = {name: default(door, name, generation) for name in DOORS[door].defaults}
    known = {name: value for name, value in known.items() if value is not ABSENT}
    for name in typed:
        if name not in known:
            file = file_of(door)
            raise UserError(
                _("MiniMind {generation}'s {file} has no --{name}: leave it out, or choose the other --compat.").format(
                    generation=generation, file=file, name=name
                )
            )
    return known | typed


def settings(door: str, args: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    """The settings of the door's job that the arguments become, but for those that name files."""
    found = {}
    for name, value in args.items():
        argument, setting = DOORS[door].argument(name), DOORS[door].setting(name)
        if setting and setting not in BY_DOOR:
            found[setting] = argument.becomes(args, typed) if argument.becomes else argument.values.get(value, value)
    return found


def parser(door: str) -> Parser:
    """The door's parser; a default is never filled in, because it depends on the generation."""
    what, file = DOORS[door], file_of(door)
    made = Parser(
        prog=file,
        usage=f"python {file} [--argument value …]",
        description=_("With MiniMind's arguments: {what}.").format(what=what.what),
    )
    for name in what.defaults:
        argument = what.argument(name)
        shown = [default(door, name, generation) for generation in GENERATIONS]
        there = ["-" if value is ABSENT else value for value in shown]
        words = str(there[0]) if there[0] == there[1] else f"v2 {there[0]}, v3 {there[1]}"
        help = f"{argument.help} [{words}]".replace("%", "%%")
        if argument.kind is bool:
            made.add_argument(f"--{name}", action="store_true", default=argparse.SUPPRESS, help=help)
        else:
            metavar = None if argument.choices else argument.kind.__name__.upper()
            made.add_argument(
                f"--{name}",
                type=argument.kind,
                choices=argument.choices,
                metavar=metavar,
                default=argparse.SUPPRESS,
                help=help,
            )
    return made


class Parser(argparse.ArgumentParser):
    """argparse, whose complaints become one sentence."""

    def error(self, message: str) -> NoReturn:
        said = translated(message.removeprefix("argument ").rstrip("."))
        raise UserError(_("{said}. See `python {prog} --help`.").format(said=said, prog=self.prog))


class Words(Spelling):
    """A door's arguments in the place of our flags, and its commands in the place of ours."""

    def __init__(self, door: str, place: Place) -> None:
        self.door, self.place = DOORS[door], place
        self.names = {self.door.setting(name) or name: name for name in self.door.defaults}

    def flag(self, setting: str, value: object = None) -> str:
        name = self.names.get(setting)
        if name is None or value is None:
            return "" if name is None else f"--{name}"
        if setting == "model" and (weights := weights_of(str(value))):  # a door names weights, not runs
            width = self.door.calls.get("hidden_size", ("hidden_size",))[0]
            return weights.replace("--save_weight", f"--{name}").replace("--hidden_size", f"--{width}")
        theirs = {ours: word for word, ours in self.door.argument(name).values.items()}
        return f"--{name} {theirs.get(value, value)}"

    def train(self, job: str) -> str:
        doors = [self.door, *DOORS.values()]  # two may train one job: first the one that was opened
        script = next(
            (file_of(name) for door in doors for name in DOORS if DOORS[name] is door and door.job == job), None
        )
        if script is None:
            return super().train(job)
        return f"python {quoted(self.place.shown(self.place.root / 'trainer' / script))}"

    def resume(self, job: str, run: str) -> str:
        door = next((door for door in DOORS.values() if door.job == job), self.door)
        weights = weights_of(run).replace("--save_weight", f"--{door.named_by}")
        return f"{self.train(job)} --from_resume 1 {weights}" if weights else super().resume(job, run)


def words_of(run: Run) -> Spelling:
    """How sentences about a run are spelled: as the script that began it does, else as `fledge` does."""
    job = "pretrain" if run.info["job"] == "minimind_pretrain" else run.info["job"]  # with --parity
    door = next((name for name, door in DOORS.items() if door.job == job), None)
    if door is None or not weights_of(run.name):
        return Spelling()
    root = run.path.absolute().parent.parent  # where a script works, and makes `runs`
    return Words(door, Place(root / "trainer" / file_of(door)))
