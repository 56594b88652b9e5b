"""Full, LoRA or QLoRA: what do they cost on one and the same task, and what do they reach?

A small Transformer knows a made-up language and learns a dialect of it in which twelve of the 32 words have changed places:
with all its weights, with LoRA of rank 4 on all linear layers, and with LoRA over blocks that are kept in four bits (NF4). The
rows and steps are the same; the rate is each one's own, the best of those that were tried.

Four things are compared. Trained parameters and the memory of weights, gradients and moments are counted. Quality is the loss
on new rows minus the entropy of the dialect; the same is measured of the old language, for what is forgotten. Tokens per second
are this machine's, and no claim rests on them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fledge.adapt.format import AdapterConfig
from fledge.adapt.lora import add_adapter
from fledge.adapt.quantised import quantise_blocks
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.finetuning import LENGTH, ROWS, base, rows, train, unknown

RATES = {"full": 0.01, "lora": 0.03, "qlora": 0.03}
SWAPPED = 12


@dataclass(frozen=True)
class Settings:
    method: str = param("lora", choices=("full", "lora", "qlora"), zh="怎样微调", en="how it is fine-tuned")
    rank: int = param(4, low=1, high=32, zh="秩", en="rank")
    steps: int = param(120, low=20, high=1000, zh="训练步数", en="training steps")
    four_bits: bool = param(True, zh="QLoRA 真的用四位", en="QLoRA uses four bits", hidden=True)
    speed: float = param(1.0, low=0.0, high=3.0, zh="学习率乘多少", en="factor of the rates", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """Costs and what was reached."""
    model = base(seed)
    count = sum(p.numel() for p in model.parameters())
    before = unknown(model, seed, SWAPPED), unknown(model, seed)
    if settings.method == "qlora" and settings.four_bits:
        quantise_blocks(model)
    if settings.method != "full":
        add_adapter(model, "dialect", AdapterConfig(r=settings.rank, lora_alpha=float(settings.rank)), seed)
    data, begun = rows(settings.steps * ROWS, seed + 1, SWAPPED), time.process_time()
    train(model, data, settings.speed * RATES[settings.method])
    seconds = time.process_time() - begun
    trained = [p for p in model.parameters() if p.requires_grad]
    weights, each = sum(p.nbytes for p in model.parameters()), sum(p.nbytes for p in trained)
    return {
        "trained": sum(p.numel() for p in trained) / count,
        "bytes": (weights + 3 * each) / count,  # a gradient and two moments for each that is trained
        "before": before[0],
        "left": unknown(model, seed, SWAPPED),
        "forgot": unknown(model, seed) - before[1],
        "tokens": settings.steps * ROWS * LENGTH / seconds,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "bytes") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "left") for arm in results.arms])
    figure.floor(right, results.mean("full", "before"), Text("微调之前", "before fine-tuning"))
    figure.name(left, y=Text("每个参数几个字节", "bytes for a parameter"))
    figure.name(right, y=Text("剩下的损失（减去熵）", "loss that is left (above the entropy)"))


lab = Lab(
    title=Text("同一个任务：全部微调、LoRA、QLoRA", "One task: full fine-tuning, LoRA, QLoRA"),
    about_zh="""
        同一个任务上，全部微调、LoRA、QLoRA 各要多少，又各学到多少？

        一个小 Transformer 会一种编出来的语言，学它的一种方言：32 个词里有 12 个换了位置。三组：训练全部权重；所有线性层上加
        秩 4 的 LoRA；各块存成四位（NF4），再加 LoRA。数据和步数相同；学习率各用各的，是试过的里面最好的。

        比四样。训练的参数，权重、梯度、动量占的内存，都是数出来的；质量是新句子上的损失减去方言的熵，原来的语言也量一次，
        看忘了多少。每秒多少词元是这台机器上的，没有结论靠它。
        """,
    settings=Settings(),
    arms={name: {"method": name} for name in RATES},
    labels={"full": Text("全部微调", "full"), "lora": Text("LoRA", "LoRA"), "qlora": Text("QLoRA", "QLoRA")},
    run=run,
    metrics={
        "trained": Metric(Text("训练的参数占几成", "share of the parameters that is trained")),
        "bytes": Metric(Text("每个参数几个字节", "bytes for a parameter"), format=".2f"),
        "before": Metric(Text("训练前的损失（减去熵）", "loss before (above the entropy)"), format=".2f", floor=0.0),
        "left": Metric(Text("剩下的", "left"), format=".2f", floor=0.0),
        "forgot": Metric(Text("原来的语言差了多少", "what the old language lost"), format=".2f"),
        "tokens": Metric(Text("每秒词元", "tokens per second"), format=".0f", noisy=True),
    },
    claims=[
        Claim(
            "costs",
            Text(
                "LoRA 训练不到 15% 的参数，内存不到全部微调的 40%；QLoRA 比 LoRA 再省三分之一以上",
                "LoRA trains under 15 % of the parameters in under 40 % of the memory; QLoRA saves over a third of that",
            ),
            lambda arm: (
                arm["lora"]["trained"] < 0.15
                and arm["lora"]["bytes"] < 0.4 * arm["full"]["bytes"]
                and arm["qlora"]["bytes"] < arm["lora"]["bytes"] * 2 / 3
            ),
        ),
        Claim(
            "most_of_it",
            Text(
                "LoRA 补上了差距的 75% 以上；全部微调补得更多",
                "LoRA closes over 75 % of the gap, and full fine-tuning more",
            ),
            lambda arm: (
                1 - arm["lora"]["left"] / arm["lora"]["before"] > 0.75
                and arm["full"]["left"] < arm["lora"]["left"] - 0.02
            ),
        ),
        Claim(
            "four_bits_do_it",
            Text(
                "QLoRA 和 LoRA 学得差不多：剩下的损失相差不到 0.1，内存却少 1.5 个字节",
                "QLoRA learns about as much as LoRA, to 0.1 of loss, with 1.5 bytes less for a parameter",
            ),
            lambda arm: (
                abs(arm["qlora"]["left"] - arm["lora"]["left"]) < 0.1
                and arm["qlora"]["bytes"] < arm["lora"]["bytes"] - 1.5
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"rank": 32},
            ("costs",),
            Text(
                "秩是矩阵边长的一半：小路和大路一样宽",
                "a rank of half the width: the small road is as wide as the large",
            ),
        ),
        Sabotage(
            {"four_bits": False},
            ("costs", "four_bits_do_it"),
            Text("QLoRA 的底座没有存成四位", "QLoRA's base is not in four bits"),
        ),
        Sabotage({"speed": 0.0}, ("most_of_it",), Text("学习率是 0，谁也学不到", "with a rate of 0 nobody learns")),
    ],
    prediction=Prediction(
        Text("底座存成四位以后，LoRA 学到的会少很多吗？", "The base is kept in four bits. Does LoRA learn much less?"),
        {
            "much": Text("少很多：权重都舍入坏了", "much less, the weights are spoilt"),
            "little": Text("差不多", "about as much"),
        },
        lambda results: "little" if results.mean("qlora", "left") < results.mean("lora", "left") + 0.1 else "much",
    ),
    why=Text(
        "冻住的权重没有梯度和动量，所以省；四位存的底座错了一点，可是适配器就是在这样的底座上学的，连舍入的误差也一起补。"
        "全部微调什么都能改，所以学得最多，也忘得最多。",
        "A frozen weight has neither gradient nor moments, which is what is saved. A base of four bits is a little wrong, but it "
        "is on that base that the adapter learns, and it makes up for the rounding too. Full fine-tuning may change everything: it "
        "learns most, and forgets most.",
    ),
    figure=draw,
    seeds=3,
    quick={"steps": 60},
)

if __name__ == "__main__":
    lab.main()
