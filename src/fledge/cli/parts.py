"""`fledge parts`: which parts of the engine are yours, which of them `--parts mine` takes, and whether they agree with ours."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fledge.cli.flags import parse, subverb
from fledge.errors import UserError
from fledge.lang import _, both, ngettext

if TYPE_CHECKING:
    from fledge.api import LM
    from fledge.course.mine import Mine
    from fledge.parts.verify import Comparison


def main(argv: list[str]) -> int:
    return subverb(
        {
            "list": (
                _list,
                both("every part: what it is, and whether yours takes its place"),
            ),
            "use": (
                _use,
                both("choose which of your parts `--parts mine` takes: names, --all or --none"),
            ),
            "verify": (
                _verify,
                both("compare your parts with the reference on a model's shapes: values, gradients, dtypes"),
            ),
        },
        argv,
        "fledge parts",
    )


@dataclass
class Choice:
    """Whose functions the model is made of."""

    parts: Literal["reference", "mine"] = "reference"
    """mine: the model runs on your functions, of the exercises that you passed (`fledge parts list`)"""
    parts_fallback: bool = False
    """with --parts mine: a part of yours that fails is replaced by the reference"""


def announce(lm: LM) -> None:
    """Say on stderr whose parts a model runs on; nothing when all are the reference's."""
    from fledge.parts.learner import banner
    from fledge.parts.table import FORWARD

    if text := banner(lm.model.parts, FORWARD):
        print(text, file=sys.stderr)


@dataclass
class ListFlags:
    """Every part of the engine: what it is, the state of its exercise, and whether `--parts mine` takes yours."""

    json: bool = False
    """print JSON"""


def _list(argv: list[str]) -> int:
    flags = parse(ListFlags, argv, "fledge parts list")
    from fledge.course.mine import my_parts

    parts = my_parts()
    if flags.json:
        print(json.dumps([_as_dict(part) for part in parts], ensure_ascii=False))
    else:
        _show(parts)
    return 0


def _as_dict(part: Mine) -> dict[str, Any]:
    return asdict(part) | {"file": part.file.as_posix(), "used": part.used}


def _show(parts: list[Mine]) -> None:
    from rich.console import Console

    from fledge.course.mine import STATES
    from fledge.display.terminal import table
    from fledge.parts.table import PARTS

    rows = []
    yours = _("yours")
    for part in parts:
        left_out = part.state == "passed" and not part.chosen
        other = _("reference (not chosen)") if left_out else _("reference")
        whose = f"[green]{yours}[/]" if part.used else f"[dim]{other}[/]"
        rows.append((part.name, str(PARTS[part.name].about), str(STATES[part.state]), whose))
    console = Console(highlight=False)
    console.print(table((_("part"), _("what it is"), _("exercise"), "--parts mine"), rows, words=range(4)))
    used = sum(part.used for part in parts)
    bar = "█" * used + "░" * (len(parts) - used)
    console.print(_("\n{bar}  {used} of {num_parts} parts are yours").format(bar=bar, used=used, num_parts=len(parts)))
    for part in parts:
        if part.called:
            console.print(part.called, soft_wrap=True)
    console.print(_next(parts), style="dim", soft_wrap=True)


def _next(parts: list[Mine]) -> str:
    """The most useful command now."""
    for part in parts:
        if part.state in ("changed", "failing"):
            command = f"fledge check {part.name}"
            return _("check {part}: {command}").format(part=part.name, command=command)
    for part in parts:
        if part.state == "not started":
            command = f"fledge exercise start {part.name}"
            return _("write the next one: {command}").format(command=command)
    return _("train with your parts: fledge quickstart --parts mine")


@dataclass
class UseFlags:
    """Choose which of the parts that you passed `--parts mine` takes."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ()
    """the parts to take; all others come from the reference"""
    all: bool = False
    """every part that you passed, now and later (how it begins)"""
    none: bool = False
    """no part"""
    json: bool = False
    """print JSON"""


def _use(argv: list[str]) -> int:
    flags = parse(UseFlags, argv, "fledge parts use")
    if bool(flags.names) + flags.all + flags.none != 1:
        raise UserError(_("`fledge parts use` takes the names of parts, or --all, or --none."))
    from fledge.course.mine import choose

    parts = choose(None if flags.all else flags.names)
    if flags.json:
        print(json.dumps([_as_dict(part) for part in parts], ensure_ascii=False))
    else:
        _show(parts)
    return 0


@dataclass
class VerifyFlags:
    """Compare your parts with the reference: values, gradients and dtypes, on inputs as a model of this shape makes them.
    With names, every comparison is shown; without, the largest difference of each part."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = ()
    """parts; every one that has a file when left out"""
    preset: str = "cpu-2m"
    """shape of the model"""
    model: str | None = None
    """a run or a model folder instead: its shape"""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """compared in fp32 and in this one; auto: what training would take here"""
    device: str = "auto"
    """cpu, cuda, mps or auto"""
    json: bool = False
    """print JSON"""


def _verify(argv: list[str]) -> int:
    flags = parse(VerifyFlags, argv, "fledge parts verify")
    from fledge.course.mine import find_part, my_parts

    wanted = [find_part(name) for name in flags.names]
    parts = [part for part in my_parts() if (part.name in wanted if wanted else part.state != "not started")]
    for part in parts:
        if not part.file.is_file():
            raise UserError(
                _("you have not written {part} yet: begin with `fledge exercise start {part}`.").format(part=part.name)
            )
    if not parts:
        raise UserError(_("no part is yours yet: `fledge parts list` shows them all."))
    import torch

    from fledge.device import pick_device, pick_precision
    from fledge.model.config import ModelConfig
    from fledge.model.presets import preset
    from fledge.model.source import find_model
    from fledge.parts.learner import MyPart, load_function
    from fledge.parts.verify import check_part

    shape = ModelConfig.load(find_model(flags.model)) if flags.model else preset(flags.preset)
    where = pick_device(flags.device)
    dtypes = (torch.float32, pick_precision(flags.precision, where))
    checks: list[Comparison] = []
    for part in parts:
        checks += check_part(MyPart(part.name, *load_function(part.file, part.name)), shape, dtypes, where)
    if flags.json:
        print(json.dumps([asdict(check) for check in checks], ensure_ascii=False))
    else:
        _show_checks(checks, all=bool(flags.names))
    return 1 if any(check.wrong for check in checks) else 0


def _show_checks(checks: list[Comparison], *, all: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from fledge.display.terminal import table

    rows = []
    for check in checks if all else _worst(checks):
        numbers = (f"{check.difference:.1e}", f"{check.allowed:.1e}")
        mark = "[red]✗[/]" if check.wrong else "[green]✓[/]"
        rows.append((check.part, check.dtype, escape(check.case), check.what, *numbers, mark))
    console = Console(highlight=False)
    heads = (_("part"), _("dtype"), _("input"), _("compared"), _("difference"), _("allowed"), "")
    console.print(table(heads, rows, words=(0, 1, 2, 3, 6)))
    first: dict[str, Comparison] = {}
    for check in checks:
        if check.wrong:
            first.setdefault(check.part, check)
    for check in first.values():
        line = [_("line {line}").format(line=check.line)] if check.line else []
        text = f"✗ {check.part} ({', '.join([*line, check.case, check.dtype])}): {check.wrong}"
        console.print(f"[red]{escape(text)}[/]", soft_wrap=True)
    same = len({check.part for check in checks}) - len(first)
    console.print(
        ngettext(
            "\n{same} part agrees with the reference (differences are shares of the largest number)",
            "\n{same} parts agree with the reference (differences are shares of the largest number)",
            same,
        ).format(same=same),
        soft_wrap=True,
    )


def _worst(checks: list[Comparison]) -> list[Comparison]:
    """Of every part and dtype the comparison that came nearest to what is allowed, or beyond."""
    worst: dict[tuple[str, str], Comparison] = {}
    for check in checks:
        key = (check.part, check.dtype)
        if key not in worst or _badness(check) > _badness(worst[key]):
            worst[key] = check
    return list(worst.values())


def _badness(check: Comparison) -> tuple[bool, float]:
    return bool(check.wrong), check.difference / check.allowed if check.allowed else check.difference
