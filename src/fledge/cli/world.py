"""`fledge world`: look at the small world, measure its entropy floor, write it as training files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fledge.cli.flags import parse, subverb
from fledge.lang import Text, say
from fledge.world.facts import Size
from fledge.world.write import Amounts

if TYPE_CHECKING:
    from rich.text import Text as RichText

    from fledge.world.text import Document

COLOURS = {
    "name": "cyan", "choice": "green", "common": "bold yellow", "rare": "bold red", "arithmetic": "bold magenta", "state": "blue",
}  # fmt: skip
GROUPS = {
    "all": ("全部", "all"), "languages": ("语言", "languages"), "kinds": ("文体", "kinds"),
    "tags": ("知识的种类", "tags"),
}  # fmt: skip
TAGS = {
    "template": ("句式", "template"), "choice": ("随意的选词", "free choice"), "name": ("名字", "name"),
    "common": ("常见的事实", "common fact"), "rare": ("少见的事实", "rare fact"),
    "arithmetic": ("算术", "arithmetic"), "state": ("前文的内容", "carried state"),
}  # fmt: skip
FACTS = {
    "total": ("总数", "total"), "rare": ("少见", "rare"), "never asked": ("从不被问", "never asked"),
    "in one language": ("只用一种语言写", "in one language"), "news": ("新闻", "news"),
    "most to least told": ("讲得最多与最少之比", "most to least told"),
}  # fmt: skip
ENTITIES = {
    "animal": ("动物", "animal"), "colour": ("颜色", "colour"), "diet": ("吃的东西", "diet"),
    "food": ("食物", "food"), "habitat": ("栖息地", "habitat"), "job": ("职业", "job"),
    "month": ("月份", "month"), "person": ("人", "person"), "place": ("地方", "place"),
    "sight": ("名胜", "sight"),
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
            Text("事实、大小，以及熵下限（比特/字节）", "facts, sizes, and the entropy floor in bits per byte"),
        ),
        "show": (show_verb, Text("按知识的种类上色的文本", "documents in colour, by kind of knowledge")),
        "write": (write_verb, Text("把世界写成训练用的数据文件", "write the world as training files")),
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
    facts = say("，", ", ").join(f"{say(*FACTS[name])} {count}" for name, count in found["facts"].items())
    entities = say("，", ", ").join(f"{say(*ENTITIES[name])} {count}" for name, count in found["entities"].items())
    seed = found["seed"]
    console.print(
        say(
            f"世界 '{found['size']}'，种子 {seed}。事实：{facts}。",
            f"World '{found['size']}', seed {seed}. Facts: {facts}.",
        )
    )
    console.print(say(f"事物：{entities}。", f"Entities: {entities}."))
    table = Table(title=say("熵下限", "Entropy floor"), title_justify="left")
    table.add_column(say("属于", "of"))
    table.add_column("")
    for column in (say("个数", "count"), say("字节", "bytes"), say("占比", "share"), say("比特/字节", "bits per byte")):
        table.add_column(column, justify="right")
    groups = {"all": {"": found["floor"]["total"]}} | {k: v for k, v in found["floor"].items() if k != "total"}
    for group, rows in groups.items():
        for at, (name, row) in enumerate(rows.items()):
            cells = f"{row['count']:,}", f"{row['bytes']:,}", f"{row['share']:.1%}", f"{row['bpb']:.3f}"
            shown = say(*TAGS[name]) if group == "tags" else name  # the others are values of --lang and --kind
            table.add_row("" if at else say(*GROUPS[group]), shown, *cells, end_section=at == len(rows) - 1)
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
        options = say("、", ", ").join(KINDS)
        near = suggest(flags.kind, KINDS)
        raise UserError(
            say(
                f"没有 '{flags.kind}' 这种文体（有 {options}）。{near}",
                f"There is no kind of text '{flags.kind}' (there are {options}).{near}",
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
        bits = say(f"{found.bits:.1f} 比特，{size} 字节", f"{found.bits:.1f} bits in {size} bytes")
        console.print(f"{index - 1} · {found.kind} · {found.lang} · {bits}", style="dim")
        console.print(paint(found), soft_wrap=True)
    if not flags.json:
        from rich.text import Text as RichText

        legend = (RichText(say(*TAGS[tag]), style=colour) for tag, colour in COLOURS.items())
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
            say(
                f"'{flags.folder}' 里有别的文件，不是世界写出来的：请换一个新文件夹，免得丢东西。",
                f"'{flags.folder}' holds files that are not a world's: name a new folder, so that nothing is lost.",
            )
        )
    console = Console(highlight=False, stderr=flags.json)
    world = World.build(flags.size, flags.seed)
    with console.status(say("正在写 …", "writing …")) as status:

        def tell(name: str) -> None:
            status.update(say(f"正在写 {name}", f"writing {name}"))

        manifest = write(world, flags.folder, flags.amounts, seed=flags.text_seed, tell=tell)
    if flags.json:
        print(json.dumps(manifest, ensure_ascii=False))
        return 0
    for name, file in manifest["files"].items():
        rows, size = f"{file['rows']:>9,}", f"{file['bytes']:>12,}"
        console.print(say(f"{rows} 行 {size} 字节", f"{rows} rows {size} bytes") + f"  {flags.folder / name}")
    for name, found in manifest["floor"].items():
        bpb = f"{found['total']['bpb']:.4f}"
        console.print(say(f"{name} 的熵下限：每字节 {bpb} 比特。", f"Entropy floor of {name}: {bpb} bits per byte."))
    return 0
