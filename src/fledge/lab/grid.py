"""Tables for a terminal of 80 columns: heads are wrapped, numbers never; what is too wide becomes several tables."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

WIDTH = 80  # columns of the narrowest terminal that a table must fit
LABEL = 30  # columns that the names of the rows may take
GAP = 2
CLOSING = "，。；：、！？）》”%…"  # what may not begin a line


@dataclass(frozen=True)
class Grid:
    """Heads and rows, the first of each the name of the row. `pieces` of them stand one below the other."""

    head: list[str]
    rows: list[list[str]]
    width: int = WIDTH

    def lines(self) -> list[str]:
        label, groups = self._groups()
        lines: list[str] = []
        for group in groups:
            lines += [""] * bool(lines)
            wides = [label, *(wide for _, wide in group)]
            shown = [self.head[0], *(self.head[at] for at, _ in group)]
            heads = [wrapped(text, wide) for text, wide in zip(shown, wides)]
            deepest = max(map(len, heads))
            lines += _lines([[""] * (deepest - len(made)) + made for made in heads], wides)  # heads sit at the bottom
            for row in self.rows:
                lines += _lines([wrapped(row[0], label), *([row[at]] for at, _ in group)], wides)
        return lines

    def pieces(self) -> int:
        return len(self._packed(self.width)[1])

    def _groups(self) -> tuple[int, list[list[tuple[int, int]]]]:
        """As `_packed`, with the columns spread evenly over as few pieces as there must be."""
        narrow = next(width for width in range(self.width + 1) if len(self._packed(width)[1]) == self.pieces())
        return self._packed(narrow)

    def _packed(self, width: int) -> tuple[int, list[list[tuple[int, int]]]]:
        """Columns of the row names, and the other columns as groups of (number, width) that fit beside them."""
        label = min(max(cell_len(row[0]) for row in [self.head, *self.rows]), LABEL)
        groups: list[list[tuple[int, int]]] = [[]]
        used = label
        for at in range(1, len(self.head)):
            wide = max([_narrowest(self.head[at]), *(cell_len(row[at]) for row in self.rows)])
            if groups[-1] and used + GAP + wide > width:
                groups.append([])
                used = label
            groups[-1].append((at, wide))
            used += GAP + wide
        return label, groups


def wrap(text: str, *, indent: int = 0, first: int = 0) -> str:
    """`text` in lines of at most 80 columns: the first lacks `first` columns at its left, the others are indented."""
    lines = wrapped(" " * (first - indent) + " ".join(text.split()), WIDTH - indent)
    return f"\n{' ' * indent}".join([lines[0].lstrip(), *lines[1:]])


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, cut between words, and in Chinese between characters."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line.strip() and cell_len(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()]


def _lines(cells: list[list[str]], wides: list[int]) -> list[str]:
    """One row of a table: the first cell stands on the left, the others on the right."""
    made = []
    for at in range(max(map(len, cells))):
        parts = [cell[at] if at < len(cell) else "" for cell in cells]
        spaces = [" " * (wide - cell_len(part)) for part, wide in zip(parts, wides)]
        padded = [
            part + space if number == 0 else space + part for number, (part, space) in enumerate(zip(parts, spaces))
        ]
        made.append((" " * GAP).join(padded).rstrip())
    return made


def _narrowest(text: str) -> int:
    """Columns that a head needs: its longest piece, and no more than three lines."""
    longest = max((cell_len(piece.strip()) for piece in _pieces(text)), default=0)
    return max(longest, -(-cell_len(text) // 3) + 2 if cell_len(text) > 12 else cell_len(text))


def _pieces(text: str) -> list[str]:
    """What may not be cut: a word with the space before it, a Chinese character with the stop behind it."""
    pieces: list[str] = []
    for character in text:
        wide = cell_len(character) > 1 and character not in CLOSING
        after_wide = bool(pieces) and cell_len(pieces[-1][-1]) > 1 and character not in CLOSING
        if not pieces or character == " " or wide or after_wide:
            pieces.append(character)
        else:
            pieces[-1] += character
    return pieces
