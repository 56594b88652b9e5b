"""What does attention cost when the text gets longer? Count the work and the memory of each part of a layer.

A layer of a Transformer reads T tokens. Its projections (q, k, v, o) and its feed-forward layer treat every token alike, so
twice the tokens are twice the work. Attention compares every token with every other: T × T scores. The lengths double from
64 on. For every part we count the floating-point operations of its matrix products (torch's own counter) and the bytes of
the largest tensor that it writes; both are the same on every machine.

The scores are computed twice: as the formula is written, which stores the table of T × T weights, and by the fused operation
`scaled_dot_product_attention`, which works through the same table tile by tile and never stores it (Dao et al., 2022). Both
do the same products; torch's counter does not see into the fused one on a CPU, so its operations are those of the formula.
Time is measured as well, and reported, not judged: it depends on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.layers import Block
from fledge.parts import REFERENCE
from fledge.parts.reference import explicit_attention

SHORTEST = 64


@dataclass(frozen=True)
class Settings:
    doublings: int = param(5, low=2, high=7, zh="长度从 64 起翻几倍", en="how often the length of 64 is doubled")
    width: int = param(64, low=16, high=512, zh="模型的宽度（16 的倍数）", en="width of the model (a multiple of 16)")
    part: str = param(
        "scores",
        choices=("projections", "feed_forward", "scores", "fused"),
        zh="一层里的哪一部分",
        en="the part of the layer",
    )
    window: int = param(
        0, low=0, high=64, zh="只看前面几个词元（0：全看）", en="look this far back (0: all)", hidden=True
    )


class Widest(TorchDispatchMode):
    """Sees every operation that torch executes, and keeps the bytes of the largest tensor that one writes."""

    bytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        self.bytes = max([self.bytes, *(leaf.nbytes for leaf in tree_leaves(out) if isinstance(leaf, Tensor))])
        return out


def works(settings: Settings, T: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """What the part does with T tokens, and the same written out so that its products can be counted."""
    heads = settings.width // 16
    config = ModelConfig(
        model_type="llama",
        hidden_size=settings.width,
        intermediate_size=settings.width * 8 // 3,
        num_hidden_layers=1,
        num_attention_heads=heads,
        num_key_value_heads=heads,
    )
    block = Block(config, 0, REFERENCE)
    x_1TD = torch.randn(1, T, settings.width)
    q_BHTD, k_BHTD, v_BHTD = torch.randn(3, 1, heads, T, 16)
    if settings.window:  # every stretch of tokens sees itself alone
        q_BHTD, k_BHTD, v_BHTD = (
            x.view(heads, -1, settings.window, 16)[None].flatten(0, 1) for x in (q_BHTD, k_BHTD, v_BHTD)
        )

    def projections() -> list[Tensor]:
        layer = block.self_attn
        return [linear(x_1TD) for linear in (layer.q_proj, layer.k_proj, layer.v_proj, layer.o_proj)]

    def scores() -> Tensor:
        return explicit_attention(q_BHTD, k_BHTD, v_BHTD, None)

    work = {
        "projections": projections,
        "feed_forward": lambda: block.mlp(x_1TD),
        "scores": scores,
        "fused": lambda: REFERENCE.attention(q_BHTD, k_BHTD, v_BHTD, None),
    }[settings.part]
    return work, scores if settings.part == "fused" else work


@torch.no_grad()
def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    flops, largest, milliseconds = [], [], []
    for doubling in range(settings.doublings + 1):
        work, written_out = works(settings, SHORTEST * 2**doubling)
        work()
        begun = time.perf_counter()
        work()
        milliseconds.append(1000 * (time.perf_counter() - begun))
        with FlopCounterMode(display=False) as counter:
            written_out()
        with Widest() as widest:
            work()
        flops.append(float(counter.get_total_flops()))
        largest.append(float(widest.bytes))
    return {
        "work_grows": flops[-1] / flops[-2],
        "memory_grows": largest[-1] / largest[-2],
        "first": flops[0] / 1e6,
        "last": flops[-1] / 1e6,
        "largest": largest[-1] / 1e6,
        "time": milliseconds[-1],
        "flops": flops,
        "bytes": largest,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    lengths = [SHORTEST * 2**n for n in range(results.settings.doublings + 1)]
    for arm in results.arms:
        if arm != "fused":
            figure.line(left, lengths, results.mean(arm, "flops"), label=results.label(arm))
        figure.line(right, lengths, results.mean(arm, "bytes"), label=results.label(arm))
    for axes, name in (
        (left, Text("浮点运算次数", "floating-point operations")),
        (right, Text("写出的最大张量（字节）", "largest tensor written (bytes)")),
    ):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(lengths, [str(length) for length in lengths])
        figure.name(axes, x=Text("词元个数 T", "number of tokens T"), y=name)


def outcome(results: Results) -> str:
    grows = results.mean("scores", "work_grows")
    return "two" if grows < 3 else "four" if grows < 6 else "eight"


lab = Lab(
    title=Text("文本变长，注意力要多做多少？", "How much more does attention cost when the text gets longer?"),
    about_zh="""
        文本变长，注意力要多做多少计算，多占多少内存？把一层的每一部分分开来数。

        Transformer 的一层读 T 个词元。投影（q、k、v、o）和前馈层对每个词元做同样的事，词元翻倍，工作就翻倍。
        注意力却要让每个词元和每个词元比一次：T × T 个分数。长度从 64 起一次次翻倍，每一部分我们数两样东西：
        矩阵乘法的浮点运算次数（用 torch 自己的计数器），和它写出的最大张量有多少字节。在哪台机器上数都一样。

        分数这一步算两遍：一遍照公式写，要存下 T × T 的权重表；一遍用融合算子 `scaled_dot_product_attention`，
        它把同一张表切成小块来算，从不整个存下（Dao 等，2022）。两者做的乘法一样多；在 CPU 上 torch 的计数器看不进
        融合算子里面，所以它的运算次数按公式来数。时间也量，但只报告，不下结论：它取决于机器。
        """,
    settings=Settings(),
    arms={name: {"part": name} for name in ("projections", "feed_forward", "scores", "fused")},
    labels={
        "projections": Text("四个投影", "four projections"),
        "feed_forward": Text("前馈层", "feed-forward layer"),
        "scores": Text("注意力（照公式）", "attention (as written)"),
        "fused": Text("注意力（融合）", "attention (fused)"),
    },
    seeds=3,
    run=run,
    metrics={
        "work_grows": Metric(Text("最后一次翻倍，运算变成几倍", "work after the last doubling ÷ before"), format=".2f"),
        "memory_grows": Metric(
            Text("最后一次翻倍，最大的张量变成几倍", "largest tensor after the last doubling ÷ before"), format=".2f"
        ),
        "first": Metric(Text("最短时的运算次数（百万）", "operations, shortest text (millions)"), format=".1f"),
        "last": Metric(Text("最长时的运算次数（百万）", "operations, longest text (millions)"), format=".1f"),
        "largest": Metric(Text("最长时最大的张量（MB）", "largest tensor, longest text (MB)"), format=".1f"),
        "time": Metric(Text("最长时的时间（毫秒）", "time, longest text (ms)"), format=".1f", noisy=True),
        "flops": Metric(Text("各个长度的运算次数", "operations by length")),
        "bytes": Metric(Text("各个长度的最大张量", "largest tensor by length")),
    },
    claims=[
        Claim(
            "quadratic",
            Text(
                "长度翻倍：投影和前馈层的运算翻倍，注意力的变成四倍",
                "When the length doubles, the projections and the feed-forward layer do twice the work, "
                "attention four times",
            ),
            lambda arm: (
                abs(arm["projections"]["work_grows"] - 2) < 0.01
                and abs(arm["feed_forward"]["work_grows"] - 2) < 0.01
                and abs(arm["scores"]["work_grows"] - 4) < 0.01
            ),
        ),
        Claim(
            "overtakes",
            Text(
                "64 个词元时，注意力的运算不到前馈层的一半；最长时是它的两倍以上",
                "With 64 tokens attention does less than half the work of the feed-forward layer, with the "
                "longest text more "
                "than twice as much",
            ),
            lambda arm: (
                arm["scores"]["first"] < 0.5 * arm["feed_forward"]["first"]
                and arm["scores"]["last"] > 2 * arm["feed_forward"]["last"]
            ),
        ),
        Claim(
            "memory",
            Text(
                "长度翻倍：照公式写的注意力，最大的张量变成四倍；融合算子的只变成两倍",
                "When the length doubles, the largest tensor of attention as written becomes four times as "
                "large, that of the "
                "fused operation only twice",
            ),
            lambda arm: arm["scores"]["memory_grows"] > 3.9 and arm["fused"]["memory_grows"] < 2.1,
        ),
    ],
    sabotages=[
        Sabotage(
            {"window": 16},
            ("quadratic", "overtakes", "memory"),
            Text("每个词元只看自己附近的 16 个", "every token sees only the 16 around it"),
        )
    ],
    prediction=Prediction(
        Text(
            "文本长度翻倍。注意力里“比较”和“取回”这两步的运算，变成几倍？",
            "The text becomes twice as long. The work of comparing and fetching in attention becomes how many "
            "times as large?",
        ),
        {
            "two": Text("2 倍", "2 times"),
            "four": Text("4 倍", "4 times"),
            "eight": Text("8 倍", "8 times"),
        },
        outcome,
    ),
    figure=draw,
    quick={"doublings": 4},
    why=Text(
        "每个词元都要和每个词元比一次，T 个词元就是 T × T 次；别的部分每个词元只做一次。融合算子也要比这么多次，"
        "只是一块一块地比，不把整张表存下来。",
        "Every token is compared with every token, which makes T × T comparisons; all other parts work once per "
        "token. The "
        "fused operation makes the same comparisons, but tile by tile, without ever storing the whole table.",
    ),
)

if __name__ == "__main__":
    lab.main()
