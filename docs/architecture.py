"""The picture of docs/ARCHITECTURE.md: the six floors of the code, and what stands on them.

python docs/architecture.py          draws docs/images/architecture-{en,zh}.svg
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fledge.course.book import load_file

HERE = Path(__file__).resolve().parent
sketch: Any = load_file(HERE / "sketch.py", "docs_sketch")
BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED = (
    getattr(sketch, name) for name in ("BLUE", "GREEN", "GREY", "INK", "ORANGE", "PURPLE", "RED")
)

# Floor by floor from the top: (name, colour, {package: what it is}).
FLOORS: list[tuple[tuple[str, str], str, dict[str, tuple[str, str]]]] = [
    (
        ("门", "doors"),
        BLUE,
        {
            "cli": ("一个命令一个文件", "a verb, a file"),
            "interop": ("别家的格式和命令", "HF, MiniMind"),
        },
    ),
    (("公开的调用", "public calls"), PURPLE, {"api": ("load、train、plan", "load, train, plan")}),
    (
        ("做什么", "what is done"),
        ORANGE,
        {
            "jobs": ("一种训练一个文件", "a way to train, a file"),
            "evaluate": ("模型知道什么", "what a model knows"),
            "synth": ("让模型写数据", "a model writes data"),
            "recipes": ("任务的配方", "tasks, ready-made"),
        },
    ),
    (
        ("怎么做", "how it is done"),
        GREEN,
        {
            "training": ("唯一的训练循环", "the one loop"),
            "data": ("从文件到批次", "files to batches"),
            "planning": ("事先算内存和时间", "memory, time before"),
            "diagnose": ("这次训练正常吗", "is a run normal?"),
            "generate": ("写出文字", "writes text"),
            "rewards": ("给回答打分", "what answers are worth"),
            "rollout": ("从自己的回答里学", "learns from its answers"),
        },
    ),
    (
        ("用什么做", "what it is made of"),
        RED,
        {
            "model": ("Transformer", "the Transformer"),
            "adapt": ("LoRA，四位底座", "LoRA, four bits"),
            "tokenizer": ("文字和数字", "text and numbers"),
            "parts": ("可以换成你写的", "yours or ours"),
            "endpoint": ("在线模型和评审", "served models, judge"),
            "lab": ("对照实验", "experiments"),
            "course": ("练习、判题、进度", "exercises, grading"),
        },
    ),
    (
        ("地基", "ground"),
        GREY,
        {
            "world": ("完全已知的小世界", "a small known world"),
            "records": ("训练的记录", "what a run leaves"),
            "device": ("这台机器", "this machine"),
            "display": ("表格、进度条、字体", "tables, bars, fonts"),
            "lang": ("两种语言", "two languages"),
            "locale": ("中文的句子", "the Chinese"),
            "errors": ("用户的错", "users' mistakes"),
            "proofs": ("没变就不重证", "proven once"),
        },
    ),
]
COLUMNS, LEFT, WIDTH, GAP, HEIGHT = 6, 150, 122, 10, 48


def draw(lang: str) -> Any:
    """Floors from the top, the book beside them, and the one direction of imports."""
    rows = [-(-len(packages) // COLUMNS) for _, _, packages in FLOORS]
    right = LEFT + COLUMNS * (WIDTH + GAP)
    total = 40 + sum(rows) * (HEIGHT + GAP) + len(FLOORS) * 22
    s = sketch.Sketch(right + 170, total + 20, lang)
    tops, y = [], 40
    for number, ((name, colour, packages), lines) in enumerate(zip(FLOORS, rows)):
        height = lines * (HEIGHT + GAP) + 12
        tops.append(y)
        s.box(20, y, right - 20, height, colour=GREY)
        s.text(32, y + height / 2 - 9, s.say(f"{6 - number} 层", f"floor {6 - number}"), at="start", bold=True)
        s.text(32, y + height / 2 + 10, s.say(*name), at="start", size=12, colour=colour)
        for place, (package, about) in enumerate(packages.items()):
            row, column = divmod(place, COLUMNS)
            x = LEFT + column * (WIDTH + GAP)
            s.box(x, y + 10 + row * (HEIGHT + GAP), WIDTH, HEIGHT - 2, package, colour=colour, below=s.say(*about))
        y += height + 10
    x, top, foot = right + 30, tops[2], tops[4] + HEIGHT + 22
    s.box(x, top, 120, foot - top, colour=BLUE)
    lines = (
        "modules/",
        s.say("课本", "the book"),
        s.say("课文、实验、", "lessons, labs,"),
        s.say("练习、测验", "exercises, quizzes"),
    )
    for line, words in enumerate(lines):
        s.text(x + 60, top + 70 + 24 * line, words, bold=line == 0, size=13 if line < 2 else 12)
    s.arrow((x, foot - 35), (right + 2, foot - 35))
    s.text(x + 60, foot - 35, s.say("站在 lab、course 上", "on lab and course"), size=11, colour=GREY)
    s.arrow((10, 46), (10, y - 16), colour=INK, width=2)
    s.text(20, 20, s.say("import 只往下走", "imports go down only"), at="start", bold=True)
    return s


def pictures() -> dict[Path, str]:
    """{file: SVG} in both languages."""
    return {HERE / "images" / f"architecture-{lang}.svg": draw(lang).svg() for lang in ("en", "zh")}


if __name__ == "__main__":
    from fledge.records import write_atomic

    for path, svg in pictures().items():
        write_atomic(path, svg)
        print(f"wrote docs/images/{path.name}")
