"""Which of RoPE's frequencies fails beyond the trained length, and which one makes the remedies expensive?

The setting of exp5_length_extrapolation: a model with two blocks learns a made-up language from sentences of 16 words and
then reads 8 times that length. Each of its heads has four pairs of numbers, four "hands", which turn 1, 0.1, 0.01 and 0.001
radians a position. Over a sentence of training the first goes round twice and a half; the others only make part of a turn,
so beyond the trained length all three reach angles that they never had in training.

After training, single hands are slowed down to an eighth, as linear interpolation does with all of them at once. If a hand
is to blame for the collapse, slowing it removes the collapse; if it carries what short sentences need, slowing it costs
there. All arms read with the very same weights.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import batches, language, tiny_model, train_at_best
from fledge.model.rope import rope_frequencies
from fledge.model.transformer import Transformer

VOCAB, HEADS, ROWS, TEST_ROWS = 8, 4, 16, 64
RATES = (1e-2, 3e-3)
SLOWED = {"none": (), "first": (0,), "second": (1,), "slow": (2, 3), "all": (0, 1, 2, 3)}


@dataclass(frozen=True)
class Settings:
    length: int = param(16, low=8, high=64, zh="训练时的句长", en="length of a sentence in training")
    times: int = param(8, low=8, high=16, zh="测试时长到几倍", en="how many times that length is read")
    steps: int = param(150, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(
        2, low=1, high=2, zh="试几个学习率（0.01、0.003）", en="how many learning rates are tried (0.01, 0.003)"
    )
    slowed: str = param("none", choices=tuple(SLOWED), zh="放慢哪几根针", en="which hands are slowed down")
    kind: str = param("sum", choices=("one", "sum"), zh="语言", en="the language", hidden=True)
    base: float = param(10000.0, low=2.0, high=1e6, zh="RoPE 的底数", en="base of RoPE", hidden=True)


@functools.lru_cache(maxsize=1)
def trained(settings: Settings, seed: int) -> Transformer:
    def new() -> Transformer:
        torch.manual_seed(seed)
        model = tiny_model(VOCAB, seed, heads=HEADS)
        model.inv_freq, _ = rope_frequencies(replace(model.config, rope_theta=settings.base))
        return model

    data = batches(VOCAB, settings.steps, seed, rows=ROWS, length=settings.length, kind=settings.kind)
    return train_at_best(new, RATES[: settings.rates], data)  # type: ignore[return-value]


def run(settings: Settings, seed: int) -> dict[str, float]:
    """Losses as shares of what can be learnt: 0 is the entropy, 1 is guessing."""
    model = trained(replace(settings, slowed="none"), seed)
    speeds, _ = rope_frequencies(replace(model.config, rope_theta=settings.base))
    slowed = speeds.clone()
    slowed[list(SLOWED[settings.slowed])] /= settings.times
    model.inv_freq = slowed
    known, length = language(VOCAB, settings.kind), settings.length
    rows = known.rows(TEST_ROWS, settings.times * length + 1, seed + 1000)
    with torch.no_grad():
        logits = model(rows[:, :-1])
    losses = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
    lost = (losses.view(TEST_ROWS, -1).mean(0) - known.entropy) / (math.log(VOCAB) - known.entropy)
    return {"short": lost[length // 2 : length].mean().item(), "long": lost[len(lost) // 2 :].mean().item()}


def draw(results: Results, figure: Figure) -> None:
    labels = [results.label(arm) for arm in results.arms]
    for axes, metric, title in zip(
        figure.axes(1, 2),
        ("short", "long"),
        (
            Text("训练过的长度之内", "within the trained length"),
            Text("读到 8 倍长，后一半", "second half, at 8 times the length"),
        ),
    ):
        mean, low, high = zip(*(results.band(arm, metric) for arm in results.arms))
        errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
        figure.bars(axes, labels, mean, errors)
        axes.tick_params(axis="x", labelsize="small")
        figure.floor(axes, 1, Text("瞎猜", "guessing"))
        figure.name(axes, y=Text("离熵有多远（瞎猜为 1）", "distance from the entropy (guessing: 1)"), title=title)


def outcome(results: Results) -> str:
    saved = {arm: results.mean("none", "long") - results.mean(arm, "long") for arm in ("first", "second", "slow")}
    return max(saved, key=lambda arm: saved[arm]) if max(saved.values()) > 0.2 else "none"


lab = Lab(
    title=Text("读得太长时，是哪一根针出了错？", "Which hand fails when the text gets too long?"),
    about_zh="""
        超过训练的长度，是 RoPE 的哪个频率出了错？补救办法的代价，又出在哪个频率上？

        设置和 exp5_length_extrapolation 一样：两个块的模型，在 16 个词的句子上学会一种编出来的语言，然后读 8 倍长的文字。
        它的每个头有四对数，也就是四根“针”，每个位置分别转 1、0.1、0.01、0.001 弧度。在训练时的一句话里，
        第一根转了两圈半；其余三根都转不满一圈，所以超过训练的长度以后，它们都会到达训练时没到过的角度。

        训练之后，把其中几根针放慢到八分之一（线性内插就是把所有的针一起放慢）。如果崩溃是某一根针造成的，
        放慢它，崩溃就该消失；如果短句子要靠某一根针，放慢它，短句子就该变差。各组读的时候用的是完全相同的权重。
        """,
    settings=Settings(),
    arms={name: {"slowed": name} for name in SLOWED},
    labels={
        "none": Text("都不动", "none"),
        "first": Text("第一根", "the first"),
        "second": Text("第二根", "the second"),
        "slow": Text("最慢的两根", "the two slowest"),
        "all": Text("四根都放慢", "all four"),
    },
    seeds=3,
    run=run,
    metrics={
        "short": Metric(
            Text("训练过的长度之内：离熵多远", "within the trained length: gap to the entropy"), chance=1, floor=0
        ),
        "long": Metric(
            Text("读到的后一半：离熵多远", "second half of what is read: gap to the entropy"), chance=1, floor=0
        ),
    },
    claims=[
        Claim(
            "the_second",
            Text(
                "只放慢第二根针，后一半就好了 0.2 以上；只放慢第一根，好不到 0.2",
                "Slowing the second hand alone improves the second half by more than 0.2; slowing the first "
                "alone does not",
            ),
            lambda arm: (
                arm["second"]["long"] < arm["none"]["long"] - 0.2 and arm["first"]["long"] > arm["none"]["long"] - 0.2
            ),
        ),
        Claim(
            "slow_ones_idle",
            Text(
                "放慢最慢的两根针，两个数的变化都不到 0.1：这个模型用不着它们",
                "Slowing the two slowest hands changes neither number by 0.1: this model makes no use of them",
            ),
            lambda arm: all(abs(arm["slow"][name] - arm["none"][name]) < 0.1 for name in ("short", "long")),
            absolute=True,
        ),
        Claim(
            "price",
            Text(
                "在训练过的长度之内，放慢第一根或第二根都要多付 0.04 以上，四根一起放慢要多付 0.2 以上",
                "Within the trained length, slowing the first or the second hand costs more than 0.04, slowing "
                "all four more "
                "than 0.2",
            ),
            lambda arm: (
                min(arm["first"]["short"], arm["second"]["short"]) > arm["none"]["short"] + 0.04
                and arm["all"]["short"] > arm["none"]["short"] + 0.2
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"kind": "one"},
            ("the_second", "price"),
            Text(
                "换一种语言：下一个词只取决于眼前这个词，注意力用不着看位置",
                "another language: the next word depends on the present one alone, so no position matters",
            ),
        ),
        Sabotage(
            {"base": 10.0},
            ("slow_ones_idle",),
            Text("底数换成 10：最慢的两根也转得快", "base 10: the two slowest hands turn fast as well"),
        ),
    ],
    prediction=Prediction(
        Text(
            "原样的 RoPE 读到训练长度的 8 倍就垮了。只放慢哪一根（几根）针，后一半能好得最多？",
            "RoPE as trained collapses at 8 times the trained length. Slowing which hand alone helps the second "
            "half most?",
        ),
        {
            "first": Text("最快的第一根", "the first, the fastest"),
            "second": Text("第二根", "the second"),
            "slow": Text("最慢的两根", "the two slowest"),
            "none": Text("哪一根都没用", "none of them helps"),
        },
        outcome,
    ),
    figure=draw,
    quick={"steps": 60, "rates": 1},
    why=Text(
        "第二根针每个位置转 0.1 弧度：训练时最多转了四分之一圈，读到 8 倍长时转了两圈，模型学会的分数在那些角度上"
        "全错了。"
        "最慢的两根也到了没到过的角度，可是模型在短句子里几乎看不出它们在转，也就没有学会用它们。",
        "The second hand turns 0.1 radians a position: a quarter of a turn in training, two turns at 8 times the "
        "length, and "
        "at those angles the scores that the model learnt are wrong. The two slowest reach new angles too, but "
        "within a short "
        "sentence they hardly move, so the model never learnt to use them.",
    ),
)

if __name__ == "__main__":
    lab.main()
