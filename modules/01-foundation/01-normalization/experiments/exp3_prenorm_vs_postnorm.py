"""The norm before the branch or after the addition: what changes at the start, and which learning rates work?

    Post-LN (Vaswani et al., 2017)      x = norm(x + branch(x))
    Pre-LN (Llama, Qwen3, Fledge)       x = x + branch(norm(x))

Same weights, same RMSNorm, same number of parameters, same data: only the position of the norm differs. Post-LN rescales
the stream after every addition, so every branch keeps the same share of it. With Pre-LN the stream grows and each
branch's share of it shrinks (Xiong et al., 2020; Liu et al., 2020).

Before training we take three measurements on the first batch. The gradient norm of every block. The share: how large what
the last block adds is, compared with the stream that it adds to. And the shift: every matrix in the blocks is changed at
random by one percent; how much do the final hidden vectors change? A training step does just that, it changes all weights
a little. Then both are trained at the same rates, each √10 times the one before, without warm-up (`--warmup 0.3` tries
the classic remedy). The language is the one of exp2_norm_comparison: guessing costs ln V, and nothing beats the entropy.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import PostNorm, batches, final, language, next_word_loss, sweep, tiny_model
from fledge.model.layers import Block
from fledge.model.transformer import Transformer

HIGHEST_RATE, STEP = 0.1, 10**0.5
WORST = 1.25  # times the loss of guessing: what is worse, or nan, counts as this


@dataclass(frozen=True)
class Settings:
    layers: int = param(12, low=2, high=24, zh="层数", en="number of layers")
    width: int = param(24, low=8, high=128, zh="模型的宽度（4 的倍数）", en="width of the model (a multiple of 4)")
    vocab: int = param(16, low=4, high=64, zh="语言里有多少个词", en="words in the language")
    steps: int = param(100, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(6, low=3, high=9, zh="试几个学习率（从 0.1 往下）", en="how many learning rates (from 0.1 down)")
    warmup: float = param(0.0, low=0.0, high=1.0, zh="预热占训练的比例", en="share of training spent warming up")
    place: str = param("post", choices=("post", "pre"), zh="归一化的位置", en="where the norm goes")
    branches: float = param(
        1.0, low=0.0, high=1.0, zh="分支输出的初始大小", en="initial size of the branches' output", hidden=True
    )


@torch.no_grad()
def model_of(settings: Settings, seed: int) -> Transformer:
    """The model of an arm; its head is random too, or no gradient would come back from it before the first step."""
    block = PostNorm if settings.place == "post" else Block
    model = tiny_model(settings.vocab, seed, width=settings.width, layers=settings.layers, block=block)
    nn.init.normal_(model.lm_head.weight, std=settings.width**-0.5)
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight *= settings.branches
    return model


def matrices(block: nn.Module) -> list[Tensor]:
    return [weight for weight in block.parameters() if weight.ndim == 2]


def gradients(model: Transformer, ids: Tensor) -> list[float]:
    """Norm of the gradient of every block's matrices, first block first."""
    loss = next_word_loss(model(ids[:, :-1]), ids[:, 1:])
    found = torch.autograd.grad(loss, [weight for block in model.model.layers for weight in matrices(block)])
    blocks = zip(*[iter(found)] * len(matrices(model.model.layers[0])))
    return [torch.cat([grad.flatten() for grad in grads]).norm().item() for grads in blocks]


@torch.no_grad()
def shift(model: Transformer, ids: Tensor, by: float = 0.01) -> float:
    """Relative change of the final hidden vectors when the blocks' matrices change at random by the share `by`."""
    moved = copy.deepcopy(model)
    for weight in (weight for block in moved.model.layers for weight in matrices(block)):
        noise = torch.randn_like(weight)
        weight += by * weight.norm() / noise.norm() * noise
    before, after = model.hidden(ids[:, :-1]), moved.hidden(ids[:, :-1])
    return ((after - before).norm() / before.norm()).item()


@torch.no_grad()
def share(model: Transformer, ids: Tensor) -> float:
    """Of the stream behind the last block, how large what its feed-forward layer added is: ratio of the lengths."""
    seen = {}
    last = model.model.layers[-1]
    branch = last.mlp.register_forward_hook(lambda module, args, out: seen.update(added=out))
    after = last.register_forward_hook(lambda module, args, out: seen.update(stream=out))
    model.hidden(ids[:, :-1])
    branch.remove()
    after.remove()
    return (seen["added"].norm(dim=-1) / seen["stream"].norm(dim=-1)).mean().item()


def rates_of(settings: Settings) -> list[float]:
    return [HIGHEST_RATE / STEP**n for n in reversed(range(settings.rates))]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """A rate "works" when its final loss has come at least halfway from chance to the entropy."""
    rates, chance = rates_of(settings), math.log(settings.vocab)
    model, data = model_of(settings, seed), batches(settings.vocab, settings.steps, seed)
    norms, shifted = gradients(model, data[0]), shift(model, data[0])
    losses = final(sweep(model, rates, data, warmup=settings.warmup), worst=WORST * chance)
    works = [rate for rate, loss in zip(rates, losses) if loss < (chance + language(settings.vocab).entropy) / 2]
    return {
        "shift": shifted,
        "share": share(model, data[0]),
        "ratio": norms[0] / norms[-1],
        "best": min(losses),
        "top_rate": max(works, default=0.0),
        "working": float(len(works)),
        "by_layer": norms,
        "by_rate": losses,
    }


def draw(results: Results, figure: Figure) -> None:
    left, middle, right = figure.axes(1, 3, width=4.6)
    settings = results.settings
    for arm in results.arms:
        norms, losses = results.band(arm, "by_layer"), results.band(arm, "by_rate")
        figure.line(left, range(1, len(norms[0]) + 1), *norms, label=results.label(arm))
        figure.line(right, rates_of(settings), *losses, label=results.label(arm))
    left.set_ylim(bottom=0)
    gradient = Text("梯度的范数", "gradient norm")
    figure.name(left, x=Text("第几个块", "block"), y=gradient, title=Text("训练前：梯度", "before training: gradient"))
    means, lows, highs = zip(*(results.band(arm, "shift") for arm in results.arms))
    spread = [[mean - low for mean, low in zip(means, lows)], [high - mean for mean, high in zip(means, highs)]]
    figure.bars(middle, [results.label(arm) for arm in results.arms], means, spread)
    change = Text("输出的相对变化", "relative change of the output")
    figure.name(middle, y=change, title=Text("训练前：权重变 1%", "before training: weights changed by 1%"))
    known = language(settings.vocab)
    figure.floor(right, math.log(settings.vocab), Text("瞎猜 ln V", "guessing, ln V"))
    figure.floor(right, known.entropy_of_none, Text("只知道词频", "knowing only word frequencies"))
    figure.floor(right, known.entropy, Text("熵：谁也到不了它的下面", "entropy: the best possible"))
    right.set_xscale("log")
    right.set_ylim(top=1.25 * math.log(settings.vocab))  # room for the legend
    loss = Text("最后的损失（最多画到 1.25 ln V）", "final loss (drawn up to 1.25 ln V)")
    figure.name(right, x=Text("学习率", "learning rate"), y=loss, title=Text("训练后", "after training"))
    right.legend(loc="upper center", ncols=2, frameon=False, fontsize="small")


def outcome(results: Results) -> str:
    pre, post = results.mean("pre", "working"), results.mean("post", "working")
    return "pre" if pre > post + 1 else "post" if post > pre + 1 else "same"


lab = Lab(
    title=Text(
        "归一化放在分支之前还是相加之后，有什么不同？",
        "Norm before the branch or after the addition: what is the difference?",
    ),
    about_zh="""
        归一化放在分支之前，还是相加之后：一开始有什么不同，哪些学习率能用？

            Post-LN（Vaswani 等，2017）         x = norm(x + 分支(x))
            Pre-LN（Llama、Qwen3、Fledge）      x = x + 分支(norm(x))

        权重一样，用的都是 RMSNorm，参数一样多，数据也一样：只差位置。Post-LN 每加一次，就再除以自己的大小，
        每条分支在主干里永远占同样大的份额。Pre-LN 的主干越加越大，每条分支占的份额越来越小
        （Xiong 等，2020；Liu 等，2020）。

        训练之前，我们在第一批数据上量三样东西。一是每个块的梯度范数。二是份额（`share`）：最后一个块加上去的东西，
        和它加上去的那条主干相比有多大。三是输出的变化（`shift`）：把块里所有的矩阵随机地改动百分之一，
        看最后的隐藏向量变了多少。训练的一步做的正是这件事：把所有权重都改一点点。
        然后两种都用同样的几个学习率训练，后一个是前一个的 √10 倍，不预热（`--warmup 0.3` 可以试试这个传统的补救办法）。
        语言就是 exp2_norm_comparison 里的那一种：瞎猜的损失是 ln V，谁也到不了熵的下面。
        """,
    settings=Settings(),
    arms={"post": {"place": "post"}, "pre": {"place": "pre"}},
    labels={"post": Text("Post-LN（在后）", "Post-LN (after)"), "pre": Text("Pre-LN（在前）", "Pre-LN (before)")},
    seeds=3,
    run=run,
    metrics={
        "shift": Metric(Text("权重变 1%，输出变了", "output change when weights change by 1%"), format=".1%"),
        "share": Metric(Text("末块的前馈层在主干里占", "share of the last branch in the stream"), format=".0%"),
        "ratio": Metric(
            Text("首块 ÷ 末块的梯度", "first block's gradient ÷ last block's, before training"),
            format=".2f",
        ),
        "best": Metric(
            Text("最好的学习率下的损失", "loss at the best rate"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab).entropy,
        ),
        "top_rate": Metric(Text("能用的最高学习率", "highest rate that works"), format=".0e"),
        "working": Metric(Text("有几个学习率能用", "how many rates work"), format=".1f"),
        "by_layer": Metric(Text("每个块的梯度范数（训练前）", "gradient norm of each block (before training)")),
        "by_rate": Metric(Text("每个学习率最后的损失", "final loss at every rate")),
    },
    claims=[
        Claim(
            "shift",
            Text(
                "训练前，权重同样变 1%，Post-LN 的输出变化至少是 Pre-LN 的 1.3 倍",
                "Before training, changing the weights by 1% changes the output of Post-LN at least 1.3 times as "
                "much as that of Pre-LN",
            ),
            lambda arm: arm["post"]["shift"] > 1.3 * arm["pre"]["shift"],
        ),
        Claim(
            "share",
            Text(
                "训练前，末块加上去的东西在主干里占的份额，Post-LN 是 Pre-LN 的 2 倍以上",
                "Before training, what the last block adds is more than 2 times as large a share of the stream "
                "with Post-LN as "
                "with Pre-LN",
            ),
            lambda arm: arm["post"]["share"] > 2 * arm["pre"]["share"],
        ),
        Claim(
            "trains",
            Text(
                "没有预热：Pre-LN 至少有三个学习率能用，Post-LN 一个也没有",
                "Without warm-up, at least three of the rates work with Pre-LN and none with Post-LN",
            ),
            lambda arm: arm["pre"]["working"] >= 3 and arm["post"]["working"] == 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"branches": 0.0},
            ("shift", "share"),
            Text(
                "分支的输出从 0 开始：两种块在训练前都是恒等映射",
                "the branches' outputs start at 0: both kinds of block start as the identity",
            ),
        ),
        Sabotage({"place": "pre"}, ("trains",), Text("两组都用 Pre-LN", "both arms use Pre-LN")),
    ],
    prediction=Prediction(
        Text(
            "哪一种能用的学习率更多？",
            "Which of them works at more learning rates?",
        ),
        {"pre": Text("Pre-LN", "Pre-LN"), "post": Text("Post-LN", "Post-LN"), "same": Text("差不多", "about the same")},
        outcome,
    ),
    why=Text(
        "Post-LN 每加一次就重新除一次，每条分支永远占同样大的份额，十二层的改动一层层叠上去；Pre-LN 的主干越加越"
        "大，越往后一条分支占得越少，同样的改动就被冲淡了。（Liu 等，2020 给出的解释；份额在上面量过了。）",
        "Post-LN rescales after every addition, so every branch keeps the same share of the stream and the "
        "changes of twelve layers pile up. The stream of Pre-LN grows, later branches are a smaller share of it, "
        "and the same changes are diluted. (The explanation is Liu et al.'s, 2020; the shares are measured "
        "above.)",
    ),
    figure=draw,
    quick={"layers": 10, "width": 16, "steps": 60, "rates": 4},
)

if __name__ == "__main__":
    lab.main()
