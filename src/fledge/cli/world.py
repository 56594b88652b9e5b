"""`fledge world`: look at the small world, measure its entropy floor, write it as training files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fledge.cli.flags import parse, subverb
from fledge.world.facts import Size
from fledge.world.write import Amounts

if TYPE_CHECKING:
    from rich.text import Text

    from fledge.world.text import Document

COLOURS = {
    "name": "cyan", "choice": "green", "common": "bold yellow", "rare": "bold red", "arithmetic": "bold magenta", "state": "blue",
}  # fmt: skip


@dataclass
class StatsFlags:
    """Count the facts and print the entropy floor (bits per byte): no model can do better, in the long run."""

    size: Size = "small"
    """How large the world is."""
    seed: int = 0
    """Which world."""
    documents: int = 5000
    """Documents to measure."""
    json: bool = False
    """Print as JSON."""


@dataclass
class ShowFlags:
    """Print documents in colour: every colour is a kind of knowledge."""

    size: Size = "small"
    """How large the world is."""
    seed: int = 0
    """Which world."""
    index: int = 0
    """The first document."""
    count: int = 10
    """How many."""
    lang: Literal["zh", "en", "both", "all"] = "all"
    """Only documents in this language."""
    kind: str = "all"
    """Only this kind of text (facts, story, talk, …)."""
    split: Literal["train", "validation"] = "train"
    """train or validation."""
    json: bool = False
    """Print as JSON, one document a line, with spans."""


@dataclass
class WriteFlags:
    """Write the world as files: pretraining text with its tags, conversations, preferences, tasks, tool dialogues, probes."""

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Where to write; made when absent."""
    size: Size = "small"
    """How large the world is."""
    seed: int = 0
    """Which world."""
    text_seed: int = 0
    """Other texts about the same world."""
    amounts: Amounts = field(default_factory=Amounts)
    json: bool = False
    """Print the manifest as JSON."""


def main(argv: list[str]) -> int:
    table = {
        "stats": (stats_verb, "facts, sizes, and the entropy floor in bits per byte"),
        "show": (show_verb, "documents in colour, by kind of knowledge"),
        "write": (write_verb, "write the world as training files"),
    }
    return subverb(table, argv, "fledge world")


def stats_verb(argv: list[str]) -> int:
    flags = parse(StatsFlags, argv, "fledge world stats")
    from fledge.world import World
    from fledge.world.stats import stats

    found = stats(World.build(flags.size, flags.seed), num_documents=flags.documents)
    if flags.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    facts = ", ".join(f"{name} {count}" for name, count in found["facts"].items())
    console.print(f"World '{found['size']}', seed {found['seed']}. Facts: {facts}.")
    console.print("Entities: " + ", ".join(f"{kind} {count}" for kind, count in found["entities"].items()) + ".")
    table = Table(title="Entropy floor", title_justify="left")
    for column in ("of", "", "count", "bytes", "share", "bits per byte"):
        table.add_column(column, justify="left" if column in ("of", "") else "right")
    groups = {"all": {"": found["floor"]["total"]}} | {k: v for k, v in found["floor"].items() if k != "total"}
    for group, rows in groups.items():
        for at, (name, row) in enumerate(rows.items()):
            cells = f"{row['count']:,}", f"{row['bytes']:,}", f"{row['share']:.1%}", f"{row['bpb']:.3f}"
            table.add_row("" if at else group, name, *cells, end_section=at == len(rows) - 1)
    console.print(table)
    return 0


def show_verb(argv: list[str]) -> int:
    flags = parse(ShowFlags, argv, "fledge world show")
    from rich.console import Console

    from fledge.errors import UserError, suggest
    from fledge.world import World
    from fledge.world.text import KINDS, document
    from fledge.world.write import tag_row

    if flags.kind not in (*KINDS, "all"):
        options = ", ".join(KINDS)
        raise UserError(f"There is no kind of text '{flags.kind}' (there are {options}).{suggest(flags.kind, KINDS)}")
    world = World.build(flags.size, flags.seed)
    console = Console(highlight=False)
    shown, index = 0, flags.index
    while shown < flags.count:
        found = document(world, index, split=flags.split)
        index += 1
        if flags.lang not in ("all", found.lang) or flags.kind not in ("all", found.kind):
            continue
        shown += 1
        if flags.json:
            print(json.dumps({"index": index - 1, "text": found.text} | tag_row(found), ensure_ascii=False))
            continue
        size = len(found.text.encode("utf-8"))
        console.print(f"{index - 1} · {found.kind} · {found.lang} · {found.bits:.1f} bits in {size} bytes", style="dim")
        console.print(paint(found), soft_wrap=True)
    if not flags.json:
        from rich.text import Text

        console.print(Text("  ").join(Text(tag, style=colour) for tag, colour in COLOURS.items()))
    return 0


def paint(document: Document) -> Text:
    """The text with every span in its tag's colour."""
    from rich.text import Text

    text = Text()
    for span in document.spans:
        text.append(document.text[span.start : span.end], style=COLOURS.get(span.tag, ""))
    return text


def write_verb(argv: list[str]) -> int:
    flags = parse(WriteFlags, argv, "fledge world write")
    from rich.console import Console

    from fledge.errors import UserError
    from fledge.world import World
    from fledge.world.write import MANIFEST, write

    if flags.folder.is_dir() and any(flags.folder.iterdir()) and not (flags.folder / MANIFEST).exists():
        raise UserError(
            f"'{flags.folder}' holds files that are not a world's: name a new folder, so that nothing is lost."
        )
    console = Console(highlight=False, stderr=flags.json)
    world = World.build(flags.size, flags.seed)
    with console.status("writing …") as status:

        def tell(name: str) -> None:
            status.update(f"writing {name}")

        manifest = write(world, flags.folder, flags.amounts, seed=flags.text_seed, tell=tell)
    if flags.json:
        print(json.dumps(manifest, ensure_ascii=False))
        return 0
    for name, file in manifest["files"].items():
        console.print(f"{file['rows']:>9,} rows {file['bytes']:>12,} bytes  {flags.folder / name}")
    for name, found in manifest["floor"].items():
        console.print(f"Entropy floor of {name}: {found['total']['bpb']:.4f} bits per byte.")
    return 0
