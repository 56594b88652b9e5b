"""The schematic drawings of the book, made by programs: `docs/book.py --write` puts them beside the pages that show them.

Numbers in them are those that the lessons work out by hand, and are worked out here again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fledge.course.book import load_file, topics

sketch: Any = load_file(Path(__file__).resolve().parent / "sketch.py", "docs_sketch")
Sketch = sketch.Sketch
BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED = (
    getattr(sketch, name) for name in ("BLUE", "GREEN", "GREY", "INK", "ORANGE", "PURPLE", "RED")
)


def all_drawings() -> dict[Path, str]:
    """{file: SVG} of every drawing in both languages."""
    folders = {topic.name: topic.path for topic in topics()}
    return {
        folders[topic] / "pictures" / f"{name}.{lang}.svg": draw(lang).svg()
        for (topic, name), draw in DRAWINGS.items()
        for lang in ("zh", "en")
    }


def rms_by_hand(lang: str) -> Any:
    """Two vectors, one ten times the other: divided by their own size they are the same."""
    s = Sketch(660, 250, lang)
    for row, factor in enumerate((1, 10)):
        y, numbers = 96 + 120 * row, [factor * one for one in (1, 2, 2, 4)]
        size = math.sqrt(sum(one * one for one in numbers) / len(numbers))
        _bars(s, 50, y, [one / factor for one in numbers], [f"{one}" for one in numbers], BLUE, 12)
        s.arrow((230, y - 25), (400, y - 25))
        s.text(315, y - 42, s.say(f"÷ 均方根 {size:g}", f"÷ RMS {size:g}"))
        _bars(s, 430, y, [one / size for one in numbers], [f"{one / size:g}" for one in numbers], GREEN, 30)
        s.line((40, y), (210, y), colour=GREY)
        s.line((420, y), (590, y), colour=GREY)
    s.text(125, 20, s.say("输入 x（第二行放大十倍）", "input x (ten times as large below)"), colour=GREY)
    s.text(505, 20, s.say("输出：完全一样", "output: exactly the same"), colour=GREY)
    return s


def _bars(s: Any, x: float, y: float, heights: list[float], labels: list[str], colour: str, unit: float) -> None:
    for number, (height, label) in enumerate(zip(heights, labels)):
        s.box(x + 40 * number, y - unit * height, 30, unit * height, colour=colour)
        s.text(x + 40 * number + 15, y - unit * height - 9, label, size=11)


def pre_and_post(lang: str) -> Any:
    """Where the norm stands in a block: on the stream, or in the branch."""
    s = Sketch(660, 400, lang)
    for x, name, post in ((110, "Post-LN", True), (450, "Pre-LN", False)):
        s.text(x + 40, 20, name, size=15, bold=True)
        s.line((x, 45), (x, 340), width=2.5, colour=BLUE)
        s.arrow((x, 340), (x, 375), width=2.5, colour=BLUE)
        for top, branch in ((60, s.say("注意力", "attention")), (205, s.say("前馈层", "feed-forward"))):
            s.arrow((x, top), (x + 110, top), (x + 110, top + (35 if post else 12)))
            if not post:
                s.box(x + 60, top + 12, 100, 24, s.say("归一化", "norm"), colour=ORANGE)
                s.arrow((x + 110, top + 36), (x + 110, top + 46))
            s.box(x + 60, top + (35 if post else 46), 100, 26, branch, colour=GREEN)
            s.arrow((x + 110, top + (61 if post else 72)), (x + 110, top + 88), (x + 10, top + 88))
            s.plus(x, top + 88)
            if post:
                s.box(x - 50, top + 104, 100, 24, s.say("归一化", "norm"), colour=ORANGE)
    s.text(125, 390, s.say("主干上每步都重新除一次", "the stream is rescaled at every step"), size=12, colour=GREY)
    s.text(490, 390, s.say("主干上只有加法", "nothing but additions on the stream"), size=12, colour=GREY)
    return s


def rotation(lang: str) -> Any:
    """A query and a key, both turned by their positions: the angle between them is that of the distance."""
    s, step = Sketch(660, 250, lang), math.radians(25)
    for x, (query, key) in ((170, (3, 1)), (490, (10, 8))):
        y, r = 130, 80
        s.circle(x, y, r)
        s.sector(x, y, 34, key * step, query * step, colour=PURPLE)
        s.hand(x, y, r, query * step, colour=BLUE)
        s.hand(x, y, r, key * step, colour=ORANGE)
        for place, name, colour in ((query, "q", BLUE), (key, "k", ORANGE)):
            s.text(
                x + (r + 14) * math.cos(place * step),
                y - (r + 14) * math.sin(place * step),
                name,
                colour=colour,
                bold=True,
            )
        told = s.say(f"query 在位置 {query}，key 在位置 {key}", f"query at position {query}, key at position {key}")
        s.text(x, 18, told)
        turns = s.say(f"各转 {query} 格、{key} 格", f"turned by {query} and {key} notches")
        s.text(x, 235, turns, size=12, colour=GREY)
    s.text(330, 115, s.say("夹角都是两格", "both times"), size=12, colour=PURPLE)
    s.text(330, 133, s.say("点积相同", "two notches"), size=12, colour=PURPLE)
    s.text(330, 151, s.say("", "apart"), size=12, colour=PURPLE)
    return s


def sinusoids(lang: str) -> Any:
    """The table of Vaswani et al. (2017) for 48 positions and 32 numbers, as a heat map."""
    s, positions, width, size = Sketch(560, 390, lang), 48, 32, 7
    table = [[0.0] * width for _ in range(positions)]
    for position in range(positions):
        for pair in range(width // 2):
            angle = position / 10000 ** (2 * pair / width)
            table[position][2 * pair], table[position][2 * pair + 1] = math.sin(angle), math.cos(angle)
    s.cells(120, 40, size, table)
    s.text(
        120 + width * size / 2, 20, s.say("向量的第几个数（共 32 个）", "number in the vector (32 of them)"), size=12
    )
    s.text(60, 40, s.say("位置 0", "position 0"), size=12)
    s.text(60, 40 + positions * size, s.say("位置 47", "position 47"), size=12)
    s.arrow((60, 60), (60, 20 + positions * size), colour=GREY)
    for value, y in ((1, 60), (0, 85), (-1, 110)):
        s.cells(370, y - 8, 16, [[value]])
        s.text(394, y, f"{value:+d}" if value else "0", size=12, at="start")
    notes = (
        s.say("左边的列：快针，几个位置就变一遍", "left: fast hands, they change within a few positions"),
        s.say("右边的列：慢针，几乎不变", "right: slow hands, they hardly change"),
        s.say("每一行是一个位置的“指纹”", "each row is the fingerprint of one position"),
    )
    for number, note in enumerate(notes):
        _wrapped(s, 370, 160 + 60 * number, note, 26 if lang == "en" else 13)
    return s


def _wrapped(s: Any, x: float, y: float, words: str, most: int) -> None:
    """Words on several lines, at most so many characters each."""
    lines, line = [], ""
    for word in words.split(" ") if s.lang == "en" else list(words):
        joint = " " if s.lang == "en" and line else ""
        if len(line + joint + word) > most:
            lines.append(line)
            line, joint = "", ""
        line += joint + word
    for number, one in enumerate([*lines, line]):
        s.text(x, y + 16 * number, one, size=12, at="start", colour=GREY)


def hands(lang: str) -> Any:
    """How far the four hands of exp6_hand_by_hand turn within 16 positions, and within 128."""
    s = Sketch(660, 300, lang)
    s.text(80, 95, s.say("训练：16 个位置", "training: 16 positions"), size=12)
    s.text(80, 215, s.say("读：128 个位置", "reading: 128 positions"), size=12)
    for number in range(4):
        x, speed = 215 + 125 * number, 10.0**-number
        s.text(x, 18, s.say(f"第 {number + 1} 根针", f"hand {number + 1}"), bold=True)
        s.text(x, 36, s.say(f"每个位置 {speed:g} 弧度", f"{speed:g} rad a position"), size=11, colour=GREY)
        for y, positions, colour in ((95, 16, BLUE), (215, 128, ORANGE)):
            turned = speed * (positions - 1)
            s.circle(x, y, 42)
            s.sector(x, y, 42, 0, turned, colour=colour)
            s.hand(x, y, 40, turned, colour=colour)
            turns = turned / (2 * math.pi)
            s.text(x, y + 56, s.say(f"{turns:.2g} 圈", f"{turns:.2g} turns"), size=11, colour=GREY)
    return s


def three_steps(lang: str) -> Any:
    """The lesson's example by hand: scores, weights, and what is fetched."""
    s = Sketch(720, 370, lang)
    query, keys, values = (2, 0, 2, 0), [(2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 1, 1)], [(10, 0), (0, 10), (5, 5)]
    scores = [sum(a * b for a, b in zip(query, key)) / 2 for key in keys]
    total = sum(math.exp(score) for score in scores)
    weights = [math.exp(score) / total for score in scores]
    fetched = [sum(w * value[n] for w, value in zip(weights, values)) for n in range(2)]
    s.box(20, 135, 110, 50, "query", colour=BLUE, below=_tuple(query))
    heads = (
        (290, s.say("1 比较：q·k ÷ √4", "1 compare: q·k ÷ √4")),
        (465, s.say("2 分配：softmax", "2 share out: softmax")),
        (610, s.say("3 取回", "3 fetch")),
    )
    for x, head in heads:
        s.text(x, 20, head, bold=True)
    names = (s.say("红牌", "red card"), s.say("蓝牌", "blue card"), s.say("绿牌", "green card"))
    for number, (name, colour) in enumerate(zip(names, (RED, BLUE, GREEN))):
        y = 50 + 90 * number
        s.box(165, y, 110, 50, f"{name} key", colour=colour, below=_tuple(keys[number]))
        s.arrow((130, 160), (163, y + 25), colour=GREY)
        s.arrow((277, y + 25), (308, y + 25), colour=GREY)
        s.text(330, y + 25, f"{scores[number]:g}", size=15)
        s.arrow((350, y + 25), (420, y + 25), colour=GREY)
        s.box(425, y + 8, max(90 * weights[number], 2), 34, colour=colour)
        s.text(425 + 90 * weights[number] + 8, y + 25, f"{weights[number]:.3f}", size=13, at="start")
        s.box(555, y, 90, 50, "value", colour=colour, below=_tuple(values[number]))
    s.arrow((650, 75), (685, 75), (685, 330), (652, 330), colour=GREY)
    s.box(430, 305, 220, 50, s.say("权重 × value，加起来", "weights × values, added up"), colour=GREY,
          below=f"({fetched[0]:.2f}, {fetched[1]:.2f})")  # fmt: skip
    return s


def _tuple(numbers: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, numbers))})"


def shapes(lang: str) -> Any:
    """The tensors of attention and their shapes, for the numbers of the lesson."""
    s = Sketch(720, 230, lang)
    for y, name, colour in ((30, "Q", BLUE), (95, "K", ORANGE), (160, "V", GREEN)):
        s.box(20, y, 120, 46, name, colour=colour, below="[B, H, T, D]")
    s.box(215, 52, 130, 56, s.say("分数 Q·Kᵀ ÷ √D", "scores Q·Kᵀ ÷ √D"), colour=PURPLE, below="[B, H, T, T]")
    s.arrow((140, 53), (213, 72))
    s.arrow((140, 118), (213, 90))
    s.box(390, 52, 130, 56, s.say("+ 掩码，softmax", "+ mask, softmax"), colour=PURPLE, below="[B, H, T, T]")
    s.arrow((345, 80), (388, 80))
    s.box(570, 100, 130, 56, s.say("权重 · V", "weights · V"), colour=GREEN, below="[B, H, T, D]")
    s.arrow((520, 80), (568, 115))
    s.arrow((140, 183), (540, 183), (568, 146))
    s.text(20, 222, s.say("B 批次 · H 头 · T 词元 · D 头的大小", "B batch · H heads · T tokens · D head size"), size=12,
           colour=GREY, at="start")  # fmt: skip
    return s


def causal(lang: str) -> Any:
    """Who may look at whom under a causal mask."""
    s, words = (
        Sketch(520, 270, lang),
        (["它", "跑", "得", "很", "快"] if lang == "zh" else ["it", "runs", "very", "fast", "now"]),
    )
    x0, y0, size = 150, 60, 38
    for row, word in enumerate(words):
        s.text(x0 - 12, y0 + size * (row + 0.5), word, at="end")
        s.text(x0 + size * (row + 0.5), y0 - 14, word)
        for column in range(len(words)):
            seen = column <= row
            s.box(x0 + size * column, y0 + size * row, size - 3, size - 3, "" if seen else "−∞", size=11,
                  colour=BLUE if seen else GREY)  # fmt: skip
    s.text(x0 + size * 2.5, 18, s.say("看向谁（key）", "looked at (keys)"), size=12, colour=GREY)
    s.text(10, y0 - 14, s.say("谁在看（query）", "who looks (queries)"), size=12, colour=GREY, at="start")
    _wrapped(
        s, 365, 110, s.say("蓝格：可以看自己和前面的词", "blue: itself and earlier words"), 20 if lang == "en" else 11
    )
    _wrapped(
        s,
        365,
        175,
        s.say("灰格：未来，权重正好是 0", "grey: the future; its weight is exactly 0"),
        20 if lang == "en" else 11,
    )
    return s


def groups(lang: str) -> Any:
    """Four query heads and 4, 2 or 1 key/value heads."""
    s = Sketch(660, 200, lang)
    for x0, name, count in ((20, "MHA", 4), (240, "GQA", 2), (460, "MQA", 1)):
        s.text(x0 + 90, 18, name, size=15, bold=True)
        wide = 180 / count
        for group in range(count):
            s.box(x0 + wide * group + wide / 2 - 20, 130, 40, 30, "K V", colour=ORANGE, size=11)
        for head in range(4):
            x = x0 + 45 * head + 22.5
            s.box(x - 18, 45, 36, 30, "Q", colour=BLUE)
            s.arrow((x, 75), (x0 + wide * (head * count // 4) + wide / 2, 128), colour=GREY)
        s.text(x0 + 90, 182, s.say(f"缓存 {count} 份", f"{count} in the cache"), size=12, colour=GREY)
    return s


def induction(lang: str) -> Any:
    """How two layers copy: the first writes who came before, the second looks that up."""
    s, letters = Sketch(660, 250, lang), ["c", "A", "B", "d", "e", "A", "?"]
    for number, letter in enumerate(letters):
        x = 60 + 90 * number
        s.box(x - 24, 110, 48, 36, letter, colour=GREY if letter in "cde" else BLUE if letter != "?" else RED, size=15)
    s.arrow((240, 108), (240, 78), (150, 78), (150, 108), colour=GREEN)
    s.text(248, 62, s.say("第一层：在 B 处记下“前面是 A”", "layer 1 notes at B: “after A”"), colour=GREEN, at="end")
    s.arrow((510, 148), (510, 190), (240, 190), (240, 148), colour=ORANGE)
    s.text(
        375,
        206,
        s.say("第二层：现在的 A 去找“前面是 A”的位置", "layer 2: this A looks for “after A”"),
        colour=ORANGE,
    )
    s.arrow((255, 108), (255, 34), (600, 34), (600, 108), colour=PURPLE)
    s.text(430, 20, s.say("把那里的 B 抄过来", "and copies the B found there"), colour=PURPLE)
    return s


more: Any = load_file(Path(__file__).resolve().parent / "drawings_more.py", "docs_drawings_more")
DRAWINGS: dict[tuple[str, str], Callable[[str], Any]] = {
    ("01-normalization", "rms-by-hand"): rms_by_hand,
    ("01-normalization", "pre-and-post"): pre_and_post,
    ("02-position-encoding", "rotation"): rotation,
    ("02-position-encoding", "sinusoids"): sinusoids,
    ("02-position-encoding", "hands"): hands,
    ("03-attention", "three-steps"): three_steps,
    ("03-attention", "shapes"): shapes,
    ("03-attention", "causal"): causal,
    ("03-attention", "groups"): groups,
    ("03-attention", "induction"): induction,
    ("04-feedforward", "swiglu"): more.swiglu,
    ("04-feedforward", "experts"): more.experts,
    ("01-residual-connection", "paths"): more.paths,
    ("02-transformer-block", "block"): more.block,
    ("02-transformer-block", "model"): more.model,
}
