"""How fast does the residual stream grow with depth, and what does scaling by 1/√(2L) at initialisation change?

The model is the engine's own Transformer, with fresh weights and without training. Only the matrices that write to the
stream differ (`o_proj` and `down_proj`, two in every layer):

    full      variance 1 / fan-in
    scaled    the same numbers times 1/√(2L)      (GPT-2: Radford et al., 2019)
    zero      0, as `Transformer.init_weights` sets them

Every branch reads a normalised stream, so what it adds does not grow with the stream. 2L additions from fresh weights are
nearly uncorrelated, and their variances add up: growth in proportion to 2L. Scaled by (1/√(2L))² = 1/2L, the depth cancels.
Growth is the variance of the stream after the last block minus that of the embeddings.

What attention adds is an average of values, and averaging unlike vectors makes them smaller. So we also measure how alike the
tokens of a row are: the mean cosine between the normalised vectors of different tokens, at the first and the last layer.
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
    deepest: int = param(64, low=4, high=128, zh="最多几层", en="greatest depth")
    width: int = param(64, low=16, high=256, zh="模型的宽度", en="width of the model")
    tokens: int = param(32, low=2, high=128, zh="一行有几个词元", en="tokens per row")
    start: str = param(
        "full", choices=("full", "scaled", "zero"), zh="输出矩阵的初始值", en="initial values of the output matrices"
    )
    shared: bool = param(False, zh="所有层用同样的权重", en="all layers share the same weights", hidden=True)


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
def growth(model: Transformer, ids_BT: Tensor) -> dict[str, list[float]]:
    """Of every layer: by how much the variance of the stream has grown behind it, the variances of what its attention and
    its feed-forward layer add, and how alike the tokens are that it reads."""
    x = model.model.embed_tokens(ids_BT)
    rope = rope_tables(model.inv_freq, torch.arange(ids_BT.shape[1]), model.rope_factor, x.dtype)
    first = x.var().item()
    found: dict[str, list[float]] = {"grown": [], "attention": [], "feed_forward": [], "alike": []}
    for block in model.model.layers:  # what Block.forward does, with its two summands in hand
        normed = block.input_layernorm(x)
        mixed = block.self_attn(normed, rope, None, None)
        worked = block.mlp(block.post_attention_layernorm(x + mixed))
        x = x + mixed + worked
        found["grown"].append(x.var().item() - first)
        found["attention"].append(mixed.var().item())
        found["feed_forward"].append(worked.var().item())
        found["alike"].append(alike(normed))
    return found


def alike(x_BTD: Tensor) -> float:
    """The mean cosine between the vectors of different tokens of a row."""
    unit = x_BTD / x_BTD.norm(dim=-1, keepdim=True)
    cosines = unit @ unit.mT
    return cosines[:, ~torch.eye(x_BTD.shape[1], dtype=torch.bool)].mean().item()


def depths(settings: Settings) -> list[int]:
    """2, 4, 8, … up to the greatest."""
    return [2**n for n in range(1, settings.deepest.bit_length())]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    ends: list[float] = []
    ids = torch.randint(256, (4, settings.tokens), generator=torch.Generator().manual_seed(seed))
    for layers in depths(settings):
        found = growth(make(settings, layers, seed), ids)
        ends.append(found["grown"][-1])
    return {
        "shallow": ends[0],
        "deep": ends[-1],
        "per_layer": ends[-1] / ends[0] / (layers / 2) if ends[0] else 0.0,
        "attention_first": found["attention"][0],
        "attention_last": found["attention"][-1],
        "feed_forward_first": found["feed_forward"][0],
        "feed_forward_last": found["feed_forward"][-1],
        "alike_first": found["alike"][0],
        "alike_last": found["alike"][-1],
        "by_depth": ends,
        "course": found["grown"],
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
        x=Text("模型有几层 L", "number of layers L"),
        y=y,
        title=Text("各种深度的模型", "models of each depth"),
    )


def outcome(results: Results) -> str:
    times = results.mean("full", "deep") / results.mean("full", "shallow")
    return "same" if times < 2 else "root" if times < 12 else "linear"


lab = Lab(
    title=Text("层数越多，主干的方差越大吗？", "Does the variance of the residual stream grow with depth?"),
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

        注意力加上去的是 value 的平均，而互不相像的向量一平均就变小。所以我们也量一行里的词元彼此有多像：
        在首层和末层，归一化以后不同词元的向量之间余弦的平均值。
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
        "attention_first": Metric(Text("首层注意力的方差", "variance added by attention, first layer")),
        "attention_last": Metric(Text("末层注意力的方差", "variance added by attention, last layer")),
        "feed_forward_first": Metric(Text("首层前馈层的方差", "variance added by feed-forward, first layer")),
        "feed_forward_last": Metric(Text("末层前馈层的方差", "variance added by feed-forward, last layer")),
        "alike_first": Metric(Text("首层读到的词元有多像（余弦）", "cosine between tokens, first layer"), format=".2f"),
        "alike_last": Metric(Text("末层读到的词元有多像（余弦）", "cosine between tokens, last layer"), format=".2f"),
        "by_depth": Metric(Text("每个深度：方差增加", "each depth: growth of variance")),
        "course": Metric(Text("最深的模型：每层之后的方差增加", "deepest model: growth after each layer")),
    },
    claims=[
        Claim(
            "grows_with_depth",
            Text(
                "不缩小：方差的增加大致与层数成正比（平均到每一层，最深的模型是 2 层的 0.5 到 3 倍）",
                "Without scaling, growth is roughly proportional to depth (per layer, the deepest model's is 0.5 "
                "to 3 times that of 2 layers)",
            ),
            lambda arm: 0.5 < arm["full"]["per_layer"] < 3,
            absolute=True,
        ),
        Claim(
            "scaled_does_not",
            Text(
                "乘 1/√(2L)：最深的模型，方差的增加是 2 层的 1/2 到 2 倍",
                "Scaled by 1/√(2L), the deepest model grows between half and twice as much as 2 layers",
            ),
            lambda arm: 0.5 * arm["scaled"]["shallow"] < arm["scaled"]["deep"] < 2 * arm["scaled"]["shallow"],
        ),
        Claim(
            "zero_is_identity",
            Text("从 0 开始：方差正好不变", "Starting at 0, the variance does not change at all"),
            lambda arm: arm["zero"]["deep"] == 0 and arm["zero"]["shallow"] == 0,
        ),
        Claim(
            "more_alike",
            Text(
                "不缩小：最深的模型里，末层读到的词元比首层的更相像，余弦至少大 0.2",
                "Without scaling, the tokens that the last layer of the deepest model reads are more alike than "
                "those of the first: "
                "their cosine is at least 0.2 higher",
            ),
            lambda arm: arm["full"]["alike_last"] > arm["full"]["alike_first"] + 0.2,
            absolute=True,
        ),
    ],
    sabotages=[
        Sabotage(
            {"shared": True},
            ("grows_with_depth",),
            Text(
                "所有层用同样的权重，加上去的东西彼此相像",
                "all layers share the same weights, so what they add is alike",
            ),
        ),
        Sabotage(
            {"start": "zero"},
            ("more_alike",),
            Text("都从 0 开始：什么也不加", "every arm starts at 0: nothing is added"),
        ),
        Sabotage({"start": "full"}, ("scaled_does_not", "zero_is_identity"), Text("都不缩小", "no arm is scaled")),
    ],
    prediction=Prediction(
        Text(
            "不缩小的话，64 层加到主干上的方差是 2 层的几倍？",
            "Without scaling, 64 layers add how many times as much variance to the stream as 2 layers?",
        ),
        {
            "same": Text("差不多，因为有归一化", "about the same, thanks to the norms"),
            "root": Text("5 倍左右（√32）", "about 5 times (√32)"),
            "linear": Text("30 倍左右", "about 30 times"),
        },
        outcome,
    ),
    why=Text(
        "互不相关的数相加，方差相加：加 2L 次，方差就是 2L 倍。每次先乘 1/√(2L)，方差乘的是 1/2L，正好抵消，"
        "与层数无关。",
        "When uncorrelated numbers are added, their variances add up: 2L additions make 2L times the variance. "
        "Scaling each by 1/√(2L) scales its variance by 1/2L, which cancels the depth exactly.",
    ),
    figure=draw,
    quick={"width": 32, "tokens": 16},
)

if __name__ == "__main__":
    lab.main()
