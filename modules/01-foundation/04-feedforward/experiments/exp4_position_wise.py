"""Which tokens does a token's output depend on? Attention, feed-forward layer, mixture of experts.

The layers are the engine's own, with fresh random weights in float64. Their inputs are random vectors, one per token. For
every pair of tokens we take the derivative of all output numbers of one with respect to all input numbers of the other (a
block of the Jacobian matrix) and its norm. Where the norm is exactly 0, the one has no influence on the other: no rounding
is involved, because autograd then adds up nothing but zeros.

Nothing is trained here. A derivative of 0 for random weights and random inputs is a property of the layer's structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.layers import MLP, Attention, MoE
from fledge.model.rope import rope_frequencies, rope_tables
from fledge.parts import REFERENCE

LAYERS = ("attention", "feed_forward", "experts")


@dataclass(frozen=True)
class Settings:
    tokens: int = param(8, low=2, high=32, zh="词元个数", en="number of tokens")
    width: int = param(16, low=8, high=64, zh="每个词元的向量有多宽", en="width of a token's vector")
    layer: str = param("attention", choices=LAYERS, zh="哪一种层", en="which layer")
    axis: str = param(
        "width", choices=("width", "tokens"), zh="矩阵乘在哪一维", en="which axis the matrices multiply", hidden=True
    )


def make(settings: Settings) -> torch.nn.Module:
    """The layer, with weights of variance 1 / fan-in."""
    size = settings.tokens if settings.axis == "tokens" else settings.width
    config = ModelConfig(
        model_type="qwen3_moe",
        hidden_size=size,
        intermediate_size=2 * size,
        moe_intermediate_size=2 * size,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=4,
        num_experts=4,
    )
    if settings.layer == "attention":
        layer = Attention(config, 0, REFERENCE)
    elif settings.layer == "feed_forward":
        layer = MLP(size, 2 * size, False, REFERENCE)
    else:
        layer = MoE(config, REFERENCE)
    for name, weight in layer.named_parameters():
        if not name.endswith("norm.weight"):
            torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
    return layer.double()


def influence(settings: Settings) -> Tensor:
    """[i, j]: norm of the derivative of token i's output with respect to token j's input."""
    layer, T = make(settings), settings.tokens
    inv_freq, factor = rope_frequencies(ModelConfig(head_dim=4))
    rope = rope_tables(inv_freq, torch.arange(T), factor, torch.float64)

    def forward(x_TD: Tensor) -> Tensor:
        x = x_TD.T[None] if settings.axis == "tokens" else x_TD[None]
        if settings.layer == "attention":
            x = layer(x, rope if settings.axis == "width" else (rope[0][:1], rope[1][:1]), None, None)
        else:
            x = layer(x) if settings.layer == "feed_forward" else layer(x, None)
        return x[0].T if settings.axis == "tokens" else x[0]

    x = torch.randn(T, settings.width, dtype=torch.float64)
    return torch.autograd.functional.jacobian(forward, x).permute(0, 2, 1, 3).flatten(2).norm(dim=-1)


def run(settings: Settings, seed: int) -> dict[str, float | list[list[float]]]:
    norms = influence(settings)
    earlier = norms[torch.ones_like(norms).tril(-1) > 0]
    later = norms[torch.ones_like(norms).triu(1) > 0]
    return {
        "own": norms.diagonal().min().item(),
        "earlier_least": earlier.min().item(),
        "earlier_most": earlier.max().item(),
        "later_most": later.max().item(),
        "influence": norms.tolist(),
    }


def draw(results: Results, figure: Figure) -> None:
    numbers = [f"{n}" for n in range(1, results.settings.tokens + 1)]
    for axes, arm in zip(figure.axes(1, len(results.arms), width=4.2), results.arms):
        figure.heatmap(axes, results.values(arm, "influence")[0], x=numbers, y=numbers, vmin=0)
        figure.name(
            axes,
            x=Text("输入：第几个词元", "input: token"),
            y=Text("输出：第几个词元", "output: token"),
            title=results.label(arm),
        )


def outcome(results: Results) -> str:
    feed_forward = results.mean("feed_forward", "earlier_most") + results.mean("feed_forward", "later_most")
    return "own" if feed_forward == 0 else "before" if results.mean("feed_forward", "later_most") == 0 else "all"


def others(arm: dict, name: str) -> float:
    """The largest influence of another token."""
    return max(arm[name]["earlier_most"], arm[name]["later_most"])


lab = Lab(
    title=Text("一个词元的输出取决于哪些词元？", "Which tokens does a token's output depend on?"),
    about_zh="""
        一个词元的输出取决于哪些词元？注意力、前馈层、混合专家，一个个看。

        这些层是引擎自己的，权重是新的随机数，用 float64。输入是随机的向量，每个词元一个。对每一对词元，
        我们求其中一个的所有输出数对另一个的所有输入数的导数（雅可比矩阵的一块），再取它的范数。范数正好是 0 的地方，
        一个对另一个就没有影响：这和舍入无关，因为这时自动求导加起来的全是 0。

        这里什么都不训练。权重随机、输入也随机，导数还是 0，那就是这种层的结构决定的。
        """,
    settings=Settings(),
    arms={name: {"layer": name} for name in LAYERS},
    labels={
        "attention": Text("注意力", "attention"),
        "feed_forward": Text("前馈层", "feed-forward"),
        "experts": Text("混合专家", "mixture of experts"),
    },
    seeds=5,
    run=run,
    metrics={
        "own": Metric(Text("自己：最小的影响", "itself: smallest influence"), format=".3g"),
        "earlier_least": Metric(Text("前面的词元：最小的影响", "earlier tokens: smallest"), format=".3g"),
        "earlier_most": Metric(Text("前面的词元：最大的影响", "earlier tokens: largest"), format=".3g"),
        "later_most": Metric(Text("后面的词元：最大的影响", "later tokens: largest"), format=".3g"),
        "influence": Metric(
            Text("输出（行）对输入（列）的导数的范数", "norm of the derivative, output (row) by input (column)")
        ),
    },
    claims=[
        Claim(
            "attention_mixes",
            Text(
                "注意力：每个词元都受前面每一个词元影响（大于 0），后面词元的影响正好是 0",
                "Attention: every token depends on every earlier one (above 0) and not at all on later ones "
                "(exactly 0)",
            ),
            lambda arm: arm["attention"]["earlier_least"] > 0 and arm["attention"]["later_most"] == 0,
            absolute=True,
        ),
        Claim(
            "feed_forward_does_not",
            Text(
                "前馈层：别的词元的影响正好是 0，自己的大于 0",
                "Feed-forward: every other token's influence is exactly 0, a token's own is above 0",
            ),
            lambda arm: others(arm, "feed_forward") == 0 and arm["feed_forward"]["own"] > 0,
        ),
        Claim(
            "experts_do_not",
            Text(
                "混合专家：别的词元的影响正好是 0，自己的大于 0",
                "Mixture of experts: every other token's influence is exactly 0, a token's own is above 0",
            ),
            lambda arm: others(arm, "experts") == 0 and arm["experts"]["own"] > 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"axis": "tokens"},
            ("attention_mixes", "feed_forward_does_not", "experts_do_not"),
            Text(
                "把词元和宽度两个维度对调：每个矩阵都乘在词元上",
                "tokens and width trade places: every matrix multiplies along the tokens",
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "前馈层里，一个词元的输出取决于谁的输入？",
            "In a feed-forward layer, whose input does a token's output depend on?",
        ),
        {
            "own": Text("只有它自己", "only its own"),
            "before": Text("它自己和前面的词元", "its own and those of earlier tokens"),
            "all": Text("所有词元", "those of all tokens"),
        },
        outcome,
    ),
    why=Text(
        "前馈层的矩阵只乘在一个词元自己的数上，别的词元没有路可以进来；混合专家只是换了几套这样的矩阵。注意"
        "力把前面词元的 value 加进来，那就是路。",
        "The matrices of a feed-forward layer multiply one token's own numbers, so there is no path in from "
        "other tokens; a mixture of experts only has several sets of such matrices. Attention adds in the values "
        "of earlier tokens, and that is a path.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
