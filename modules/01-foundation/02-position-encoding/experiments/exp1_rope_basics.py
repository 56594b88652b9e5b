"""What does attention notice when the words of a sentence are shuffled, or when the whole sentence moves?

One attention head with random weights over random words, without a mask; nothing is trained. We do two things to the same
sentence. We shuffle its words, and compare every output with the output that the same word had before. And we move the
unshuffled sentence: every position grows by the same number, as if another text stood in front of it.

Without positions, attention is permutation-EQUIVARIANT: shuffle the words and the outputs are shuffled along with them. (Not
invariant: a different word now stands at any given place, so the output at that place changes.) The arms differ in how
position is supplied: not at all, by the sines of Vaswani et al. (2017) added to the words, or by RoPE (Su et al., 2021),
which rotates queries and keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies, rope_tables
from fledge.parts import REFERENCE
from fledge.parts.reference import explicit_attention

LEAST = 1e-8  # the end of the logarithmic axis; 0 is drawn there


@dataclass(frozen=True)
class Settings:
    words: int = param(12, low=3, high=256, zh="一句话里有几个词", en="words in the sentence")
    width: int = param(32, low=4, high=256, zh="词向量的维数（偶数）", en="size of a word vector (even)")
    shift: int = param(100, low=1, high=1000, zh="整句话往后移几个位置", en="how many positions the sentence moves")
    position: str = param("none", choices=("none", "sinusoidal", "rope"), zh="位置编码", en="position encoding")


def attend(x: Tensor, weights: Tensor, positions: Tensor, position: str) -> Tensor:
    """The outputs of one head for the word vectors x [words, width] at these positions, [words, width]."""
    width = x.shape[-1]
    config = ModelConfig(hidden_size=width, num_attention_heads=1, num_key_value_heads=1)
    frequencies, _ = rope_frequencies(config)
    if position == "sinusoidal":
        angles = positions[:, None] * frequencies
        x = x + torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
    q, k, v = (x @ weights)[:, None, None]  # each [1, 1, words, width]: one row, one head
    if position == "rope":
        tables = rope_tables(frequencies, positions, 1.0, x.dtype)
        q, k = REFERENCE.apply_rope(q, *tables), REFERENCE.apply_rope(k, *tables)
    return explicit_attention(q, k, v, None)[0, 0]


def difference(now: Tensor, before: Tensor) -> float:
    """Length of the change over the length of what was there."""
    return ((now - before).norm() / before.norm()).item()


def run(settings: Settings, seed: int) -> dict[str, float]:
    words, weights = torch.randn(settings.words, settings.width), torch.randn(3, settings.width, settings.width)
    weights /= settings.width**0.5
    positions, order = torch.arange(settings.words), torch.randperm(settings.words)
    before = attend(words, weights, positions, settings.position)
    shuffled = attend(words[order], weights, positions, settings.position)
    moved = attend(words, weights, positions + settings.shift, settings.position)
    return {
        "by_word": difference(shuffled, before[order]),
        "by_place": difference(shuffled, before),
        "moved": difference(moved, before),
    }


def draw(results: Results, figure: Figure) -> None:
    for axes, metric, title in zip(
        figure.axes(1, 2),
        ("by_word", "moved"),
        (Text("把词打乱", "words shuffled"), Text("整句话往后移", "whole sentence moved")),
    ):
        mean, low, high = zip(*(results.band(arm, metric) for arm in results.arms))
        errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
        figure.bars(axes, [results.label(arm) for arm in results.arms], [max(m, LEAST) for m in mean], errors)
        axes.set_yscale("log")
        axes.set_ylim(LEAST, 10)
        figure.name(
            axes,
            y=Text("同一个词的输出变了多少（0：没有柱子）", "change in the same word's output (0: no bar)"),
            title=title,
        )


def outcome(results: Results) -> str:
    change = results.mean("none", "by_word")
    return "along" if change < 1e-4 else "little" if change < 0.1 else "much"


lab = Lab(
    title=Text("把词打乱，注意力看得出来吗？", "Does attention notice when the words are shuffled?"),
    about_zh="""
        把一句话的词打乱，或者把整句话往后移，注意力看得出来吗？

        一个注意力头，权重随机，词也随机，没有掩码，不训练。我们对同一句话做两件事。一是打乱它的词，
        再拿每个词的输出和同一个词原来的输出比。二是不打乱，把整句话往后移：每个位置都加上同一个数，
        就像前面多了一段别的文字。

        没有位置编码时，注意力是“等变”的（permutation-equivariant）：词怎么打乱，输出就跟着怎么打乱。
        （不是“不变”：同一个位置上现在站着另一个词，那里的输出也就变了。）各组的差别在于怎样把位置告诉模型：
        不告诉；把 Vaswani 等（2017）的正弦加到词上；或者用 RoPE（Su 等，2021），把 query 和 key 转过去。
        """,
    settings=Settings(),
    arms={name: {"position": name} for name in ("none", "sinusoidal", "rope")},
    labels={
        "none": Text("无位置编码", "no positions"),
        "sinusoidal": Text("加上正弦", "added sines"),
        "rope": Text("用 RoPE", "RoPE"),
    },
    seeds=5,
    run=run,
    metrics={
        "by_word": Metric(
            Text("打乱后，同一个词的输出变了多少", "shuffled: change in the same word's output"), format=".1e"
        ),
        "by_place": Metric(
            Text("打乱后，同一个位置的输出变了多少", "shuffled: change in the output at the same place"), format=".1e"
        ),
        "moved": Metric(Text("整句话移动后，输出变了多少", "moved: change in the outputs"), format=".1e"),
    },
    claims=[
        Claim(
            "equivariant",
            Text(
                "没有位置编码：打乱以后，同一个词的输出相差不到十万分之一；同一个位置的输出相差一成以上",
                "Without positions, shuffling changes the same word's output by less than 1e-5, and the output "
                "at the same place by more than a tenth",
            ),
            lambda arm: arm["none"]["by_word"] < 1e-5 and arm["none"]["by_place"] > 0.1,
            absolute=True,
        ),
        Claim(
            "noticed",
            Text(
                "有 RoPE 或正弦：打乱以后，同一个词的输出相差一成以上",
                "With RoPE or sines, shuffling changes the same word's output by more than a tenth",
            ),
            lambda arm: arm["rope"]["by_word"] > 0.1 and arm["sinusoidal"]["by_word"] > 0.1,
        ),
        Claim(
            "relative",
            Text(
                "整句话移动：RoPE 的输出相差不到万分之一，加上正弦的相差百分之一以上",
                "Moving the sentence changes the outputs by less than 1e-4 with RoPE, and by more than a "
                "hundredth with sines",
            ),
            lambda arm: arm["rope"]["moved"] < 1e-4 and arm["sinusoidal"]["moved"] > 0.01,
        ),
    ],
    sabotages=[
        Sabotage(
            {"position": "none"},
            ("noticed", "relative"),
            Text("三组都没有位置编码", "none of the three arms has positions"),
        ),
        Sabotage(
            {"position": "sinusoidal"},
            ("equivariant", "relative"),
            Text("三组都加上正弦", "all three arms add sines"),
        ),
    ],
    prediction=Prediction(
        Text(
            "没有位置编码，也没有掩码。把一句话的词打乱，“猫”这个词得到的输出会怎样？",
            "No positions and no mask. The words of a sentence are shuffled. What happens to the output for the "
            "word 'cat'?",
        ),
        {
            "along": Text("跟着“猫”走，数值不变", "it moves along with 'cat', with the same numbers"),
            "little": Text("变一点（不到一成）", "it changes a little (less than a tenth)"),
            "much": Text("变很多", "it changes a lot"),
        },
        outcome,
    ),
    why=Text(
        "分数只由两个词的内容算出来，“按分数加起来”又不管先后，所以没有位置编码时，一个词的输出与别的词站在"
        "哪里无关。RoPE 把位置写进 query 和 key 的夹角，整句话一起移动时夹角不变。",
        "Scores are computed from the content of two words, and a weighted sum ignores order, so without "
        "positions a word's output does not depend on where the other words stand. RoPE writes position into the "
        "angle between query and key, and that angle stays the same when the whole sentence moves.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
