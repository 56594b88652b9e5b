"""Code of the engine in the pages of the book, copied by symbol, so that a page cannot show code that is no longer there.

    <!--code fledge.parts.reference.rms_norm-->
    ```python
    def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
        …
    ```
    <!--/code-->

What stands between the two comments is written by `docs/book.py --write`: the function or class without its docstring.
`from "A"` takes the first line that contains A alone; `from "A" to "B"` everything from there to the next line that
contains B.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
CODE = re.compile(
    r'^<!--code (?P<symbol>[\w.]+)(?: from "(?P<first>[^"]+)"(?: to "(?P<last>[^"]+)")?)?-->\n'
    r"(?P<shown>```python\n.*?^```\n)?<!--/code-->$",
    re.DOTALL | re.MULTILINE,
)


def fill(text: str) -> str:
    """`text` with every excerpt as the source has it; KeyError names what is not there."""

    def shown(found: re.Match[str]) -> str:
        marker = found[0].partition("\n")[0]
        return f"{marker}\n```python\n{excerpt(found['symbol'], found['first'], found['last'])}\n```\n<!--/code-->"

    return CODE.sub(shown, text)


def without(text: str) -> str:
    """`text` with nothing but the marker of every excerpt: code that changed makes no translation stale."""
    return CODE.sub(lambda found: found[0].partition("\n")[0], text)


def excerpt(symbol: str, first: str | None = None, last: str | None = None) -> str:
    """The lines of a function, method or class, from the one with `first` to the one with `last`; see above."""
    file, names = _file_of(symbol)
    text = file.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for name in names:
        inside = {child.name: child for child in ast.iter_child_nodes(node) if isinstance(child, _NAMED)}
        if name not in inside:
            raise KeyError(f"there is no {symbol}: {file.name} has no '{name}'")
        node = inside[name]
    assert isinstance(node, _NAMED)
    lines = text.splitlines()
    kept = lines[node.lineno - 1 : node.end_lineno]
    if ast.get_docstring(node, clean=False) is not None:
        doc = node.body[0]
        after = lines[doc.end_lineno : node.end_lineno]
        kept = lines[node.lineno - 1 : doc.lineno - 1] + (after[1:] if after and not after[0].strip() else after)
    if first is not None:
        kept = _between(kept, first, last or first, symbol)
    return textwrap.dedent("\n".join(kept)).strip("\n")


_NAMED = (ast.FunctionDef, ast.ClassDef)


def _between(lines: list[str], first: str, last: str, symbol: str) -> list[str]:
    begin = next((at for at, line in enumerate(lines) if first in line), None)
    end = None if begin is None else next((at for at in range(begin, len(lines)) if last in lines[at]), None)
    if begin is None or end is None:
        raise KeyError(f'{symbol} has no line with "{first if begin is None else last}"')
    return lines[begin : end + 1]


def _file_of(symbol: str) -> tuple[Path, list[str]]:
    """The module that a dotted name begins with, and the names inside of it."""
    parts = symbol.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        path = SOURCE.joinpath(*parts[:cut])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file, parts[cut:]
    raise KeyError(f"there is no module for {symbol}")
