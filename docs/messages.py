"""The program's sentences in Chinese: collected from the code, kept in a catalogue, compiled.

    python docs/messages.py            after a change to a sentence: update and compile the catalogue, name what is left to do
    python docs/messages.py --check    change nothing; exit code 1 when something is left to do (the tests ask the same)

English stands in the code (see `fledge.lang`), Chinese in src/fledge/locale/zh/LC_MESSAGES/fledge.po. A new sentence
appears there with an empty `msgstr`; a changed one is marked `fuzzy` with the old Chinese: write it, take the mark away,
and run this again. The compiled fledge.mo is committed too, so that nobody needs Babel to run the program.
"""

from __future__ import annotations

import io
import string
import sys
from collections.abc import Mapping
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

SOURCE = Path(__file__).resolve().parent.parent / "src" / "fledge"
CATALOGUE = SOURCE / "locale" / "zh" / "LC_MESSAGES" / "fledge.po"
KEYWORDS = {"_": None, "N_": None, "both": (1,), "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}

Key = tuple[str | None, str]  # context, English


class Chinese(Catalog):
    """A catalogue whose header names no date and no version: a file changes only when a sentence does."""

    def __init__(self, source: Catalog | None = None) -> None:
        super().__init__(locale="zh", fuzzy=False, header_comment="# Fledge's sentences in Chinese.")
        for message in source or ():
            if message.id:
                self[message.id] = message

    @property
    def mime_headers(self) -> list[tuple[str, str]]:  # type: ignore[override]
        return [
            ("Language", "zh"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", "nplurals=1; plural=0;"),
        ]


def extract(source: Path = SOURCE) -> Chinese:
    """Every message that the code marks, untranslated, with the files it stands in."""
    found = Chinese()
    rows = extract_from_dir(source, method_map=[("**.py", "python")], keywords=KEYWORDS, comment_tags=("zh:",))
    for file, line, message, comments, context in rows:
        found.add(message, None, [(Path(file).as_posix(), line)], auto_comments=comments, context=context)
    return found


def read(file: Path = CATALOGUE) -> Chinese:
    """The catalogue as it stands; an empty one when there is no file yet."""
    if not file.is_file():
        return Chinese()
    with file.open("rb") as stream:
        return Chinese(read_po(stream, locale="zh"))


def update(old: Catalog, found: Catalog, chinese: Mapping[Key, str] | None = None) -> Chinese:
    """The messages that are found with their translations of old; `chinese` translates what has none yet."""
    old.update(found)
    for message in old:
        words = (chinese or {}).get(key_of(message))
        if message.id and words and (message.fuzzy or not any(translations(message))):
            message.string = (words,) if message.pluralizable else words
            message.flags.discard("fuzzy")
    return Chinese(old)


def key_of(message: Message) -> Key:
    return message.context, message.id[0] if message.pluralizable else message.id


def translations(message: Message) -> tuple[str, ...]:
    return tuple(message.string) if isinstance(message.string, (tuple, list)) else (message.string,)


def problems(catalogue: Catalog, found: Catalog) -> list[str]:
    """What is left to do, one line each."""
    wanted = {key_of(message) for message in found if message.id}
    have = {key_of(message): message for message in catalogue if message.id}
    said = [f"not in the catalogue: {key[1]!r}" for key in wanted - have.keys()]
    for key, message in have.items():
        if key not in wanted:
            said.append(f"no longer in the code: {key[1]!r}")
        elif message.fuzzy:
            said.append(f"fuzzy (the English changed): {key[1]!r}")
        elif not all(translations(message)):
            said.append(f"not translated: {key[1]!r}")
        else:
            english = fields(message.id[-1] if message.pluralizable else message.id)
            said += [
                f"other {{fields}} in Chinese: {key[1]!r}"
                for words in translations(message)
                if fields(words) != english
            ]
    return said


def fields(text: str) -> set[str]:
    """The names in braces, those of a format (`{x:>{width}}`) among them."""
    try:
        parts = [(name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None]
    except ValueError:  # a brace alone: no sentence for `format`
        return set()
    return {name for name, _ in parts}.union(*(fields(form or "") for _, form in parts))


def po(catalogue: Catalog) -> bytes:
    """The text of the .po file, in the order of the code's files, without line numbers."""
    stream = io.BytesIO()
    write_po(stream, catalogue, width=120, include_lineno=False, sort_by_file=True, ignore_obsolete=True)
    return stream.getvalue()


def mo(catalogue: Catalog) -> bytes:
    """The bytes of the .mo file."""
    stream = io.BytesIO()
    write_mo(stream, catalogue)
    return stream.getvalue()


def save(catalogue: Catalog, file: Path = CATALOGUE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(po(catalogue))
    file.with_suffix(".mo").write_bytes(mo(catalogue))


def main(argv: list[str]) -> int:
    found = extract()
    if argv == ["--check"]:
        left = problems(read(), found)
    else:
        catalogue = update(read(), found)
        save(catalogue)
        left = problems(catalogue, found)
    print("\n".join([*left, f"{len(found)} messages, {len(left)} left to do"]))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
