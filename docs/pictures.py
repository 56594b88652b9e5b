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
from fledge.errors import UserError
from fledge.evaluate.report import TAGS
from fledge.lang import say
from fledge.records import Run, runs_root, write_atomic
from fledge.tokenizer import Tokenizer
from fledge.world import World
from fledge.world.text import Document, documents

IMAGES = Path(__file__).resolve().parent / "images"
DRAWN = ("choice", "arithmetic", "rare", "common")  # what a curve is drawn of: pure chance, and three kinds of knowledge
FONTS = ("DejaVu Sans", "Arial", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC")
SENTENCE = {
    "zh": "小雨住在红岩镇,她家有一只猫。Hello!",
    "en": "Lucy lives in Seaport and has a hamster. 你好!",
}
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
    tokenizer = Tokenizer.load(runs_root() / "quickstart-tokenizer")
    IMAGES.mkdir(exist_ok=True)
    for lang in ("zh", "en"):
        os.environ["FLEDGE_LANG"] = lang
        pictures = {
            "loss-by-kind": draw_loss(pretrained, report),
            "world": draw_lines(paint_world(world, lang), say("世界里的几篇短文", "Texts of the world")),
            "tokens": draw_lines(
                token_view(tokenizer, tokenizer.encode(SENTENCE[lang]), 96), say("分词器看到的一句话", "A text as tokens")
            ),
        }
        for name, svg in pictures.items():
            path = IMAGES / f"{name}-{lang}.svg"
            write_atomic(path, re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE))
            print(f"wrote docs/images/{path.name}, {path.stat().st_size / 1000:.0f} kB")


def draw_loss(run: Run, report: dict[str, Any]) -> str:
    """Bits per byte of the validation text during pretraining: all of it, and by kind, each beside its floor.

    `report` is what was measured at the end: its floors are drawn, and its number is written into the file, so that a
    test can tell a picture of another run.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # fonts that are not here are the reader's
    settings = {
        "font.family": list(FONTS),
        "svg.fonttype": "none",
        "svg.hashsalt": "fledge",
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        axes = figure.subplots()
        lines = [(None, say("全部文字", "the whole text"), report["bits"]["all"]["floor"], "black")]
        lines += [(kind, say(*TAGS[kind]), report["bits_by_tag"][kind]["floor"], f"C{at}") for at, kind in enumerate(DRAWN)]
        for kind, label, floor, colour in lines:
            seconds, bits = points(run, "seconds", "val_bits_by_kind" if kind else "val_bpb", kind)
            label = say(f"{label}(下限 {floor:.2f})", f"{label} (floor {floor:.2f})")
            axes.plot([s / 60 for s in seconds], bits, color=colour, marker=".", lw=1.5 if kind else 2.5, label=label)
            if floor > 0:
                axes.axhline(floor, color=colour, linestyle=":" if kind else "--", linewidth=1)
        axes.set_ylim(0, 4)
        axes.set_xlabel(say("预训练的时间(分钟)", "minutes of pretraining"))
        axes.set_ylabel(say("验证集:每字节多少比特", "validation text: bits per byte"))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Description": f"bpb {report['bits']['all']['bpb']:.6f}"})
    return out.getvalue()


def paint_world(world: World, lang: str) -> Text:
    """Six short documents in one language, coloured by kind of knowledge, and what the colours mean."""
    found: list[Document] = []
    for document in documents(world, 400):
        fresh = document.kind not in [other.kind for other in found]
        if document.lang == lang and fresh and len(document.text) < (90 if lang == "zh" else 190) and len(found) < 6:
            found.append(document)
    text = Text("\n").join([paint(document) for document in found])
    legend = [Text(say(*TAGS[tag]), style=colour) for tag, colour in COLOURS.items()]
    return Text("\n\n").join([text, Text("   ").join(legend)])


def draw_lines(text: Text, title: str) -> str:
    """What a terminal would show, as SVG."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text)
    return console.export_svg(title=title, code_format=SVG_FORMAT, unique_id="fledge")


if __name__ == "__main__":
    main()
