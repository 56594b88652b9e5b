"""Pictures of runs: loss and bits per byte while they train, with the landmarks that say what the numbers mean.

`run.info["landmarks"]` may hold `start` (ln V: nats/token of a model that knows nothing), `floor` (bits/byte: the
entropy of the text, where it is known) and `floor_by_kind` ({kind: bits/byte}).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.display.fonts import bitmap_settings, cjk_font, drawable
from fledge.errors import UserError
from fledge.lang import N_, _, both, commas
from fledge.records import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = {
    "steps": ("step", N_("steps")),
    "tokens": ("tokens", N_("tokens")),
    "seconds": ("seconds", N_("seconds")),
}


def plot_runs(runs: Sequence[Run], out: Path, *, x: str = "steps", by_kind: bool = False) -> Path:
    """Draw the runs into the PNG `out` and return it. `x` is steps, tokens or seconds; `by_kind` draws the validation
    bits per byte of every kind of knowledge, for one run. UserError when there is nothing to draw."""
    import matplotlib
    from matplotlib.figure import Figure

    if by_kind and len(runs) != 1:
        raise UserError(_("--by-kind draws one run: name exactly one."))
    font = cjk_font()
    with matplotlib.rc_context(bitmap_settings()):
        panels = [_kinds] if by_kind else [_loss, _bpb]
        figure = Figure(figsize=(6.4 * len(panels), 4.2), layout="constrained")
        drawn = 0
        for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0]):
            lines = panel(axes, runs, AXES[x][0], font)
            drawn += lines
            axes.set_xlabel(drawable(AXES[x][1]))
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if lines:
                axes.legend(frameon=False, fontsize="small")
        if not drawn:
            what = _("loss or val_bpb")
            if by_kind:
                what = _("val_bits_by_kind (only the world's texts have kinds)")
            names = commas(run.name for run in runs)
            raise UserError(
                _("nothing to draw: {names} logged no {what} over {x}.").format(names=names, what=what, x=x)
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=130)
    return out


def points(run: Run, x: str, y: str, kind: str | None = None) -> tuple[list[float], list[float]]:
    """The logged pairs (x, y) of a run; `kind` looks inside the dict that `y` names."""
    xs, ys = [], []
    for row in run.metrics():
        value = (row.get(y) or {}).get(kind) if kind else row.get(y)
        if isinstance(row.get(x), (int, float)) and isinstance(value, (int, float)):
            xs.append(row[x])
            ys.append(value)
    return xs, ys


def _loss(axes: Axes, runs: Sequence[Run], x: str, font: str | None) -> int:
    axes.set_ylabel(drawable(both("loss (nats per token)")))
    drawn = _lines(axes, runs, x, "loss", font)
    if drawn:
        _landmarks(axes, runs, "start", drawable(both("start: ln V")))
    return drawn


def _bpb(axes: Axes, runs: Sequence[Run], x: str, font: str | None) -> int:
    axes.set_ylabel(drawable(both("validation, bits per byte")))
    drawn = _lines(axes, runs, x, "val_bpb", font)
    if drawn:
        _landmarks(axes, runs, "floor", drawable(both("floor: the text's entropy")))
    return drawn


def _kinds(axes: Axes, runs: Sequence[Run], x: str, font: str | None) -> int:
    (run,) = runs
    axes.set_ylabel(drawable(both("validation, bits per byte")))
    floors: dict[str, Any] = run.info.get("landmarks", {}).get("floor_by_kind", {})
    kinds = sorted({kind for row in run.metrics() for kind in row.get("val_bits_by_kind") or {}})
    for kind in kinds:
        (line,) = axes.plot(*points(run, x, "val_bits_by_kind", kind), marker=".", label=_name(kind, font, kind))
        if kind in floors:
            axes.axhline(floors[kind], color=line.get_color(), linestyle=":", linewidth=1)
    if kinds and floors:
        axes.plot(
            [],
            [],
            color="0.45",
            linestyle=":",
            label=drawable(both("each kind's floor: its entropy")),
        )
    return len(kinds)


def _lines(axes: Axes, runs: Sequence[Run], x: str, y: str, font: str | None) -> int:
    drawn = 0
    for number, run in enumerate(runs, 1):
        xs, ys = points(run, x, y)
        if xs:
            marker = "." if len(xs) < 50 else None
            axes.plot(xs, ys, label=_name(run.name, font, f"run {number}"), color=f"C{number - 1}", marker=marker)
            drawn += 1
    return drawn


def _landmarks(axes: Axes, runs: Sequence[Run], which: str, label: str) -> None:
    """A dashed line for every different value of a landmark."""
    for value in sorted({run.info.get("landmarks", {}).get(which) for run in runs} - {None}):
        axes.axhline(value, color="0.45", linestyle="--", linewidth=1, label=f"{label} = {value:.3g}")


def _name(name: str, font: str | None, fallback: str) -> str:
    """A name as the plot can show it: Chinese without a font for it would be empty boxes."""
    return name if font or name.isascii() else fallback.encode("ascii", "replace").decode()
