"""What can attention not do on its own, so that a feed-forward layer is needed?

The task is adding on a clock: "9 o'clock, 5 hours later". A clock of ten hours has 100 sums; a model has to give the right
hour for each. Every sum is posed in two ways: the two words are two tokens, or both are already in one vector (their
embeddings added up), as they are after attention has fetched one to the other.

Three models of equal size (they differ by less than 1 %), built from `fledge.model`'s own blocks: attention only with three
times as many heads, attention only with three times as many layers, and attention with a feed-forward layer. All are trained
on all sums at the same rates, and the best rate of each counts. So this is about what a model can express and find, not
about sums that it has never seen.

Softmax over a single token is 1 whatever the score. All that attention does then is two matrix products, and a sum of
matrices cannot add on a clock: no function f(a) + g(b) has a loss below ln V there (exp2_activation shows why). The only
thing in such a model that is not linear is RMSNorm: it divides by a size that depends on both words. Whatever loss lies
below ln V is its doing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import final, plain_attention, sweep
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_tables
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE

RATES = (3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class Settings:
    hours: int = param(10, low=4, high=24, zh="钟面上有几个小时", en="hours on the clock")
    width: int = param(
        24, low=24, high=96, zh="词向量的宽度（24 的倍数）", en="width of a word vector (a multiple of 24)"
    )
    steps: int = param(80, low=20, high=1000, zh="训练步数", en="training steps")
    design: str = param(
        "more_heads",
        choices=("more_heads", "more_layers", "feed_forward"),
        zh="参数花在哪里",
        en="where the parameters go",
    )
    weights: str = param(
        "softmax", choices=("softmax", "equal"), zh="注意力的权重", en="the attention weights", hidden=True
    )
    gate: str = param("silu", choices=("silu", "none"), zh="前馈层的激活", en="the activation", hidden=True)


class Nothing(nn.Module):
    """Stands where the feed-forward layer would be, and adds nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


class Adder(nn.Module):
    """Blocks of `fledge.model` between two words and the scores of every hour."""

    def __init__(self, settings: Settings, one_token: bool, seed: int):
        super().__init__()
        width, alone = settings.width, settings.design != "feed_forward"
        heads = 12 if settings.design == "more_heads" else 4
        config = ModelConfig(
            model_type="llama",  # no norm on queries and keys: fewer things that could add
            vocab_size=2 * settings.hours,  # hours, and hours later
            hidden_size=width,
            intermediate_size=8 * width // 3,  # attention has 4 D², this layer 8 D²
            num_hidden_layers=3 if settings.design == "more_layers" else 1,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=width // 4,
            tie_word_embeddings=False,
        )
        gate = REFERENCE.swiglu if settings.gate == "silu" else torch.add
        mix = plain_attention if settings.weights == "softmax" else equal_weights
        self.model = Transformer(config, replace(REFERENCE, attention=mix, swiglu=gate)).init_weights(seed)
        for block in self.model.model.layers if alone else ():
            block.mlp, block.post_attention_layernorm = Nothing(), nn.Identity()
        self.model.lm_head = nn.Linear(width, settings.hours, bias=False)
        nn.init.zeros_(self.model.lm_head.weight)  # starts from guessing
        self.one_token = one_token

    def forward(self, words: Tensor) -> Tensor:
        """Two words [B, 2] -> scores of every hour [B, hours]."""
        later = torch.tensor([0, self.model.lm_head.out_features])
        x = self.model.model.embed_tokens(words + later)
        if self.one_token:
            x = x.sum(1, keepdim=True)
        rope = rope_tables(self.model.inv_freq, torch.arange(x.shape[1]), 1.0, x.dtype)
        for block in self.model.model.layers:
            x = block(x, rope, None, None, None)
        return self.model.lm_head(self.model.model.norm(x[:, -1]))


def equal_weights(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Causal attention that does not choose: every score is 0."""
    return plain_attention(torch.zeros_like(q), k, v, mask)


def sums(hours: int) -> Tensor:
    """Every sum on the clock: rows (hour, hours later, the hour then)."""
    pairs = torch.cartesian_prod(torch.arange(hours), torch.arange(hours))
    return torch.cat([pairs, pairs.sum(1, keepdim=True) % hours], 1)


def last_word_loss(scores: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(scores, targets[:, -1])


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The loss at the best rate, for both ways of putting the task, and its course over the steps."""
    found: dict[str, float | list[float]] = {}
    worst = 2 * math.log(settings.hours)
    for way in ("one", "two"):
        model = Adder(settings, way == "one", seed)
        losses = sweep(model, RATES, [sums(settings.hours)] * settings.steps, last_word_loss)
        ends = final(losses, worst)
        best = losses[:, ends.index(min(ends))]
        found |= {way: min(ends), f"{way}_course": best.nan_to_num(worst).clamp(max=worst).tolist()}
    found["parameters"] = float(sum(weight.numel() for weight in model.parameters()))
    return found


def draw(results: Results, figure: Figure) -> None:
    panels = figure.axes(1, 2)
    titles = (Text("两个词在同一个向量里", "both words in one vector"), Text("两个词是两个词元", "two tokens"))
    for axes, way, title in zip(panels, ("one", "two"), titles):
        for arm in results.arms:
            mean, low, high = results.band(arm, f"{way}_course")
            figure.line(axes, range(1, len(mean) + 1), mean, low, high, label=results.label(arm))
        figure.floor(axes, math.log(results.settings.hours), Text("瞎猜 ln V", "guessing, ln V"))
        axes.set_ylim(-0.1, 1.6 * math.log(results.settings.hours))  # room for the legend
        figure.name(axes, x=Text("训练步数", "training step"), y=Text("损失", "loss"), title=title)


def outcome(results: Results) -> str:
    one, two = (min(results.mean(arm, way) for arm in ("more_heads", "more_layers")) for way in ("one", "two"))
    return "both" if max(one, two) < 0.05 else "two" if two < 0.05 else "one" if one < 0.05 else "neither"


CHANCE = {"chance": lambda settings: math.log(settings.hours), "floor": 0.0}

lab = Lab(
    title=Text("只有注意力，没有前馈层，缺了什么？", "Attention without a feed-forward layer: what is missing?"),
    about_zh="""
        有什么事注意力做不到，所以需要前馈层？

        任务是钟面上的加法：“9 点，再过 5 小时”。一面十个小时的钟有 100 道加法，每一道模型都要给出正确的钟点。
        题目有两种出法：两个词是两个词元；或者两个词已经在同一个向量里（两个词的向量加在一起），
        就像注意力把一个搬到另一个那里之后。

        三个模型一样大（相差不到 1 %），块都是 `fledge.model` 自己的：只有注意力，头数是三倍；只有注意力，层数是三倍；
        注意力加前馈层。三个都用全部加法训练，试同样的学习率，各取最好的一个。所以这里说的是一个模型能表达什么、能找到什么，
        不是没见过的加法会不会做。

        只有一个词元时，不管分数是多少，softmax 都是 1。这时注意力剩下的只是两次矩阵乘法，而矩阵加起来做不了钟面加法：
        在这个任务上，没有哪个函数 f(a) + g(b) 的损失低于 ln V（exp2_activation 说明了为什么）。这样的模型里，
        会拐弯的只有 RMSNorm：它除以向量的大小，而这个大小由两个词一起决定。凡是低于 ln V 的，都是它的功劳。
        """,
    settings=Settings(),
    arms={
        "more_heads": {"design": "more_heads"},
        "more_layers": {"design": "more_layers"},
        "feed_forward": {"design": "feed_forward"},
    },
    labels={
        "more_heads": Text("注意力，3 倍头数", "attention, 3× heads"),
        "more_layers": Text("注意力，3 倍层数", "attention, 3× layers"),
        "feed_forward": Text("加前馈层", "with feed-forward"),
    },
    seeds=3,
    run=run,
    metrics={
        "one": Metric(Text("损失：一个向量", "loss: one vector"), **CHANCE),
        "two": Metric(Text("损失：两个词元", "loss: two tokens"), **CHANCE),
        "parameters": Metric(Text("参数个数", "parameters"), format=".0f"),
        "one_course": Metric(Text("损失的变化：同一个向量里", "loss by step: one vector")),
        "two_course": Metric(Text("损失的变化：两个词元", "loss by step: two tokens")),
    },
    claims=[
        Claim(
            "in_one_vector",
            Text(
                "两个词在同一个向量里时：只有注意力的两种模型，损失都高于 0.2；有前馈层的低于 0.02",
                "With both words in one vector, both attention-only models stay above a loss of 0.2, while the "
                "model with a feed-forward layer falls below 0.02",
            ),
            lambda arm: (
                min(arm["more_heads"]["one"], arm["more_layers"]["one"]) > 0.2 and arm["feed_forward"]["one"] < 0.02
            ),
        ),
        Claim(
            "in_two_tokens",
            Text(
                "两个词是两个词元时：只有注意力（3 倍头数）的损失也降到 0.02 以下",
                "With the words as two tokens, attention alone (3× heads) also falls below a loss of 0.02",
            ),
            lambda arm: arm["more_heads"]["two"] < 0.02,
            absolute=True,
        ),
    ],
    sabotages=[
        Sabotage(
            {"gate": "none"},
            ("in_one_vector",),
            Text(
                "前馈层里不用激活：两路直接相加",
                "no activation in the feed-forward layer: its two halves are simply added",
            ),
        ),
        Sabotage(
            {"weights": "equal"},
            ("in_two_tokens",),
            Text(
                "注意力不挑：看得到的词元权重都相同",
                "attention does not choose: every visible token gets the same weight",
            ),
        ),
    ],
    prediction=Prediction(
        Text(
            "只有注意力的模型，能在哪种情况下学会钟面加法？",
            "In which case can attention alone learn to add on a clock?",
        ),
        {
            "neither": Text("两种都不行", "in neither"),
            "two": Text("只有两个词是两个词元时", "only when the words are two tokens"),
            "one": Text("只有两个词在同一个向量里时", "only when both are in one vector"),
            "both": Text("两种都行", "in both"),
        },
        outcome,
    ),
    why=Text(
        "两个词已经在同一个向量里时，注意力只剩两次矩阵乘法，而 f(a) + g(b) 这样的分数做不了钟面加法；前馈层"
        "里有一个弯，做得了。两个词是两个词元时，注意力的权重由两个词共同决定，那也是一种弯。",
        "With both words in one vector, attention is reduced to two matrix products, and scores of the form f(a) "
        "+ g(b) cannot add on a clock; the bend in a feed-forward layer can. With two tokens, the attention "
        "weights depend on both words, which is a bend as well.",
    ),
    figure=draw,
    quick={"hours": 5, "steps": 20},
)

if __name__ == "__main__":
    lab.main()
