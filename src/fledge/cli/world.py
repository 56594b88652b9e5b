"""`fledge world`: look at the small world, measure its entropy floor, write it as training files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fledge.cli.flags import parse, subverb
from fledge.lang import N_, _, both, commas
from fledge.world.facts import Size
from fledge.world.write import Amounts

if TYPE_CHECKING:
    from rich.text import Text as RichText

    from fledge.world.text import Document

COLOURS = {
    "name": "cyan", "choice": "green", "common": "bold yellow", "rare": "bold red", "arithmetic": "bold magenta", "state": "blue",
}  # fmt: skip
GROUPS = {
    "all": N_("all"), "languages": N_("languages"), "kinds": N_("kinds"),
    "tags": N_("tags"),
}  # fmt: skip
TAGS = {
    "template": N_("template"), "choice": N_("free choice"), "name": N_("name"),
    "common": N_("common fact"), "rare": N_("rare fact"),
    "arithmetic": N_("arithmetic"), "state": N_("carried state"),
}  # fmt: skip
FACTS = {
    "total": N_("total"), "rare": N_("rare"), "never asked": N_("never asked"),
    "in one language": N_("in one language"), "news": N_("news"),
    "most to least told": N_("most to least told"),
}  # fmt: skip
ENTITIES = {
    "animal": N_("animal"), "colour": N_("colour"), "diet": N_("diet"),
    "food": N_("food"), "habitat": N_("habitat"), "job": N_("job"),
    "month": N_("month"), "person": N_("person"), "place": N_("place"),
    "sight": N_("sight"),
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
        "stats": (
            stats_verb,
            both("facts, sizes, and the entropy floor in bits per byte"),
        ),
        "show": (show_verb, both("documents in colour, by kind of knowledge")),
        "write": (write_verb, both("write the world as training files")),
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

    from fledge.display.terminal import table

    console = Console(highlight=False)
    facts = commas(f"{FACTS[name]} {count}" for name, count in found["facts"].items())
    entities = commas(f"{ENTITIES[name]} {count}" for name, count in found["entities"].items())
    seed = found["seed"]
    console.print(_("World '{size}', seed {seed}. Facts: {facts}.").format(size=found["size"], seed=seed, facts=facts))
    console.print(_("Entities: {entities}.").format(entities=entities))
    lines: list[tuple[str, ...] | None] = []
    groups = {"all": {"": found["floor"]["total"]}} | {k: v for k, v in found["floor"].items() if k != "total"}
    for group, rows in groups.items():
        for at, (name, row) in enumerate(rows.items()):
            cells = f"{row['count']:,}", f"{row['bytes']:,}", f"{row['share']:.1%}", f"{row['bpb']:.3f}"
            shown = str(TAGS[name]) if group == "tags" else name  # the others are values of --lang and --kind
            lines.append(("" if at else str(GROUPS[group]), shown, *cells))
        lines.append(None)
    heads = (_("of"), "", _("count"), _("bytes"), _("share"), _("bits per byte"))
    console.print("", table(heads, lines, title=_("Entropy floor"), words=(0, 1)), sep="\n")
    return 0


def show_verb(argv: list[str]) -> int:
    flags = parse(ShowFlags, argv, "fledge world show")
    from rich.console import Console

    from fledge.errors import UserError, suggest
    from fledge.world import World
    from fledge.world.text import KINDS, document
    from fledge.world.write import tag_row

    if flags.kind not in (*KINDS, "all"):
        options = commas(KINDS)
        near = suggest(flags.kind, KINDS)
        raise UserError(
            _("There is no kind of text '{kind}' (there are {options}).{near}").format(
                kind=flags.kind, options=options, near=near
            )
        )
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
        bits = _("{bits:.1f} bits in {size} bytes").format(bits=found.bits, size=size)
        console.print(f"{index - 1} · {found.kind} · {found.lang} · {bits}", style="dim")
        console.print(paint(found), soft_wrap=True)
    if not flags.json:
        from rich.text import Text as RichText

        legend = (RichText(str(TAGS[tag]), style=colour) for tag, colour in COLOURS.items())
        console.print(RichText("  ").join(legend))
    return 0


def paint(document: Document) -> RichText:
    """The text with every span in its tag's colour."""
    from rich.text import Text as RichText

    text = RichText()
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
            _("'{folder}' holds files that are not a world's: name a new folder, so that nothing is lost.").format(
                folder=flags.folder
            )
        )
    console = Console(highlight=False, stderr=flags.json)
    world = World.build(flags.size, flags.seed)
    with console.status(_("writing …")) as status:

        def tell(name: str) -> None:
            status.update(_("writing {name}").format(name=name))

        manifest = write(world, flags.folder, flags.amounts, seed=flags.text_seed, tell=tell)
    if flags.json:
        print(json.dumps(manifest, ensure_ascii=False))
        return 0
    for name, file in manifest["files"].items():
        rows, size = f"{file['rows']:>9,}", f"{file['bytes']:>12,}"
        console.print(_("{rows} rows {size} bytes").format(rows=rows, size=size) + f"  {flags.folder / name}")
    for name, found in manifest["floor"].items():
        bpb = f"{found['total']['bpb']:.4f}"
        console.print(_("Entropy floor of {name}: {bpb} bits per byte.").format(name=name, bpb=bpb))
    return 0
