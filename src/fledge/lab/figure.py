"""The picture of a lab: a few calls that look alike everywhere, as PNG for this machine and as SVG for a page."""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fledge.display import fonts
from fledge.lang import Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fledge.lab.results import Results

Word = Text | str


class Figure:
    """Given to a lab's `figure` function: `axes` first, then what is drawn into them."""

    def __init__(self, words: Any = fonts.drawable) -> None:
        from matplotlib.figure import Figure as Canvas

        self.canvas = Canvas(layout="constrained")
        self.words = words

    def axes(self, rows: int = 1, columns: int = 1, *, height: float = 3.8, width: float = 5.6) -> Any:
        """One Axes, or a flat list of them; inches of one."""
        self.canvas.set_size_inches(width * columns, height * rows)
        grid = self.canvas.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        return grid[0, 0] if rows * columns == 1 else list(grid.flat)

    def line(
        self, axes: Axes, x: Sequence[float], y: Any, low: Any = None, high: Any = None, *, label: Word = ""
    ) -> None:
        """A curve, with the band from `low` to `high` (lowest and highest seed) around it."""
        from matplotlib.ticker import MaxNLocator

        x = list(x)
        if all(isinstance(value, int) for value in x):  # no layer 2.5
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        (drawn,) = axes.plot(x, y, marker="." if len(x) < 40 else None, label=self._said(label) or None)
        if low is not None:
            axes.fill_between(x, low, high, color=drawn.get_color(), alpha=0.2, linewidth=0)

    def bars(self, axes: Axes, labels: Sequence[Word], means: Sequence[float], errors: Any = None) -> None:
        """A bar for every label, in colours of their own; `errors` is what `yerr` of matplotlib takes."""
        places = range(len(labels))
        axes.bar(places, means, yerr=errors, color=[f"C{n}" for n in places], width=0.6, capsize=4)
        axes.set_xticks(list(places), [self._said(label) for label in labels])

    def heatmap(
        self, axes: Axes, matrix: Any, x: Sequence[Word] | None = None, y: Sequence[Word] | None = None, **settings: Any
    ) -> None:
        """A matrix as colours with its scale beside it; `settings` go to matplotlib's imshow."""
        axes.grid(False)
        image = axes.imshow(matrix, **{"cmap": "viridis", "aspect": "auto"} | settings)
        self.canvas.colorbar(image, ax=axes)
        if x is not None:
            axes.set_xticks(range(len(x)), [self._said(label) for label in x])
        if y is not None:
            axes.set_yticks(range(len(y)), [self._said(label) for label in y])

    def floor(self, axes: Axes, value: float, name: Text) -> None:
        """A broken line at a value that is known: chance, an entropy; each of several in a pattern of its own."""
        patterns = ("--", ":", "-.")
        drawn = sum(line.get_linestyle() in patterns for line in axes.lines)
        axes.axhline(value, color="0.45", linestyle=patterns[drawn % 3], linewidth=1, label=self.words(name))

    def _said(self, word: Word) -> str:
        return self.words(word) if isinstance(word, Text) else word

    def name(self, axes: Axes, *, x: Text | None = None, y: Text | None = None, title: Text | None = None) -> None:
        """The names of the axes; a legend where curves have names."""
        for text, put in ((x, axes.set_xlabel), (y, axes.set_ylabel), (title, axes.set_title)):
            if text is not None:
                put(self.words(text))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize="small")


def save_png(results: Results, path: Path) -> None:
    """The lab's picture in the learner's language, or in English where no font here has Chinese."""
    import matplotlib

    with matplotlib.rc_context(fonts.bitmap_settings()):
        figure = Figure()
        results.lab.figure(results, figure)
        figure.canvas.savefig(path, dpi=130)


def svg(results: Results) -> str:
    """The lab's picture in the learner's language, drawn with the fonts of whoever looks at it."""
    import matplotlib

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # fonts that are not here are the reader's
    with matplotlib.rc_context(fonts.vector_settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(words=str)
        results.lab.figure(results, figure)
        out = io.StringIO()
        figure.canvas.savefig(out, format="svg", metadata={"Date": None})
    return re.sub(r"[ \t]+$", "", out.getvalue(), flags=re.MULTILINE)


def in_language(lang: str, results: Results) -> str:
    """`svg` in that language."""
    before = os.environ.get("FLEDGE_LANG")
    os.environ["FLEDGE_LANG"] = lang
    try:
        return svg(results)
    finally:
        os.environ.pop("FLEDGE_LANG")
        if before is not None:
            os.environ["FLEDGE_LANG"] = before
