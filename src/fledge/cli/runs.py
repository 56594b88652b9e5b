"""`fledge runs list|show|compare|check|plot`: what was trained here, with which settings, and how it went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fledge.cli.flags import parse, subverb
from fledge.cli.runs_check import check
from fledge.errors import UserError
from fledge.lang import _, both, pgettext
from fledge.records import Run, list_runs, runs_root, status_word

BARS = "▁▂▃▄▅▆▇█"
Names = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]


def main(argv: list[str]) -> int:
    table = {
        "list": (list_, both("every run, the newest first")),
        "show": (show, both("one run: its settings, curves and results")),
        "compare": (
            compare,
            both("what differs between runs, in settings and in results"),
        ),
        "check": (
            check,
            both("is my run normal? landmarks, reference runs, and the likely cause when it is not"),
        ),
        "plot": (plot, both("a picture of the curves of one or more runs")),
    }
    return subverb(table, argv, "fledge runs")


@dataclass
class ListFlags:
    """List every run in the runs folder, the newest first."""

    json: bool = False
    """print JSON"""


def list_(argv: list[str]) -> int:
    flags = parse(ListFlags, argv, "fledge runs list")
    runs = [_summary(run) for run in list_runs()]
    if flags.json:
        return _print_json(runs)
    if not runs:
        print(_("no runs in '{folder}' yet.").format(folder=runs_root()))
        return 0
    columns = ("name", "job", "status", "steps", "val_bpb", "seconds")
    head = [
        _("name"),
        pgettext("of a run", "job"),
        _("status"),
        _("steps"),
        "val bpb",
        _("time"),
    ]
    _table(head, [[_cell(key, row[key]) for key in columns] for row in runs])
    return 0


@dataclass
class ShowFlags:
    """Show one run: all that its run.json says, and its curves."""

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """the run's name, or its folder"""
    json: bool = False
    """print JSON"""


def show(argv: list[str]) -> int:
    flags = parse(ShowFlags, argv, "fledge runs show")
    run = Run.open(flags.run)
    if flags.json:
        return _print_json(run.info | {"summary": _summary(run), "metrics": run.metrics()})
    metrics = run.metrics()
    for key, value in run.info.items():
        if isinstance(value, dict):
            print(f"{key}:" + ("" if value else " -"))
            for inner, item in value.items():
                print(f"  {inner}: {_value(item)}")
        else:
            print(f"{key}: {run.status() if key == 'status' else _value(value)}")
    for key in ("loss", "val_loss", "val_bpb"):
        values = [row[key] for row in metrics if isinstance(row.get(key), (int, float))]
        if values:
            least = _(" (least {values:.4g})").format(values=min(values))
            print(f"{key:9} {sparkline(values)}  {values[0]:.4g} → {values[-1]:.4g}{least}")
    return 0


@dataclass
class CompareFlags:
    """Show what differs between runs: settings that are not the same, and results side by side."""

    runs: Names
    """names or folders of runs, two or more"""
    json: bool = False
    """print JSON"""


def compare(argv: list[str]) -> int:
    flags = parse(CompareFlags, argv, "fledge runs compare")
    if len(flags.runs) < 2:
        raise UserError(_("`fledge runs compare` needs two runs or more."))
    runs = [Run.open(name) for name in flags.runs]
    configs = [_flat(run.info.get("config", {})) for run in runs]
    results = [_result(run) for run in runs]
    different = {
        key: [config.get(key) for config in configs]
        for key in dict.fromkeys(key for config in configs for key in config)
        if any(config.get(key) != configs[0].get(key) for config in configs)
    }
    outcome = {
        key: [result.get(key) for result in results] for key in dict.fromkeys(key for row in results for key in row)
    }
    if flags.json:
        return _print_json({"runs": [run.name for run in runs], "config": different, "results": outcome})
    head = ["", *(run.name for run in runs)]
    rows = [
        [_("settings that differ") if different else _("same settings")],
        *([key, *map(_value, row)] for key, row in different.items()),
    ]
    rows += [[], [_("results")], *([key, *map(_value, row)] for key, row in outcome.items())]
    _table(head, [row + [""] * (len(head) - len(row)) for row in rows])
    return 0


@dataclass
class PlotFlags:
    """Draw loss and validation bits per byte of one or more runs into a PNG."""

    runs: Names
    """names or folders of runs"""
    out: Path | None = None
    """the PNG to write (default: curves.png in the first run's folder)"""
    x: Literal["steps", "tokens", "seconds"] = "steps"
    """what runs along the bottom"""
    by_kind: bool = False
    """draw the bits per byte of every kind of knowledge instead, with each kind's floor (one run of the world)"""
    json: bool = False
    """print JSON"""


def plot(argv: list[str]) -> int:
    flags = parse(PlotFlags, argv, "fledge runs plot")
    if not flags.runs:
        raise UserError(_("`fledge runs plot` needs a run: `fledge runs list` shows them."))
    from fledge.cli.plots import plot_runs

    runs = [Run.open(name) for name in flags.runs]
    out = flags.out or runs[0].path / ("curves_by_kind.png" if flags.by_kind else "curves.png")
    if out.suffix.lower() != ".png":
        raise UserError(_("'{out}' does not end in .png: plots are written as PNG.").format(out=out))
    plot_runs(runs, out, x=flags.x, by_kind=flags.by_kind)
    if flags.json:
        return _print_json({"plot": out.as_posix(), "runs": [run.name for run in runs]})
    print(_("wrote {out}").format(out=out.as_posix()))
    return 0


def sparkline(values: list[float], width: int = 60) -> str:
    """The curve as a line of at most `width` bars, each the mean of its share of the values."""
    width = min(width, len(values))
    means = [
        sum(part) / len(part)
        for part in (values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width))
    ]
    low, high = min(means), max(means)
    return "".join(BARS[round((mean - low) / ((high - low) or 1) * (len(BARS) - 1))] for mean in means)


def _summary(run: Run) -> dict[str, Any]:
    result = _result(run)
    fields = {key: result.get(key) for key in ("steps", "tokens", "loss", "val_bpb", "seconds")}
    return {key: run.info.get(key) for key in ("name", "job", "started")} | {"status": run.status()} | fields


def _result(run: Run) -> dict[str, Any]:
    """The last of what was logged, and what the job itself called its results."""
    last: dict[str, Any] = {}
    for row in run.metrics():
        last |= {
            "steps" if key == "step" else key: value
            for key, value in row.items()
            if key in ("step", "tokens", "seconds", "loss", "val_loss", "val_bpb") and value is not None
        }
    return last | _flat(run.info.get("results") or {})


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _cell(key: str, value: Any) -> str:
    if key == "status":
        return status_word(value)
    if key == "seconds" and isinstance(value, (int, float)):
        hours, minutes, seconds = int(value) // 3600, int(value) // 60 % 60, int(value) % 60
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return _value(value)


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict, bool)) else str(value)


def _table(head: list[str] | tuple[str, ...], rows: list[list[str]]) -> None:
    from fledge.display.terminal import table, uncut

    uncut().print(table(head, rows))


def _print_json(value: Any) -> int:
    print(json.dumps(value, ensure_ascii=False, indent=1))
    return 0
