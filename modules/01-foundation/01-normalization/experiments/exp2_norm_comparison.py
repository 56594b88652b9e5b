"""What does a norm buy when a Transformer is trained: a lower loss, or more learning rates that work?

Four models of the same size learn the same made-up language. They differ in their norm alone: none; LayerNorm behind
every addition (Post-LN, Vaswani et al., 2017); LayerNorm in front of every branch (Pre-LN); RMSNorm in front (what Llama,
Qwen3 and Fledge use). LayerNorm here has a weight and no bias, so that all have equally many parameters.

Two things decide whether a model trains: the learning rate and the start. One rate for all would favour the arm that it
happens to suit, so every arm is trained at the same rates, each √10 times the one before, without warm-up. And every arm
starts in two ways: "ordinary", all matrices random with variance 1 / fan-in; and "silent", the last matrix of every branch
0, so that a block adds nothing at first (this is how Fledge starts its models).

In the language the two words before decide the odds of the next. Its tables are known, so we can calculate the entropy
(what no model beats) and the loss of guessing, ln V. Every batch is new: the training loss is a test loss.
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
STARTS = {"ordinary": 1.0, "silent": 0.0}  # size of the branches' last matrices at first
START = {"ordinary": Text("普通初始化", "ordinary start"), "silent": Text("分支从 0 开始", "silent start")}
MATRICES = ("qkv", "out", "gate_up", "down")


@dataclass(frozen=True)
class Settings:
    layers: int = param(4, low=1, high=16, zh="层数", en="number of layers")
    width: int = param(24, low=8, high=128, zh="模型的宽度（4 的倍数）", en="width of the model (a multiple of 4)")
    vocab: int = param(16, low=4, high=64, zh="语言里有多少个词", en="words in the language")
    steps: int = param(100, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(5, low=3, high=9, zh="试几个学习率（从 0.1 往下）", en="how many learning rates (from 0.1 down)")
    norm: str = param(
        "none",
        choices=("none", "post_layer_norm", "pre_layer_norm", "pre_rms_norm", "weight_only"),
        zh="归一化和它的位置",
        en="the norm and its place",
    )


NORMS = {
    "none": lambda x, weight: x,
    "weight_only": lambda x, weight: x * weight,
    "layer_norm": lambda x, weight: F.layer_norm(x, x.shape[-1:]) * weight,
    "rms_norm": lambda x, weight: REFERENCE.rms_norm(x, weight, 1e-6),
}


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
    """New sentences for every step, [steps, rows, length + 1]: the same ones for every arm, start and rate."""
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
    """Every model's weights in one row, [models, numbers]; apart from the start all rows are the same."""
    draw, rows = torch.Generator().manual_seed(seed), []
    weights = {name: torch.randn(shape, generator=draw) for name, shape in shapes_of(settings).items()}
    weights["norm"] = torch.ones_like(weights["norm"])
    for name in (*MATRICES, "head"):
        weights[name] *= weights[name].shape[-2] ** -0.5
    for size in STARTS.values():
        started = weights | {name: size * weights[name] for name in ("out", "down")}
        rows += [torch.cat([weight.flatten() for weight in started.values()])] * settings.rates
    return torch.stack(rows).requires_grad_()


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


def losses(settings: Settings, weights: dict[str, Tensor], ids: Tensor) -> Tensor:
    """The loss of every model on the same sentences, [models]: one batched product does the work of all models."""
    norm = NORMS[settings.norm.removeprefix("post_").removeprefix("pre_")]
    branches = []
    for qkv, out, gate_up, down in zip(*(weights[name].unbind(1) for name in MATRICES)):
        branches += [(qkv, partial(attend, length=ids.shape[1] - 1), out), (gate_up, feed, down)]
    *scales, last = weights["norm"][:, :, None].unbind(1)
    x = weights["embed"][:, ids[:, :-1].flatten()]  # [models, words, D]
    for (into, inner, out), scale in zip(branches, scales):
        if settings.norm.startswith("post_"):  # noqa: SIM108 (two formulas, one under the other)
            x = norm(x + inner(x @ into) @ out, scale)
        else:
            x = x + inner(norm(x, scale) @ into) @ out
    logits = norm(x, last) @ weights["head"]
    found = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten().repeat(len(logits)), reduction="none")
    return found.view(len(logits), -1).mean(1)


def train(settings: Settings, seed: int) -> Tensor:
    """Train a model from every start at every rate, all side by side -> the losses, [steps, models]."""
    rows, history = first_weights(settings, seed), []
    mean, square = torch.zeros_like(rows), torch.zeros_like(rows)
    for step, ids in enumerate(batches(settings.vocab, settings.steps, seed), 1):
        found = losses(settings, named(settings, rows), ids)
        # A loss depends on its own model alone, so the gradient of their sum is every model's own gradient.
        (grad,) = torch.autograd.grad(found.sum(), rows)
        with torch.no_grad():
            for model, rate in enumerate(rates_of(settings) * len(STARTS)):
                REFERENCE.adamw_step(
                    rows[model], grad[model], mean[model], square[model], step,
                    lr=rate, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0,
                )  # fmt: skip
        history.append(found.detach())
    return torch.stack(history)


def rates_of(settings: Settings) -> list[float]:
    return [HIGHEST_RATE / STEP**n for n in reversed(range(settings.rates))]


def gap(settings: Settings) -> float:
    """Nats between guessing and the entropy: all that there is to learn."""
    return math.log(settings.vocab) - language(settings.vocab)[1]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Final loss from every start at every rate. A rate "works" when the loss has come halfway from chance to the entropy."""
    rates, chance, history = rates_of(settings), math.log(settings.vocab), train(settings, seed)
    final = history[-max(settings.steps // 10, 1) :].mean(0).nan_to_num(math.inf).clamp(max=WORST * chance)
    found: dict[str, float | list[float]] = {"first_loss": history[0, 0].item()}
    for start, values in zip(STARTS, final.view(len(STARTS), -1).tolist()):
        works = [rate for rate, loss in zip(rates, values) if loss < chance - gap(settings) / 2]
        found |= {
            f"best_{start}": min(values),
            f"lost_{start}": (min(values) - language(settings.vocab)[1]) / gap(settings),
            f"working_{start}": float(len(works)),
            f"top_rate_{start}": max(works, default=0.0),
            f"by_rate_{start}": values,
        }
    return found


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
    vocab = results.settings.vocab
    for axes, start in zip(figure.axes(1, 2), STARTS):
        for arm in results.arms:
            mean, low, high = results.band(arm, f"by_rate_{start}")
            figure.line(axes, rates_of(results.settings), mean, low, high, label=results.label(arm))
        landmarks(figure, axes, vocab)
        axes.set_xscale("log")
        axes.set_ylim(language(vocab)[1] - 0.1, WORST * math.log(vocab) + 0.1)
        loss = Text("最后的损失（最高画到 1.25 ln V）", "final loss (drawn up to 1.25 ln V)")
        figure.name(axes, x=Text("学习率", "learning rate"), y=loss, title=START[start])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.96), ncols=2, frameon=False, fontsize="small")
    axes.get_legend().remove()  # the same curves: the legend on the left is enough


def outcome(results: Results) -> str:
    if results.mean("none", "lost_silent") > results.mean("pre_rms_norm", "lost_silent") + 0.15:
        return "loss"
    wider = results.mean("pre_rms_norm", "working_silent") > results.mean("none", "working_silent") + 0.5
    return "rates" if wider else "nothing"


def metrics_of(start: str) -> dict[str, Metric]:
    zh, en = START[start].zh, START[start].en
    return {
        f"best_{start}": Metric(
            Text(f"{zh}：最好的损失", f"{en}: loss at the best rate"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab)[1],
        ),
        f"lost_{start}": Metric(
            Text(f"{zh}：离熵还差（瞎猜 1）", f"{en}: left to the entropy (guessing: 1)"), chance=1, floor=0
        ),
        f"working_{start}": Metric(Text(f"{zh}：几个学习率能用", f"{en}: how many rates work"), format=".1f"),
        f"top_rate_{start}": Metric(Text(f"{zh}：最高的学习率", f"{en}: highest rate that works"), format=".0e"),
        f"by_rate_{start}": Metric(Text(f"{zh}：每个学习率最后的损失", f"{en}: final loss at every rate")),
    }


lab = Lab(
    title=Text(
        "归一化让损失更低，还是让更多的学习率能用？", "Does a norm lower the loss, or make more learning rates work?"
    ),
    settings=Settings(),
    arms={name: {"norm": name} for name in ("none", "post_layer_norm", "pre_layer_norm", "pre_rms_norm")},
    labels={
        "none": Text("无归一化", "no norm"),
        "post_layer_norm": Text("LayerNorm 在后（Post-LN）", "LayerNorm behind (Post-LN)"),
        "pre_layer_norm": Text("LayerNorm 在前（Pre-LN）", "LayerNorm in front (Pre-LN)"),
        "pre_rms_norm": Text("RMSNorm 在前（Pre-LN）", "RMSNorm in front (Pre-LN)"),
    },
    seeds=3,
    run=run,
    metrics={
        "first_loss": Metric(
            Text("普通初始化：训练前的损失", "ordinary start: loss before training"),
            format=".3g",
            chance=lambda settings: math.log(settings.vocab),
        ),
        **metrics_of("ordinary"),
        **metrics_of("silent"),
    },
    claims=[
        Claim(
            "any_start",
            Text(
                "普通初始化：没有归一化时，试过的学习率没有一个能用；Pre-LN RMSNorm 至少有三个能用",
                "Ordinary start: without a norm none of the rates works; with Pre-LN RMSNorm at least three do",
            ),
            lambda arm: arm["none"]["working_ordinary"] == 0 and arm["pre_rms_norm"]["working_ordinary"] >= 3,
        ),
        Claim(
            "rates_not_loss",
            Text(
                "分支从 0 开始：最好的损失相差不到可学部分的十分之一，但 Pre-LN RMSNorm 能用的最高学习率至少是无归一化的 3 倍",
                "Silent start: the best losses differ by less than a tenth of what there is to learn, but the highest rate that "
                "works with Pre-LN RMSNorm is at least 3 times that of no norm",
            ),
            lambda arm: (
                abs(arm["none"]["lost_silent"] - arm["pre_rms_norm"]["lost_silent"]) < 0.1
                and arm["pre_rms_norm"]["top_rate_silent"] > 3 * arm["none"]["top_rate_silent"]
            ),
        ),
        Claim(
            "rms_is_enough",
            Text(
                "普通初始化：RMSNorm 和 LayerNorm（都是 Pre-LN）最好的损失相差不到可学部分的十分之一，无归一化比两者都差三成以上",
                "Ordinary start: the best losses of RMSNorm and LayerNorm (both Pre-LN) differ by less than a tenth of what there "
                "is to learn; no norm is worse than both by more than 0.3 of it",
            ),
            lambda arm: (
                abs(arm["pre_rms_norm"]["lost_ordinary"] - arm["pre_layer_norm"]["lost_ordinary"]) < 0.1
                and arm["none"]["lost_ordinary"] > 0.3 + arm["pre_rms_norm"]["lost_ordinary"]
                and arm["none"]["lost_ordinary"] > 0.3 + arm["pre_layer_norm"]["lost_ordinary"]
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"norm": "weight_only"},
            ("any_start", "rates_not_loss", "rms_is_enough"),
            Text(
                "每个归一化只剩下乘 weight，不看输入有多大",
                "every norm only multiplies by its weight, whatever its input",
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "分支从 0 开始，每一组都用自己最好的学习率。和无归一化相比，RMSNorm 带来什么？",
            "From the silent start, every arm at its own best rate: what does RMSNorm buy over no norm?",
        ),
        {
            "loss": Text(
                "明显更低的损失（超过可学部分的 15%）", "a clearly lower loss (by more than 15% of what can be learnt)"
            ),
            "rates": Text("损失差不多，但能用更高的学习率", "about the same loss, but higher rates work"),
            "nothing": Text("两样都没有", "neither"),
        },
        outcome,
    ),
    figure=draw,
    quick={"width": 16, "steps": 50, "rates": 4},
)

if __name__ == "__main__":
    lab.main()
