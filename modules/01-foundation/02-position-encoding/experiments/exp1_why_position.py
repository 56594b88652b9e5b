"""What can a model learn about word order when nothing tells it the order, and how much does a causal mask tell it?

Every sentence holds the same eight words in random order, so which words there are says nothing; only their order differs.
At every word but the first the model answers two questions: "which word comes directly before me?" and "which word comes
first in the sentence?" (It may see the answer: nothing here is a prediction of the future.) Every batch is new, so the
training loss is a test loss.

The arms differ in where order can come from: from nothing (attention sees all words and has no position encoding), from
the causal mask alone (no position encoding, but a word sees only itself and the words before it: Haviv et al., 2022), or
from RoPE alone (no mask). With nothing, the other words can trade places without changing any answer: however long it
trains, the loss cannot get below ln 7, because seven words are equally likely.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import tiny_model
from fledge.model.config import ModelConfig
from fledge.model.layers import Block
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE, Parts
from fledge.parts.reference import explicit_attention

RATES = (1e-2, 3e-3)
ROWS = 16
POINTS = 20  # of a learning curve
TASKS = {
    "before": Text("前面紧挨着的是哪个词？", "which word comes directly before?"),
    "first": Text("整句话的第一个词是哪个？", "which word comes first?"),
}


@dataclass(frozen=True)
class Settings:
    words: int = param(8, low=4, high=16, zh="一句话里有几个词", en="words in a sentence")
    width: int = param(32, low=8, high=64, zh="模型的宽度（8 的倍数）", en="width of the model (a multiple of 8)")
    steps: int = param(100, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(
        2, low=1, high=2, zh="试几个学习率（0.01、0.003）", en="how many learning rates are tried (0.01, 0.003)"
    )
    order: str = param(
        "nothing", choices=("nothing", "mask", "rope"), zh="次序从哪里来", en="where order can come from"
    )


def sees_all(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention without a mask: every word sees the whole sentence."""
    return explicit_attention(q, k, v, None)


class Unmasked(Block):
    def __init__(self, config: ModelConfig, layer: int, parts: Parts):
        super().__init__(config, layer, replace(parts, attention=sees_all))


def reader(settings: Settings, seed: int) -> Transformer:
    """Fledge's model with two blocks; it gives two answers for every word, so its head has twice as many outputs."""
    parts = REFERENCE if settings.order == "rope" else replace(REFERENCE, apply_rope=lambda x, cos, sin: x)
    block = Block if settings.order == "mask" else Unmasked
    return tiny_model(2 * settings.words, seed, width=settings.width, heads=4, parts=parts, block=block)


@functools.lru_cache(maxsize=2)
def sentences(words: int, steps: int, seed: int) -> Tensor:
    """[steps, rows, words], each row in an order of its own; the same ones for every arm."""
    return torch.rand(steps, ROWS, words, generator=torch.Generator().manual_seed(seed)).argsort(-1)


def answers(ids: Tensor) -> Tensor:
    """To both questions, for every word but the first, [rows, words - 1, 2]."""
    before = ids[:, :-1]
    return torch.stack((before, before[:, :1].expand_as(before)), -1)


def train(settings: Settings, seed: int, rate: float) -> tuple[Tensor, Tensor]:
    """(loss, share of right answers) of both questions at every step, [steps, 2] each."""
    torch.manual_seed(seed)
    model, history = reader(settings, seed), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    for ids in sentences(settings.words, settings.steps, seed):
        logits = model(ids)[:, 1:].unflatten(-1, (2, settings.words))
        want = answers(ids)
        losses = F.cross_entropy(logits.movedim(-1, 1), want, reduction="none").mean((0, 1))
        history.append((losses.detach(), (logits.argmax(-1) == want).double().mean((0, 1))))
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
    found = [torch.stack(values) for values in zip(*history)]
    return found[0], found[1]


def chance(settings: Settings) -> float:
    """Nats: all words but the own one are equally likely."""
    return math.log(settings.words - 1)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Everything at the rate whose loss is lowest in the last tenth of the steps."""
    end = max(settings.steps // 10, 1)
    losses, right = min(
        (train(settings, seed, rate) for rate in RATES[: settings.rates]),
        key=lambda found: found[0][-end:].sum().item(),
    )
    metrics: dict[str, float | list[float]] = {}
    for number, task in enumerate(TASKS):
        metrics[task] = losses[-end:, number].mean().item()
        metrics[f"{task}_share"] = losses[-end:, number].mean().item() / chance(settings)
        metrics[f"{task}_right"] = right[-end:, number].mean().item()
        metrics[f"{task}_curve"] = [part.mean().item() for part in losses[:, number].tensor_split(POINTS)]
    return metrics


def draw(results: Results, figure: Figure) -> None:
    steps = [round((n + 0.5) * results.settings.steps / POINTS) for n in range(POINTS)]
    for axes, (task, question) in zip(figure.axes(1, 2), TASKS.items()):
        for arm in results.arms:
            figure.line(axes, steps, *results.band(arm, f"{task}_curve"), label=results.label(arm))
        figure.floor(axes, chance(results.settings), Text("瞎猜", "guessing"))
        axes.set_ylim(0, 1.3 * chance(results.settings))
        figure.name(axes, x=Text("训练步数", "training steps"), y=Text("损失", "loss"), title=question)


def outcome(results: Results) -> str:
    share = max(results.mean("mask", f"{task}_share") for task in TASKS)
    return "nothing" if share > 0.9 else "some" if share > 0.5 else "much"


def loss_metrics(task: str) -> dict[str, Metric]:
    zh, en = TASKS[task].zh, TASKS[task].en
    return {
        task: Metric(Text(f"损失：{zh}", f"loss: {en}"), chance=chance, floor=0),
        f"{task}_right": Metric(
            Text("……答对的比例", "… correct answers"),
            format=".0%",
            chance=lambda settings: 1 / (settings.words - 1),
        ),
        f"{task}_share": Metric(Text("……与瞎猜的损失之比", "… ÷ loss of guessing"), format=".2f", chance=1),
        f"{task}_curve": Metric(Text("……训练中的损失", "… during training")),
    }


lab = Lab(
    title=Text("没有位置编码，模型能学会词的次序吗？", "Can a model without positions learn word order?"),
    about_zh="""
        没有谁告诉模型次序时，它能学会多少词的次序？因果掩码又说出了多少？

        每句话都是同样的八个词，只是打乱了：有哪些词什么也说明不了，不同的只有次序。除了第一个词，
        模型在每个词上都回答两个问题：“我前面紧挨着的是哪个词？”和“整句话的第一个词是哪个？”
        （它可以看见答案：这里不是预测后面的词。）每一批都是新的句子，训练损失也就是测试损失。

        各组的差别在于次序可以从哪里来：哪里也没有（注意力看得到所有的词，也没有位置编码）；
        只有因果掩码（没有位置编码，但每个词只看得到自己和前面的词，见 Haviv 等，2022）；只有 RoPE（没有掩码）。
        哪里也没有时，别的词互换位置，答案一点不变。所以无论训练多久，损失都降不到 ln 7 以下：七个词的可能性一样大。
        """,
    settings=Settings(),
    arms={name: {"order": name} for name in ("nothing", "mask", "rope")},
    labels={
        "nothing": Text("无位置、无掩码", "no positions, no mask"),
        "mask": Text("只有因果掩码", "causal mask only"),
        "rope": Text("只有 RoPE", "RoPE only"),
    },
    seeds=3,
    run=run,
    metrics={**loss_metrics("before"), **loss_metrics("first")},
    claims=[
        Claim(
            "nothing_learnt",
            Text(
                "什么都没有：两个问题的损失都不低于瞎猜的 0.98 倍",
                "With nothing, the loss on both questions is at least 0.98 times that of guessing",
            ),
            lambda arm: all(arm["nothing"][f"{task}_share"] >= 0.98 for task in TASKS),
            absolute=True,
        ),
        Claim(
            "mask_tells",
            Text(
                "只有因果掩码：两个问题的损失都不到什么都没有时的一半",
                "With the causal mask only, the loss on both questions is less than half of what it is with nothing",
            ),
            lambda arm: all(arm["mask"][task] < 0.5 * arm["nothing"][task] for task in TASKS),
        ),
        Claim(
            "rope_neighbour",
            Text(
                "只有 RoPE：“前面紧挨着的词”的损失不到什么都没有时的一半",
                "With RoPE only, the loss on 'directly before' is less than half of what it is with nothing",
            ),
            lambda arm: arm["rope"]["before"] < 0.5 * arm["nothing"]["before"],
        ),
        Claim(
            "mask_first",
            Text(
                "训练同样多步以后，“第一个词”的损失：因果掩码不到 RoPE 的一半",
                "After the same number of steps, the loss on 'which comes first' is less than half as high with "
                "the mask as with RoPE",
            ),
            lambda arm: arm["mask"]["first"] < 0.5 * arm["rope"]["first"],
        ),
    ],
    sabotages=[
        Sabotage(
            {"order": "nothing"},
            ("mask_tells", "rope_neighbour", "mask_first"),
            Text("三组都没有位置，也没有掩码", "none of the three arms has positions or a mask"),
        ),
        Sabotage({"order": "mask"}, ("nothing_learnt",), Text("三组都有因果掩码", "all three arms have a causal mask")),
    ],
    prediction=Prediction(
        Text(
            "没有位置编码，只有因果掩码（每个词只看得到自己和前面的词）。模型能学会多少次序？",
            "No position encoding, only a causal mask (a word sees itself and the words before it). How much "
            "order can be learnt?",
        ),
        {
            "nothing": Text("学不会：和瞎猜一样", "none: no better than guessing"),
            "some": Text("一点：损失降不到瞎猜的一半", "some: the loss stays above half of guessing"),
            "much": Text("很多：两个问题的损失都降到一半以下", "a lot: both losses fall below half of guessing"),
        },
        outcome,
    ),
    why=Text(
        "没有位置也没有掩码时，交换别的两个词，输入对这个词来说毫无变化，所以只能瞎猜。因果掩码让第一个词只"
        "看得到自己、第二个词看得到两个……能看到多少个词，就透露了它排在第几。",
        "With neither positions nor a mask, exchanging two other words changes nothing that this word can see, "
        "so it can only guess. A causal mask lets the first word see one word, the second two, and so on: how "
        "many it sees gives away its place.",
    ),
    figure=draw,
    quick={"words": 5, "steps": 30, "rates": 1},
)

if __name__ == "__main__":
    lab.main()
