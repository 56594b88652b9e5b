"""The norm before the branch or after the addition: what changes at the start, and which learning rates work?

    Post-LN (Vaswani et al., 2017)      x = norm(x + branch(x))
    Pre-LN (Llama, Qwen3, Fledge)       x = x + branch(norm(x))

Same weights, same RMSNorm, same number of parameters, same data: only the place differs. With Post-LN every addition is
divided by its size again, so that every branch keeps the same share of the stream. With Pre-LN the stream grows, and each
branch's share shrinks (Xiong et al., 2020; Liu et al., 2020).

Before training we measure two things on the first batch: the gradient norm of every block, and the shift: all matrices
of the blocks are changed at random by one percent; how much do the final hidden vectors change? A training step does
just that: it changes all weights a little. Then both are trained at the same rates, each √10 times the one before, and
without warm-up (`--warmup 0.3` tries the classical remedy). The language is that of exp2_norm_comparison: guessing gives
ln V, and nothing beats the entropy.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.errors import UserError
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.rope import rope_tables
from fledge.parts import REFERENCE
from fledge.parts.reference import causal_mask, explicit_attention

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HIGHEST_RATE, STEP = 0.1, 10**0.5
WORST = 1.25  # times the loss of guessing: what is worse, or nan, counts as this
MATRICES = ("qkv", "out", "gate_up", "down")


@dataclass(frozen=True)
class Settings:
    layers: int = param(12, low=2, high=24, zh="层数", en="number of layers")
    width: int = param(24, low=8, high=128, zh="模型的宽度（4 的倍数）", en="width of the model (a multiple of 4)")
    vocab: int = param(16, low=4, high=64, zh="语言里有多少个词", en="words in the language")
    steps: int = param(100, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(6, low=3, high=9, zh="试几个学习率（从 0.1 往下）", en="how many learning rates (from 0.1 down)")
    warmup: float = param(0.0, low=0.0, high=1.0, zh="预热占训练的比例", en="share of the training that warms up")
    place: str = param("post", choices=("post", "pre"), zh="归一化的位置", en="place of the norm")
    branches: float = param(
        1.0, low=0.0, high=1.0, zh="分支输出的初始大小", en="size of the branches' output at first", hidden=True
    )


@functools.cache
def language(vocab: int) -> tuple[Tensor, float, float]:
    """The odds of the next word, [two before, one before, next]; the entropy of the language in nats a word; and the loss
    of a model that knows how frequent every word is and nothing else."""
    draw = torch.Generator().manual_seed(0)
    older, newer = 1.5 * torch.randn(2, vocab, vocab, generator=draw)
    odds = (older[:, None] + newer[None]).softmax(-1)
    pairs = torch.full((vocab, vocab), 1 / vocab**2)
    for _ in range(200):  # until the share of every pair of words no longer changes
        pairs = torch.einsum("ab,abc->bc", pairs, odds)
    words = pairs.sum(0)
    return odds, -(pairs[..., None] * odds * odds.log()).sum().item(), -(words * words.log()).sum().item()


@functools.lru_cache(maxsize=2)
def batches(vocab: int, steps: int, seed: int, rows: int = 8, length: int = 16) -> Tensor:
    """New sentences for every step, [steps, rows, length + 1]: the same ones for both arms and every rate."""
    odds = language(vocab)[0]
    draw = torch.Generator().manual_seed(seed)
    words = list(torch.randint(vocab, (2, steps * rows), generator=draw))
    while len(words) < length + 11:
        words.append(torch.multinomial(odds[words[-2], words[-1]], 1, generator=draw)[:, 0])
    return torch.stack(words[10:], 1).view(steps, rows, length + 1)  # the first ten words still show the random start


def shapes_of(settings: Settings) -> dict[str, tuple[int, ...]]:
    """The weights of one model."""
    layers, width, vocab = settings.layers, settings.width, settings.vocab
    if width % 4:
        raise UserError(f"--width must be a multiple of 4, not {width}: two heads, and RoPE turns pairs of numbers.")
    return {
        "qkv": (layers, width, 3 * width),
        "out": (layers, width, width),
        "gate_up": (layers, width, 4 * width),
        "down": (layers, 2 * width, width),
        "head": (width, vocab),
        "embed": (vocab, width),
        "norm": (2 * layers + 1, width),
    }


def first_weights(settings: Settings, seed: int) -> Tensor:
    """One row of weights for every rate, [models, numbers], all the same. Matrices have variance 1 / fan-in."""
    draw = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(shape, generator=draw) for name, shape in shapes_of(settings).items()}
    weights["norm"] = torch.ones_like(weights["norm"])
    for name in (*MATRICES, "head"):
        weights[name] *= weights[name].shape[-2] ** -0.5
    for name in ("out", "down"):
        weights[name] *= settings.branches
    return torch.cat([weight.flatten() for weight in weights.values()]).repeat(settings.rates, 1).requires_grad_()


def named(settings: Settings, rows: Tensor) -> dict[str, Tensor]:
    """The same numbers by name, each [models, ...] of its shape."""
    shapes = shapes_of(settings)
    pieces = rows.split([math.prod(shape) for shape in shapes.values()], 1)
    return {name: piece.unflatten(1, shape) for (name, shape), piece in zip(shapes.items(), pieces)}


@functools.cache
def angles(length: int, size: int) -> tuple[Tensor, Tensor]:
    """RoPE's cosines and sines for the positions of a sentence, as in `fledge.model`."""
    inverse_frequencies = 10000.0 ** -(torch.arange(size // 2) / (size // 2))
    return rope_tables(inverse_frequencies, torch.arange(length), 1.0, torch.float32)


def attend(qkv: Tensor, length: int) -> Tensor:
    """Causal attention with RoPE, two heads, inside every sentence: [models, words, 3 D] -> [models, words, D]."""
    models, words, size = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.view(-1, length, 3, 2, size // 2).permute(2, 0, 3, 1, 4)
    q, k = (REFERENCE.apply_rope(x, *angles(length, size // 2)) for x in (q, k))
    # The formula itself, not the fused kernel: for sentences this short its backward pass is faster.
    mixed = explicit_attention(q, k, v, causal_mask(length, q))
    return mixed.transpose(1, 2).reshape(models, words, size)


def feed(gate_up: Tensor) -> Tensor:
    return REFERENCE.swiglu(*gate_up.chunk(2, -1))


def hidden(settings: Settings, weights: dict[str, Tensor], ids: Tensor) -> Tensor:
    """The final hidden vectors of every model, [models, words, D]: one batched product does the work of all models."""
    branches = []
    for qkv, out, gate_up, down in zip(*(weights[name].unbind(1) for name in MATRICES)):
        branches += [(qkv, partial(attend, length=ids.shape[1] - 1), out), (gate_up, feed, down)]
    *scales, last = weights["norm"][:, :, None].unbind(1)
    x = weights["embed"][:, ids[:, :-1].flatten()]
    for (into, inner, out), scale in zip(branches, scales):
        if settings.place == "post":  # noqa: SIM108 (two formulas, one under the other)
            x = norm(x + inner(x @ into) @ out, scale)
        else:
            x = x + inner(norm(x, scale) @ into) @ out
    return norm(x, last)


def norm(x: Tensor, weight: Tensor) -> Tensor:
    return REFERENCE.rms_norm(x, weight, 1e-6)


def losses(settings: Settings, weights: dict[str, Tensor], ids: Tensor) -> Tensor:
    """The loss of every model on the same sentences, [models]."""
    logits = hidden(settings, weights, ids) @ weights["head"]
    found = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten().repeat(len(logits)), reduction="none")
    return found.view(len(logits), -1).mean(1)


def gradients(settings: Settings, rows: Tensor, ids: Tensor) -> list[float]:
    """Norm of the gradient of every block's matrices, first block first; the models are still equal, so of the first."""
    (grad,) = torch.autograd.grad(losses(settings, named(settings, rows), ids)[0], rows)
    grads = named(settings, grad)
    return torch.cat([grads[name][0].flatten(1) for name in MATRICES], 1).norm(dim=1).tolist()


@torch.no_grad()
def shift(settings: Settings, rows: Tensor, ids: Tensor, by: float = 0.01) -> float:
    """Relative change of the final hidden vectors when the blocks' matrices change at random by the share `by`."""
    weights = named(settings, rows[:1])
    moved = dict(weights)
    for name in MATRICES:
        noise = torch.randn_like(weights[name])
        moved[name] = weights[name] + by * weights[name].norm() / noise.norm() * noise
    before, after = hidden(settings, weights, ids), hidden(settings, moved, ids)
    return ((after - before).norm() / before.norm()).item()


def train(settings: Settings, seed: int) -> Tensor:
    """Train one model at every rate, all side by side -> the losses, [steps, models]."""
    rows, history = first_weights(settings, seed), []
    mean, square = torch.zeros_like(rows), torch.zeros_like(rows)
    for step, ids in enumerate(batches(settings.vocab, settings.steps, seed), 1):
        found = losses(settings, named(settings, rows), ids)
        # A loss depends on its own model alone, so the gradient of their sum is every model's own gradient.
        (grad,) = torch.autograd.grad(found.sum(), rows)
        rising = min(1.0, step / max(settings.warmup * settings.steps, 1.0))
        with torch.no_grad():
            for model, rate in enumerate(rates_of(settings)):
                REFERENCE.adamw_step(
                    rows[model], grad[model], mean[model], square[model], step,
                    lr=rising * rate, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0,
                )  # fmt: skip
        history.append(found.detach())
    return torch.stack(history)


def rates_of(settings: Settings) -> list[float]:
    return [HIGHEST_RATE / STEP**n for n in reversed(range(settings.rates))]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """A rate "works" when its final loss has come at least halfway from chance to the entropy."""
    rates, chance = rates_of(settings), math.log(settings.vocab)
    floor = language(settings.vocab)[1]
    rows, ids = first_weights(settings, seed), batches(settings.vocab, settings.steps, seed)[0]
    norms, shifted = gradients(settings, rows, ids), shift(settings, rows, ids)
    final = train(settings, seed)[-max(settings.steps // 10, 1) :].mean(0)
    final = final.nan_to_num(math.inf).clamp(max=WORST * chance).tolist()
    works = [rate for rate, loss in zip(rates, final) if loss < (chance + floor) / 2]
    return {
        "shift": shifted,
        "ratio": norms[0] / norms[-1],
        "best": min(final),
        "top_rate": max(works, default=0.0),
        "working": float(len(works)),
        "by_layer": norms,
        "by_rate": final,
    }


def landmarks(figure: Figure, axes: Axes, vocab: int) -> None:
    """Losses that are known without any training, as dashed lines with their names."""
    _, entropy, frequencies = language(vocab)
    for value, name in (
        (math.log(vocab), Text("瞎猜 ln V", "guessing, ln V")),
        (frequencies, Text("只知道词频", "knowing how frequent each word is")),
        (entropy, Text("熵：谁也到不了它的下面", "entropy: nothing gets below")),
    ):
        axes.axhline(value, color="0.45", linestyle="--", linewidth=1)
        where = {"xycoords": axes.get_yaxis_transform(), "xytext": (2, 3), "textcoords": "offset points"}
        axes.annotate(figure.words(name), (0, value), **where, fontsize="x-small", color="0.35")


def draw(results: Results, figure: Figure) -> None:
    left, middle, right = figure.axes(1, 3, width=4.6)
    settings = results.settings
    for arm in results.arms:
        norms, losses = results.band(arm, "by_layer"), results.band(arm, "by_rate")
        figure.line(left, range(1, len(norms[0]) + 1), *norms, label=results.label(arm))
        figure.line(right, rates_of(settings), *losses, label=results.label(arm))
    left.set_ylim(bottom=0)
    gradient = Text("梯度的范数", "norm of the gradient")
    figure.name(left, x=Text("第几个块", "block"), y=gradient, title=Text("训练前：梯度", "before training: gradient"))
    means, lows, highs = zip(*(results.band(arm, "shift") for arm in results.arms))
    spread = [[mean - low for mean, low in zip(means, lows)], [high - mean for mean, high in zip(means, highs)]]
    figure.bars(middle, [results.label(arm) for arm in results.arms], means, spread)
    change = Text("输出的相对变化", "relative change of the output")
    figure.name(middle, y=change, title=Text("训练前：权重变 1%", "before training: weights change by 1%"))
    landmarks(figure, right, settings.vocab)
    right.set_xscale("log")
    loss = Text("最后的损失（最多画到 1.25 ln V）", "final loss (drawn up to 1.25 ln V)")
    figure.name(right, x=Text("学习率", "learning rate"), y=loss, title=Text("训练后", "after training"))
    right.legend(loc="center", bbox_to_anchor=(0.5, 0.68), ncols=2, frameon=False, fontsize="small")


def outcome(results: Results) -> str:
    pre, post = results.mean("pre", "working"), results.mean("post", "working")
    return "pre" if pre > post + 1 else "post" if post > pre + 1 else "same"


lab = Lab(
    title=Text(
        "归一化放在分支之前还是相加之后，有什么不同？",
        "The norm before the branch or after the addition: what differs?",
    ),
    settings=Settings(),
    arms={"post": {"place": "post"}, "pre": {"place": "pre"}},
    labels={"post": Text("Post-LN（在后）", "Post-LN (behind)"), "pre": Text("Pre-LN（在前）", "Pre-LN (in front)")},
    seeds=3,
    run=run,
    metrics={
        "shift": Metric(Text("权重变 1%，输出变了", "change of the output when weights change by 1%"), format=".1%"),
        "ratio": Metric(
            Text("首块 ÷ 末块的梯度", "gradient of the first block ÷ of the last, before training"),
            format=".2f",
        ),
        "best": Metric(
            Text("最好的学习率下的损失", "loss at the best rate"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab)[1],
        ),
        "top_rate": Metric(Text("能用的最高学习率", "highest rate that works"), format=".0e"),
        "working": Metric(Text("有几个学习率能用", "how many of the rates work"), format=".1f"),
        "by_layer": Metric(Text("每个块的梯度范数（训练前）", "gradient norm of every block (before training)")),
        "by_rate": Metric(Text("每个学习率最后的损失", "final loss at every rate")),
    },
    claims=[
        Claim(
            "shift",
            Text(
                "训练前，权重同样变 1%，Post-LN 的输出变化至少是 Pre-LN 的 1.3 倍",
                "Before training, weights changed by 1% change the output of Post-LN at least 1.3 times as much as that of Pre-LN",
            ),
            lambda arm: arm["post"]["shift"] > 1.3 * arm["pre"]["shift"],
        ),
        Claim(
            "trains",
            Text(
                "没有预热：Pre-LN 至少有三个学习率能用，Post-LN 一个也没有",
                "No warm-up: at least three of the rates work with Pre-LN, and none with Post-LN",
            ),
            lambda arm: arm["pre"]["working"] >= 3 and arm["post"]["working"] == 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"branches": 0.0},
            ("shift",),
            Text(
                "分支的输出从 0 开始：两种块在训练前都是恒等映射",
                "the branches' outputs start at 0: both blocks start as the identity",
            ),
        ),
        Sabotage({"place": "pre"}, ("trains",), Text("两组都用 Pre-LN", "both arms use Pre-LN")),
    ],
    prediction=Prediction(
        Text(
            "哪一种能用更高的学习率（相差 2 倍以上才算）？",
            "Which one bears the higher learning rate (by more than 2 times)?",
        ),
        {"pre": Text("Pre-LN", "Pre-LN"), "post": Text("Post-LN", "Post-LN"), "same": Text("差不多", "about the same")},
        outcome,
    ),
    figure=draw,
    quick={"layers": 10, "width": 16, "steps": 60, "rates": 4},
)

if __name__ == "__main__":
    lab.main()
