"""A small pen for schematic drawings: boxes, arrows, grids and words as SVG, in Chinese or English.

Letters stay letters, so the reader's own fonts draw them and no character is ever missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

FONTS = "'DejaVu Sans', Arial, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
INK, GREY, LINE = "#1f2933", "#6b7280", "#9aa5b1"
BLUE, ORANGE, GREEN, RED, PURPLE = "#1f77b4", "#e07b00", "#2a8f4c", "#c0392b", "#7b4fb3"
PALE = {BLUE: "#dcebf7", ORANGE: "#fdebd3", GREEN: "#dcf2e3", RED: "#f9e0dd", PURPLE: "#ebe2f6", GREY: "#f1f3f5"}


class Sketch:
    """A drawing of `width` × `height` points in one language; (0, 0) is its upper left corner."""

    def __init__(self, width: float, height: float, lang: str) -> None:
        self.width, self.height, self.lang = width, height, lang
        self.parts: list[str] = []

    def say(self, zh: str, en: str) -> str:
        return zh if self.lang == "zh" else en

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 13,
        colour: str = INK,
        at: str = "middle",
        bold: bool = False,
    ) -> None:
        """Words whose middle line is at `y`; `at`: start, middle or end."""
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{_n(x)}" y="{_n(y + 0.36 * size)}" font-size="{size}" fill="{colour}" text-anchor="{at}"{weight}>'
            f"{escape(words)}</text>"
        )

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        words: str = "",
        *,
        colour: str = BLUE,
        size: float = 13,
        below: str = "",
    ) -> None:
        """A box with words in it, and a smaller line `below` them (a shape, mostly)."""
        self.parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="5" fill="{PALE[colour]}" stroke="{colour}"/>'
        )
        self.text(x + w / 2, y + h / 2 - (8 if below else 0), words, size=size)
        if below:
            self.text(x + w / 2, y + h / 2 + 9, below, size=size - 2.5, colour=GREY)

    def line(self, *points: tuple[float, float], colour: str = INK, width: float = 1.4, dashed: bool = False) -> None:
        way = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>')

    def arrow(self, *points: tuple[float, float], colour: str = INK, width: float = 1.4, dashed: bool = False) -> None:
        """A line through the points with a head at the last one."""
        self.line(*points, colour=colour, width=width, dashed=dashed)
        (x0, y0), (x1, y1) = points[-2:]
        turn, size = math.atan2(y1 - y0, x1 - x0), 5 + 2 * width
        corners = [(x1 - size * math.cos(turn + side), y1 - size * math.sin(turn + side)) for side in (0.42, -0.42)]
        way = " ".join(f"{_n(x)},{_n(y)}" for x, y in [(x1, y1), *corners])
        self.parts.append(f'<polygon points="{way}" fill="{colour}"/>')

    def circle(
        self, x: float, y: float, r: float, *, colour: str = LINE, fill: str = "none", width: float = 1.4
    ) -> None:
        self.parts.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}" fill="{fill}" stroke="{colour}" stroke-width="{width}"/>'
        )

    def plus(self, x: float, y: float) -> None:
        """The sign of an addition, on a line that goes through it."""
        self.circle(x, y, 9, colour=INK, fill="#ffffff")
        self.line((x - 5, y), (x + 5, y))
        self.line((x, y - 5), (x, y + 5))

    def sector(self, x: float, y: float, r: float, begin: float, end: float, *, colour: str) -> None:
        """A filled slice of a circle between two angles in radians (0: right, counter-clockwise); all of it after a turn."""
        if end - begin >= 2 * math.pi:
            self.circle(x, y, r, colour=colour, fill=PALE[colour])
            return
        (x0, y0), (x1, y1) = ((x + r * math.cos(turn), y - r * math.sin(turn)) for turn in (begin, end))
        large = int(end - begin > math.pi)
        self.parts.append(
            f'<path d="M{_n(x)} {_n(y)}L{_n(x0)} {_n(y0)}A{_n(r)} {_n(r)} 0 {large} 0 {_n(x1)} {_n(y1)}z" '
            f'fill="{PALE[colour]}" stroke="{colour}"/>'
        )

    def hand(self, x: float, y: float, r: float, turn: float, *, colour: str = INK, width: float = 2.2) -> None:
        """An arrow of length `r` from (x, y) at an angle in radians (0: right, counter-clockwise)."""
        self.arrow((x, y), (x + r * math.cos(turn), y - r * math.sin(turn)), colour=colour, width=width)

    def cells(self, x: float, y: float, size: float, values: Sequence[Sequence[float]]) -> None:
        """A heat map of numbers from -1 (blue) to 1 (red); equal colours are one path, which keeps the file small."""
        by_colour: dict[str, list[str]] = {}
        for row, numbers in enumerate(values):
            for column, value in enumerate(numbers):
                square = f"M{_n(x + column * size)} {_n(y + row * size)}h{_n(size)}v{_n(size)}h-{_n(size)}z"
                by_colour.setdefault(_shade(round(value * 8) / 8), []).append(square)
        self.parts += [f'<path d="{"".join(squares)}" fill="{colour}"/>' for colour, squares in by_colour.items()]

    def svg(self) -> str:
        size = f'width="{_n(self.width)}" height="{_n(self.height)}" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONTS}">'
        return "\n".join([head, '<rect width="100%" height="100%" fill="#ffffff"/>', *self.parts, "</svg>"]) + "\n"


def _shade(value: float) -> str:
    cold, warm = (33, 102, 172), (178, 24, 43)
    end = warm if value > 0 else cold
    return "#" + "".join(f"{round(247 + (part - 247) * abs(value)):02x}" for part in end)


def _n(number: float) -> str:
    """As few digits as a drawing needs."""
    return f"{number:.1f}".removesuffix(".0")
