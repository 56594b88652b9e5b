"""Tables and progress bars on a terminal, alike everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.progress import Progress, ProgressColumn
from rich.table import Table


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str] | None], *, title: str = "", words: Iterable[int] = (0,)
) -> Table:
    """A table to print: a row is a cell for every head, None the end of a section. What is too wide is folded, never cut.

    `words`: the columns that stand on the left; the others hold numbers and stand on the right.
    """
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    made.title, made.title_justify = title or None, "left"
    left = set(words)
    for number, head in enumerate(heads):
        made.add_column(head, justify="left" if number in left else "right", overflow="fold")
    for row in rows:
        if row is None:
            made.add_section()
        else:
            made.add_row(*row)
    return made


def uncut() -> Console:
    """Where text stands as it is, without markup; a pipe has no width, and nothing is folded there."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000
    return console


def progress(*columns: str | ProgressColumn, console: Console | None = None) -> Progress:
    """rich's progress on stderr or another console, gone when it is over; it shows nothing where no terminal is."""
    console = console or Console(stderr=True)
    show = console.is_terminal
    return Progress(*columns, console=console, transient=True, refresh_per_second=4, disable=not show)


@contextlib.contextmanager
def bar(title: str, total: float = 1.0) -> Iterator[Callable[[float], None]]:
    """A bar on stderr; the function that it gives takes how much more of `total` was done."""
    with progress(*Progress.get_default_columns()) as shown:
        task = shown.add_task(title, total=total)
        yield lambda done: shown.advance(task, done)
