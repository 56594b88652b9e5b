"""One table for reading and writing: what changes when the output head is tied to the embedding?

Both arms are the same model; in one the head uses the embedding's weights (Press & Wolf, 2017), in the other it has its
own. Seed, data, steps and learning rates are equal; the starting values are each arm's own (a tied table starts small; an
untied one does not, and its head starts at zero: see `Transformer.init_weights`).

Besides the loss, four things are measured that need no training: the parameters, the logits before the first step, the loss
they give (against ln V, that of guessing), and the gradient of the embedding rows whose words do not occur in the input.
Untied, such a row is never read and gets none; tied, it is also a row of the head, and the head scores every word.
(For this measurement the untied head is random: a head of zeros sends no gradient back to any row.)
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import batches, final, language, next_word_loss, sweep, tiny_model
from fledge.model.transformer import Transformer

RATES = (3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class Settings:
    width: int = param(32, low=8, high=64, zh="模型的宽度", en="width of the model")
    vocab: int = param(32, low=8, high=64, zh="语言里有多少个词", en="words in the language")
    steps: int = param(80, low=20, high=1000, zh="训练步数", en="training steps")
    head: str = param("own", choices=("own", "tied"), zh="输出头的权重", en="weights of the output head")


def of_the_embedding(model: Transformer, row: Tensor) -> Tensor:
    """The gradient of the embedding on one row. A head of zeros would send nothing back at all, so here it is random."""
    copied = copy.deepcopy(model)
    if copied.lm_head.weight is not copied.model.embed_tokens.weight:
        torch.nn.init.normal_(copied.lm_head.weight, std=copied.config.hidden_size**-0.5)
    loss = next_word_loss(copied(row[:, :-1]), row[:, 1:])
    return torch.autograd.grad(loss, copied.model.embed_tokens.weight)[0]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    model = tiny_model(settings.vocab, seed, width=settings.width, tie=settings.head == "tied")
    data = batches(settings.vocab, settings.steps, seed, rows=48, length=12, kind="one")
    found = {
        "parameters": float(sum(weight.numel() for weight in model.parameters())),
        "table": float(settings.vocab * settings.width),
    }

    row = data[0, :1, :5]  # four words are read: most of the vocabulary does not occur
    read = sorted(set(row[0, :-1].tolist()))
    absent = [word for word in range(settings.vocab) if word not in read]
    gradient = of_the_embedding(model, row)
    found["absent_gradient"] = gradient[absent].norm(dim=1).mean().item()
    found["read_gradient"] = gradient[read].norm(dim=1).mean().item()
    with torch.no_grad():
        logits = model(data[0, :, :-1])
    found["logits"] = logits.square().mean().sqrt().item()
    found["above"] = next_word_loss(logits, data[0, :, 1:]).item() - math.log(settings.vocab)

    losses = final(sweep(model, RATES, data), worst=2 * math.log(settings.vocab))
    return found | {"loss": min(losses), "by_rate": losses}


def draw(results: Results, figure: Figure) -> None:
    axes, settings = figure.axes(width=7.2), results.settings
    for arm in results.arms:
        mean, low, high = results.band(arm, "by_rate")
        figure.line(axes, RATES, mean, low, high, label=results.label(arm))
    figure.floor(axes, math.log(settings.vocab), Text("瞎猜 ln V", "guessing, ln V"))
    figure.floor(axes, language(settings.vocab, "one").entropy, Text("下限（熵）", "floor (entropy)"))
    axes.set_xscale("log")
    axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axes.minorticks_off()
    figure.name(axes, x=Text("学习率", "learning rate"), y=Text("最后的损失", "final loss"))
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def outcome(results: Results) -> str:
    more = results.mean("tied", "loss") - results.mean("own", "loss")
    return "tied" if more < -0.05 else "own" if more > 0.05 else "same"


lab = Lab(
    title=Text(
        "输入和输出共用一张词表，省了什么，改变了什么？",
        "One table for input and output: what is saved, and what changes?",
    ),
    about_zh="""
        读和写用同一张表：输出头与嵌入表共用权重，会改变什么？

        两组是同一个模型；一组的输出头用嵌入表的权重（Press 和 Wolf，2017），另一组的输出头有自己的权重。
        种子、数据、步数、学习率都一样；初始值却各是各的
        （共用的表从很小的数开始；不共用的表不是，它的输出头从 0 开始：见 `Transformer.init_weights`）。

        除了损失，还量四样不用训练的东西：参数；第一步之前的分数（logits）；这些分数给出的损失（和瞎猜的 ln V 比）；
        还有没出现在输入里的词，它们嵌入行的梯度。各用各的时，这样的一行从来没有读到，也就没有梯度；
        共用时，它同时是输出头的一行，而输出头要给每个词打分。
        （量这一样的时候，不共用的输出头是随机数：全是 0 的输出头，对哪一行都传不回梯度。）
        """,
    settings=Settings(),
    arms={"own": {"head": "own"}, "tied": {"head": "tied"}},
    labels={"own": Text("各用各的", "separate head"), "tied": Text("共用", "tied")},
    seeds=3,
    run=run,
    metrics={
        "loss": Metric(
            Text("最好的学习率下的损失", "loss at the best rate"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab, "one").entropy,
        ),
        "above": Metric(
            Text("第一步之前的损失比 ln V 高多少", "loss before the first step − ln V"), format=".4f", chance=0.0
        ),
        "logits": Metric(Text("第一步之前 logits 的均方根", "RMS of the logits before the first step"), chance=0.0),
        "parameters": Metric(Text("参数", "parameters"), format=",.0f"),
        "table": Metric(Text("词数 × 宽度", "words × width"), format=",.0f"),
        "absent_gradient": Metric(Text("没出现的词，嵌入行的梯度", "gradient, rows of absent words"), format=".1e"),
        "read_gradient": Metric(Text("读到的词，嵌入行的梯度", "gradient, rows of words that are read"), format=".1e"),
        "by_rate": Metric(Text("每个学习率下的损失", "loss at each rate")),
    },
    claims=[
        Claim(
            "saved",
            Text("共用恰好省下 词数 × 宽度 个参数", "Tying saves exactly words × width parameters"),
            lambda arm: arm["own"]["parameters"] - arm["tied"]["parameters"] == arm["own"]["table"],
        ),
        Claim(
            "absent",
            Text(
                "没有出现在输入里的词：共用时它的嵌入行有梯度；各用各的时恰好是零，而读到的词不是零",
                "Words that are not in the input: tied, their rows get a gradient; untied, their gradient is "
                "exactly zero, while that of words that are read is not",
            ),
            lambda arm: (
                arm["own"]["absent_gradient"] == 0
                and min(arm["tied"]["absent_gradient"], arm["own"]["read_gradient"]) > 1e-6
            ),
        ),
        Claim(
            "start",
            Text(
                "第一步之前：各用各的，输出头从 0 开始，logits 全是 0，损失和 ln V 相差不到 0.0001；共用的 "
                "logits 不是 0",
                "Before the first step, a separate head starts at zero, so all logits are 0 and the loss is "
                "within 0.0001 of ln V; tied, the logits are not 0",
            ),
            lambda arm: abs(arm["own"]["above"]) < 1e-4 and arm["own"]["logits"] == 0 < 0.01 < arm["tied"]["logits"],
        ),
    ],
    sabotages=[
        Sabotage(
            {"head": "own"}, ("saved", "absent", "start"), Text("两组都各用各的", "both arms have a separate head")
        ),
    ],
    prediction=Prediction(
        Text("共用一张表，训练以后的损失会怎样？", "With one table for both, what happens to the loss after training?"),
        {
            "tied": Text("更低（0.05 以上）", "lower (by more than 0.05)"),
            "same": Text("差不多（相差不到 0.05）", "about the same (within 0.05)"),
            "own": Text("更高（0.05 以上）", "higher (by more than 0.05)"),
        },
        outcome,
    ),
    why=Text(
        "共用时嵌入表的每一行同时是输出头的一行，每一步都要拿来打分，所以没出现的词也收得到梯度；各用各的时"
        "，没读到的行没有参与计算，梯度正好是 0。",
        "Tied, every row of the embedding is also a row of the head and is used to score a word at every step, "
        "so absent words get a gradient too. Untied, a row that is not read takes no part in the computation, "
        "and its gradient is exactly 0.",
    ),
    figure=draw,
    quick={"steps": 20},
)

if __name__ == "__main__":
    lab.main()
