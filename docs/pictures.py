"""Draw the pictures of the READMEs from the runs of a finished `fledge quickstart`, once in Chinese and once in English.

    python docs/pictures.py          reads quickstart-pretrain, quickstart-sft and quickstart-tokenizer in ./runs (FLEDGE_RUNS)

Everything is SVG whose letters stay letters: the reader's own fonts draw them, so Chinese needs no font on this machine.
"""

from __future__ import annotations

import io
import logging
import os
import re
import warnings
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from fledge.cli.plots import points
from fledge.cli.tokenizer_view import token_view
from fledge.cli.world import COLOURS, paint
from fledge.display.fonts import vector_settings
from fledge.errors import UserError
from fledge.evaluate.report import TAGS
from fledge.lang import Text as Words
from fledge.records import Run, runs_root, write_atomic
from fledge.tokenizer import Tokenizer
from fledge.world import World
from fledge.world.text import Document, documents

IMAGES = Path(__file__).resolve().parent / "images"
DRAWN = (
    "choice",
    "arithmetic",
    "rare",
    "common",
)  # what a curve is drawn of: pure chance, and three kinds of knowledge
WIDTH = 88
# What rich would fetch from a font server is left out: a README shows no foreign files.
SVG_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "Menlo, Consolas, 'DejaVu Sans Mono', monospace"
)


def main() -> None:
    pretrained, tuned = Run.open("quickstart-pretrain"), Run.open("quickstart-sft")
    report = tuned.info["results"].get("stages", {}).get("pretrain")
    if report is None:
        raise UserError(f"'{tuned.path}' has not been measured: let `fledge quickstart` run to its end.")
    world = World.build(**report["world"])
    folder = runs_root() / "quickstart-tokenizer"
    pictures = {"tokens": draw_terminal("fledge tokenizer show", paint_tokens(Tokenizer.load(folder), world))}
    for lang in ("zh", "en"):
        os.environ["FLEDGE_LANG"] = lang
        pictures[f"world-{lang}"] = draw_terminal("fledge world show", paint_world(world, lang))
        pictures[f"loss-by-kind-{lang}"] = draw_loss(pretrained, report["bits"]["all"]["bpb"])
    IMAGES.mkdir(exist_ok=True)
    for name, svg in pictures.items():
        path = IMAGES / f"{name}.svg"
        write_atomic(path, re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))
        print(f"wrote docs/images/{path.name}, {path.stat().st_size / 1000:.0f} kB")


def draw_loss(run: Run, bpb: float) -> str:
    """Bits per byte of the validation text during pretraining: all of it, and by kind, each beside its floor.

    `bpb`, what the pretrained model was measured at, is written into the file, so that a test can tell a picture of
    another run.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # fonts that are not here are the reader's
    marks = run.info["landmarks"]
    floors = {None: marks["floor"], **marks["floor_by_kind"]}
    names = {None: str(Words("全部文字", "the whole text"))} | {kind: str(TAGS[kind]) for kind in DRAWN}
    with matplotlib.rc_context(vector_settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        axes = figure.subplots()
        for number, (kind, name) in enumerate(names.items()):
            seconds, bits = points(run, "seconds", "val_bits_by_kind" if kind else "val_bpb", kind)
            label = str(Words(f"{name}（下限 {floors[kind]:.2f}）", f"{name} (floor {floors[kind]:.2f})"))
            style: dict[str, Any] = (
                {"color": f"C{number - 1}", "linewidth": 1.5} if kind else {"color": "black", "linewidth": 2.5}
            )
            axes.plot([s / 60 for s in seconds], bits, marker=".", label=label, **style)
            if floors[kind] > 0:
                axes.axhline(floors[kind], color=style["color"], linestyle=":" if kind else "--", linewidth=1)
        axes.set_ylim(0, 4)
        axes.set_xlabel(str(Words("预训练的时间（分钟）", "minutes of pretraining")))
        axes.set_ylabel(str(Words("验证集：每字节多少比特", "validation text: bits per byte")))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right")
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Description": f"bpb {bpb:.6f}"})
    return out.getvalue()


def paint_world(world: World, lang: str) -> Text:
    """Six short documents of different kinds in one language, coloured by kind of knowledge, and what the colours mean."""
    shown: dict[str, Document] = {}
    for document in short_documents(world, lang):
        shown.setdefault(document.kind, document)
    text = Text("\n").join([paint(document) for document in [*shown.values()][:6]])
    legend = [Text(str(TAGS[tag]), style=colour) for tag, colour in COLOURS.items()]
    return Text("\n\n").join([text, Text("   ").join(legend)])


def paint_tokens(tokenizer: Tokenizer, world: World) -> Text:
    """A sentence in each language, token by token."""
    views = [
        token_view(tokenizer, tokenizer.encode(short_documents(world, lang)[0].text), WIDTH) for lang in ("zh", "en")
    ]
    return Text("\n\n").join(views)


def short_documents(world: World, lang: str) -> list[Document]:
    """One-line documents of the first few hundred."""
    limit = WIDTH // 2 if lang == "zh" else WIDTH  # a Chinese character is two columns wide
    return [d for d in documents(world, 400) if d.lang == lang and len(d.text) < limit and "\n" not in d.text]


def draw_terminal(title: str, text: Text) -> str:
    """What a terminal would show, as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text)
    return console.export_svg(title=title, code_format=SVG_FORMAT, unique_id="fledge")


if __name__ == "__main__":
    main()
