"""The pages of a topic for a terminal: Markdown without the markers that other programs need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from fledge.course.book import Topic
from fledge.course.formula import plain
from fledge.errors import UserError, suggest
from fledge.lang import _, commas, language

PAGES = ("README", "teaching", "code_guide")
ZH_CHARACTERS_A_MINUTE = 300
EN_WORDS_A_MINUTE = 200  # adults read non-fiction at 238 on average (Brysbaert, 2019); a lesson is slower
WIDTH = 100  # columns of a page on a wide terminal: longer lines are hard to follow

CODE = re.compile(r"(^```.*?^```[ \t]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)  # what must stay as it is written
MARKER_LINE = re.compile(r"^[ \t]*<!--(?:(?!-->).)*-->[ \t]*\n", re.DOTALL | re.MULTILINE)
MARKER = re.compile(r"<!--.*?-->", re.DOTALL)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
LINK = re.compile(r"\[([^\]]+)\]\([^)\s]+\)")


def has_pages(topic: Topic) -> bool:
    return (topic.path / "README.md").is_file()


def find_page(topic: Topic, word: str, lang: str | None = None) -> Path:
    """The file of a page in a language (default: the learner's), the Chinese one where there is no other."""
    name = {page.lower(): page for page in PAGES}.get(word.lower().removesuffix(".md"))
    if name is None:
        raise UserError(
            _("there is no page '{word}'; the pages are: {pages}.").format(word=word, pages=commas(PAGES))
            + suggest(word, PAGES)
        )
    ending = ".md" if (lang or language()) == "zh" else ".en.md"
    for file in (topic.path / f"{name}{ending}", topic.path / f"{name}.md"):
        if file.is_file():
            return file
    raise UserError(_("{topic} has no page {name} yet.").format(topic=topic.name, name=name))


def topic_title(topic: Topic, lang: str | None = None) -> str:
    """The heading of the topic's README; its folder's name while there is none."""
    try:
        text = find_page(topic, "README", lang).read_text(encoding="utf-8")
    except (UserError, OSError):
        return topic.name
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return heading[1].strip() if heading else topic.name


def page_text(file: Path) -> str:
    """The page as Markdown that a terminal can show: numbers without their markers, formulas as code, pictures as paths."""
    text = MARKER_LINE.sub("", file.read_text(encoding="utf-8"))

    def prose(part: str) -> str:
        part = MARKER.sub("", part)
        part = PICTURE.sub(lambda found: _picture(found, file), part)
        part = re.sub(r"</?(details|summary|br|p|div|sub|sup)\b[^>]*>", "", part)
        part = re.sub(r"\$\$(.+?)\$\$", lambda found: f"\n```text\n{plain(found[1])}\n```\n", part, flags=re.DOTALL)
        return re.sub(r"\$([^$\n]+)\$", lambda found: f"`{plain(found[1])}`", part)

    return re.sub(r"\n{3,}", "\n\n", _outside_code(text, prose)).strip() + "\n"


def show(text: str, *, pager: bool = True) -> None:
    """Show a page: laid out on a terminal, with `less` where there is one; as plain Markdown into a pipe."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        print(text, end="")
        return
    page = _laid_out(text)
    width = min(console.width, WIDTH)
    less = shutil.which("less") if pager and sys.stdin.isatty() else None
    if less is None:
        console.print(page, width=width)
        return
    with console.capture() as laid_out:
        console.print(page, width=width)
    # -R shows colours, -F leaves at once when the page fits the screen, -X leaves the page on it.
    settings = {**os.environ, "LESSCHARSET": "utf-8"}
    subprocess.run([less, "-RFX"], input=laid_out.get().encode(), env=settings, check=False)


def _laid_out(text: str) -> Any:
    """The page for rich; in its tables a Chinese sentence, which has no spaces, is folded and not cut."""
    from rich.markdown import Markdown, TableElement
    from rich.table import Table

    class Folded(TableElement):
        def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
            for made in super().__rich_console__(console, options):
                if isinstance(made, Table):
                    for column in made.columns:
                        column.overflow = "fold"
                yield made

    class Page(Markdown):
        elements: ClassVar = {**Markdown.elements, "table_open": Folded}

    return Page(text, code_theme="ansi_dark", hyperlinks=False)


def reading_minutes(file: Path) -> float:
    """Minutes for a first reading, code included: 300 Chinese characters and 200 other words or numbers a minute."""
    text = LINK.sub(r"\1", PICTURE.sub(r"\1", MARKER.sub("", file.read_text(encoding="utf-8"))))
    characters = len(re.findall(r"[\u3400-\u9fff\uf900-\ufaff]", text))
    words = len(re.findall(r"[^\W_\u3400-\u9fff\uf900-\ufaff]+", text))
    return characters / ZH_CHARACTERS_A_MINUTE + words / EN_WORDS_A_MINUTE


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """`text` with everything changed but fenced and inline code."""
    return "".join(part if number % 2 else change(part) for number, part in enumerate(CODE.split(text)))


def _picture(found: re.Match[str], file: Path) -> str:
    """Where the picture lies, as short as it can be typed from here."""
    where = found[2]
    if "://" not in where:
        path = (file.parent / where).absolute()
        where = (path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path).as_posix()
    return _("(figure: {name}, {where})").format(name=found[1], where=where)
