"""How fast does the residual stream grow with depth, and what does 1/√(2L) at initialisation do about it?

The model is the engine's own Transformer, with new weights and without training. Only the matrices that write to the stream
differ (`o_proj` and `down_proj`, two in every layer):

    full      variance 1 / fan-in
    scaled    the same numbers times 1/√(2L)      (GPT-2: Radford et al., 2019)
    zero      0, as `Transformer.init_weights` sets them

Every branch reads a normalised stream, so what it adds does not grow with the stream. 2L additions of new weights are
nearly uncorrelated, and their variances add up: growth in proportion to 2L. Times (1/√(2L))² = 1/2L, nothing
is left of the depth. Growth is the variance of the stream behind the last block minus that of the embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_tables
from fledge.model.transformer import Transformer


@dataclass(frozen=True)
class Settings:
    deepest: int = param(64, low=4, high=128, zh="最多几层", en="the greatest depth")
    width: int = param(64, low=16, high=256, zh="模型的宽度", en="width of the model")
    tokens: int = param(32, low=2, high=128, zh="一行有几个词元", en="tokens in a row")
    start: str = param(
        "full", choices=("full", "scaled", "zero"), zh="输出矩阵的初始值", en="start of the output matrices"
    )
    shared: bool = param(False, zh="所有层用同样的权重", en="all layers have the same weights", hidden=True)


def make(settings: Settings, layers: int, seed: int) -> Transformer:
    """A new model; its matrices that write to the stream start as the arm says."""
    config = ModelConfig(
        vocab_size=256,
        hidden_size=settings.width,
        intermediate_size=5 * settings.width // 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=False,  # embeddings of variance 1
    )
    model = Transformer(config).init_weights(seed)
    draw = torch.Generator().manual_seed(seed)
    factor = {"full": 1.0, "scaled": (2 * layers) ** -0.5, "zero": 0.0}[settings.start]
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            random = torch.randn(weight.shape, generator=draw)
            weight.data = factor * weight.shape[1] ** -0.5 * random
    if settings.shared:
        for block in model.model.layers[1:]:
            block.load_state_dict(model.model.layers[0].state_dict())
    return model


@torch.no_grad()
def growth(model: Transformer, ids_BT: Tensor) -> tuple[list[float], list[float], list[float]]:
    """By how much the variance of the stream has grown behind every block; the variances of what its attention and its
    feed-forward layer add."""
    x = model.model.embed_tokens(ids_BT)
    rope = rope_tables(model.inv_freq, torch.arange(ids_BT.shape[1]), model.rope_factor, x.dtype)
    first, grown, attention, feed_forward = x.var().item(), [], [], []
    for block in model.model.layers:  # what Block.forward does, with its two summands in hand
        mixed = block.self_attn(block.input_layernorm(x), rope, None, None)
        worked = block.mlp(block.post_attention_layernorm(x + mixed))
        x = x + mixed + worked
        grown.append(x.var().item() - first)
        attention.append(mixed.var().item())
        feed_forward.append(worked.var().item())
    return grown, attention, feed_forward


def depths(settings: Settings) -> list[int]:
    """2, 4, 8, … up to the greatest."""
    return [2**n for n in range(1, settings.deepest.bit_length())]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    ends: list[float] = []
    ids = torch.randint(256, (4, settings.tokens), generator=torch.Generator().manual_seed(seed))
    for layers in depths(settings):
        grown, attention, feed_forward = growth(make(settings, layers, seed), ids)
        ends.append(grown[-1])
    return {
        "shallow": ends[0],
        "deep": ends[-1],
        "per_layer": ends[-1] / ends[0] / (layers / 2) if ends[0] else 0.0,
        "attention_first": attention[0],
        "attention_last": attention[-1],
        "feed_forward_first": feed_forward[0],
        "feed_forward_last": feed_forward[-1],
        "by_depth": ends,
        "course": grown,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    tried = depths(results.settings)
    for arm in results.arms:
        course, ends = results.band(arm, "course"), results.band(arm, "by_depth")
        figure.line(left, range(1, len(course[0]) + 1), *course, label=results.label(arm))
        figure.line(right, tried, *ends, label=results.label(arm))
    right.set_xscale("log", base=2)
    right.set_yscale("symlog", linthresh=0.1)
    right.set_ylim(bottom=-0.02)
    right.set_xticks(tried, [f"{depth}" for depth in tried])
    y = Text("主干的方差增加了多少", "growth of the stream's variance")
    deepest = results.settings.deepest
    figure.name(
        left, x=Text("第几层", "layer"), y=y, title=Text(f"一个 {deepest} 层的模型", f"one model of {deepest} layers")
    )
    figure.name(
        right,
        x=Text("模型有几层 L", "layers of the model, L"),
        y=y,
        title=Text("各种深度的模型", "models of every depth"),
    )


def outcome(results: Results) -> str:
    times = results.mean("full", "deep") / results.mean("full", "shallow")
    return "same" if times < 2 else "root" if times < 12 else "linear"


lab = Lab(
    title=Text("层数越多，主干的方差越大吗？", "Does the residual stream's variance grow with depth?"),
    about_zh="""
        层数越多，主干增长得有多快？初始化时乘以 1/√(2L)，又能起什么作用？

        模型就是引擎自己的 Transformer，权重是新的，不训练。
        各组只差往主干上写的矩阵（`o_proj` 和 `down_proj`，每层两个）：

            不缩小        方差是 1 / 输入的个数（fan-in）
            乘 1/√(2L)    同样的数，再乘以 1/√(2L)      （GPT-2：Radford 等，2019）
            从 0 开始     全是 0，`Transformer.init_weights` 就是这样设的

        每条分支读到的主干都归一化过，所以它加上去的东西不随主干变大。新的权重加 2L 次，每次加的几乎互不相关，
        方差就相加：增长与 2L 成正比。乘以 (1/√(2L))² = 1/2L，就与层数无关了。
        “增长”指的是：最后一个块之后主干的方差，减去嵌入的方差。
        """,
    settings=Settings(),
    arms={name: {"start": name} for name in ("full", "scaled", "zero")},
    labels={
        "full": Text("不缩小", "not scaled"),
        "scaled": Text("乘 1/√(2L)", "times 1/√(2L)"),
        "zero": Text("从 0 开始", "starts at 0"),
    },
    seeds=5,
    run=run,
    metrics={
        "shallow": Metric(Text("2 层：方差增加", "2 layers: growth of variance"), format=".3g"),
        "deep": Metric(Text("最深：方差增加", "deepest: growth of variance"), format=".3g"),
        "per_layer": Metric(Text("每层的增加：最深 ÷ 2 层", "growth per layer: deepest ÷ 2 layers"), format=".2f"),
        "attention_first": Metric(Text("首层注意力的方差", "variance of attention, first")),
        "attention_last": Metric(Text("末层注意力的方差", "variance of attention, last")),
        "feed_forward_first": Metric(Text("首层前馈层的方差", "variance of feed-forward, first")),
        "feed_forward_last": Metric(Text("末层前馈层的方差", "variance of feed-forward, last")),
        "by_depth": Metric(Text("每个深度：方差增加", "every depth: growth of variance")),
        "course": Metric(Text("最深的模型：每层之后的方差增加", "deepest model: growth behind every layer")),
    },
    claims=[
        Claim(
            "grows_with_depth",
            Text(
                "不缩小：方差的增加大致与层数成正比（平均到每一层，最深的模型是 2 层的 0.5 到 3 倍）",
                "Not scaled, the growth is about in proportion to depth (per layer, that of the deepest model is 0.5 to 3 "
                "times that of 2 layers)",
            ),
            lambda arm: 0.5 < arm["full"]["per_layer"] < 3,
            absolute=True,
        ),
        Claim(
            "scaled_does_not",
            Text(
                "乘 1/√(2L)：最深的模型，方差的增加是 2 层的 1/2 到 2 倍",
                "Times 1/√(2L), the deepest model grows between half and twice as much as 2 layers",
            ),
            lambda arm: 0.5 * arm["scaled"]["shallow"] < arm["scaled"]["deep"] < 2 * arm["scaled"]["shallow"],
        ),
        Claim(
            "zero_is_identity",
            Text("从 0 开始：方差正好不变", "Started at 0, the variance does not change at all"),
            lambda arm: arm["zero"]["deep"] == 0 and arm["zero"]["shallow"] == 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"shared": True},
            ("grows_with_depth",),
            Text(
                "所有层用同样的权重，加上去的东西彼此相像", "all layers have the same weights: what they add is alike"
            ),
        ),
        Sabotage({"start": "full"}, ("scaled_does_not", "zero_is_identity"), Text("都不缩小", "none is scaled")),
    ],
    prediction=Prediction(
        Text(
            "不缩小的话，64 层加到主干上的方差是 2 层的几倍？",
            "Not scaled, how many times the variance of 2 layers do 64 layers add to the stream?",
        ),
        {
            "same": Text("差不多，因为有归一化", "about the same, thanks to the norms"),
            "root": Text("5 倍左右（√32）", "about 5 times (√32)"),
            "linear": Text("30 倍左右", "about 30 times"),
        },
        outcome,
    ),
    figure=draw,
    quick={"width": 32, "tokens": 16},
)

if __name__ == "__main__":
    lab.main()
