"""Drawings of the layers of a block, of the block, and of the whole model. See drawings.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fledge.course.book import load_file

sketch: Any = load_file(Path(__file__).resolve().parent / "sketch.py", "docs_sketch")
Sketch = sketch.Sketch
BLUE, GREEN, GREY, INK, ORANGE, PURPLE, RED = (
    getattr(sketch, name) for name in ("BLUE", "GREEN", "GREY", "INK", "ORANGE", "PURPLE", "RED")
)


def swiglu(lang: str) -> Any:
    """The feed-forward layer with its gate, and the shape after every step."""
    s = Sketch(720, 220, lang)
    s.box(15, 85, 80, 50, "x", colour=BLUE, below="[B, T, D]")
    for y, name in ((30, "gate_proj"), (140, "up_proj")):
        s.box(150, y, 110, 50, name, colour=ORANGE, below="[B, T, F]")
        s.arrow((95, 110), (148, y + 25))
    s.box(310, 30, 90, 50, "silu", colour=PURPLE, below="[B, T, F]")
    s.arrow((260, 55), (308, 55))
    s.circle(460, 110, 15, colour=INK, fill="#ffffff")
    s.text(460, 110, "×", size=18)
    s.arrow((400, 55), (460, 55), (460, 93))
    s.arrow((260, 165), (460, 165), (460, 127))
    s.box(510, 85, 110, 50, "down_proj", colour=ORANGE, below="[B, T, D]")
    s.arrow((475, 110), (508, 110))
    s.arrow((620, 110), (665, 110))
    s.text(690, 110, s.say("输出", "output"))
    s.text(355, 18, s.say("门：0 关，大则开", "gate: 0 is shut, large is open"), size=12, colour=GREY)
    s.text(355, 182, s.say("内容", "content"), size=12, colour=GREY)
    s.text(205, 208, s.say("D 展开成 F", "D widened to F"), size=12, colour=GREY)
    s.text(565, 208, s.say("F 压回 D", "F narrowed to D"), size=12, colour=GREY)
    return s


def experts(lang: str) -> Any:
    """One token, a router, four experts of which two work."""
    s, probabilities, k = Sketch(720, 270, lang), (0.5, 0.1, 0.3, 0.1), 2
    best = sorted(range(4), key=lambda n: -probabilities[n])[:k]
    s.box(15, 110, 90, 50, s.say("一个词元", "one token"), colour=BLUE, below="[D]")
    s.box(150, 110, 100, 50, s.say("路由器", "router"), colour=PURPLE, below="[E]")
    s.arrow((105, 135), (148, 135))
    for number, probability in enumerate(probabilities):
        y, used = 15 + 62 * number, number in best
        weight = probability / sum(probabilities[n] for n in best)
        s.arrow((250, 135), (328, y + 22), colour=INK if used else GREY, dashed=not used)
        name = s.say(f"专家 {number}", f"expert {number}")
        s.box(
            330,
            y,
            130,
            44,
            name,
            colour=GREEN if used else GREY,
            below=s.say(f"概率 {probability}", f"probability {probability}"),
        )
        if used:
            s.arrow((460, y + 22), (592, 132))
            s.text(545, y + (46 if number else 58), f"× {weight:.3g}", size=12, at="start")
    s.plus(600, 135)
    s.arrow((609, 135), (645, 135))
    s.text(682, 135, s.say("输出 [D]", "output [D]"), size=12)
    s.text(395, 262, s.say("灰色的专家这次不算", "the grey experts are not computed this time"), size=12, colour=GREY)
    return s


def paths(lang: str) -> Any:
    """Three layers with a residual: the stream, its branches, and the one path without any matrix."""
    s = Sketch(720, 200, lang)
    s.line((20, 70), (640, 70), colour=BLUE, width=3)
    s.arrow((640, 70), (690, 70), colour=BLUE, width=3)
    s.text(18, 50, "h₀", at="start")
    for number in range(3):
        x = 60 + 205 * number
        s.arrow((x, 70), (x, 150), (x + 40, 150))
        s.box(x + 42, 130, 70, 40, f"f{'₁₂₃'[number]}", colour=GREEN, size=15)
        s.arrow((x + 112, 150), (x + 150, 150), (x + 150, 80))
        s.plus(x + 150, 70)
        s.text(x + 175, 50, f"h{'₁₂₃'[number]}")
    s.text(
        355,
        22,
        s.say("主干：一次矩阵乘法也不经过的路", "the stream: a path without a single matrix product"),
        colour=BLUE,
    )
    s.text(355, 188, s.say("每层走主干或走分支：2 × 2 × 2 = 8 条路", "stream or branch at each layer: 2 × 2 × 2 = 8 paths"),
           size=12, colour=GREY)  # fmt: skip
    return s


def block(lang: str) -> Any:
    """A Pre-LN block with the shapes of this topic's small model."""
    s = Sketch(620, 640, lang)
    x, bx = 80, 330
    s.line((x, 30), (x, 570), colour=BLUE, width=3)
    s.arrow((x, 570), (x, 610), colour=BLUE, width=3)
    s.text(x, 16, "x  [B, 12, 32]", bold=True)
    s.text(x, 627, "x  [B, 12, 32]", bold=True)
    steps = (
        (45, "RMSNorm", "[B, 12, 32]", ORANGE),
        (93, "q_proj · k_proj · v_proj", s.say("各 [B, 12, 32]", "[B, 12, 32] each"), GREEN),
        (
            141,
            s.say("切成两个头，换轴", "cut into 2 heads, swap axes"),
            s.say("各 [B, 2, 12, 16]", "[B, 2, 12, 16] each"),
            GREEN,
        ),
        (189, s.say("RoPE 转 q 和 k", "RoPE turns q and k"), s.say("各 [B, 2, 12, 16]", "[B, 2, 12, 16] each"), GREEN),
        (237, "softmax(q·kᵀ / √16 + mask)", "[B, 2, 12, 12]", PURPLE),
        (285, s.say("· v，合并头，o_proj", "· v, merge heads, o_proj"), "[B, 12, 32]", GREEN),
    )
    _column(s, x, bx, 40, steps, 345)
    lower = (
        (385, "RMSNorm", "[B, 12, 32]", ORANGE),
        (433, "gate_proj · up_proj", s.say("各 [B, 12, 64]", "[B, 12, 64] each"), GREEN),
        (481, "silu(gate) × up", "[B, 12, 64]", PURPLE),
        (529, "down_proj", "[B, 12, 32]", GREEN),
    )
    _column(s, x, bx, 375, lower, 590)
    s.text(545, 165, s.say("注意力", "attention"), colour=GREY)
    s.text(545, 183, s.say("（搬运）", "(fetch)"), size=12, colour=GREY)
    s.text(545, 470, s.say("前馈层", "feed-forward"), colour=GREY)
    s.text(545, 488, s.say("（加工）", "(combine)"), size=12, colour=GREY)
    return s


def _column(
    s: Any, x: float, bx: float, top: float, steps: tuple[tuple[float, str, str, str], ...], bottom: float
) -> None:
    """A branch: off the stream at `top`, one box after the other, back onto the stream at `bottom`."""
    s.arrow((x, top - 6), (bx, top - 6), (bx, steps[0][0] - 1))
    for number, (y, name, shape, colour) in enumerate(steps):
        s.box(bx - 120, y, 240, 40, name, colour=colour, size=12.5, below=shape)
        if number:
            s.arrow((bx, steps[number - 1][0] + 40), (bx, y - 1))
    s.arrow((bx, steps[-1][0] + 40), (bx, bottom), (x + 10, bottom))
    s.plus(x, bottom)


def model(lang: str) -> Any:
    """From ids to scores, with the shape after every step."""
    s = Sketch(720, 130, lang)
    steps = (
        (s.say("词元编号", "token ids"), "[B, 12]", GREY),
        (s.say("嵌入表", "embedding"), "[B, 12, 32]", BLUE),
        (s.say("块 × L", "blocks × L"), "[B, 12, 32]", GREEN),
        ("RMSNorm", "[B, 12, 32]", ORANGE),
        (s.say("输出头", "head"), "[B, 12, V]", PURPLE),
    )
    for number, (name, shape, colour) in enumerate(steps):
        x = 10 + 142 * number
        s.box(x, 25, 110, 54, name, colour=colour, below=shape)
        if number:
            s.arrow((x - 32, 52), (x - 2, 52))
    note = s.say(
        "每个位置给词表里的每个词一个分，猜的是它后面的那个词",
        "at each position a score for every word: a guess at the next one",
    )
    s.text(360, 108, note, size=12, colour=GREY)
    return s
