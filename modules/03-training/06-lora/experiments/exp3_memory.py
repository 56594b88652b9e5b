"""What does a parameter cost in memory: full fine-tuning, LoRA, QLoRA?

The same model, one step of AdamW each, and what lies in memory afterwards is counted, number by number: weights, gradients, and
the two moments of the optimizer. Full fine-tuning keeps 4 bytes of each in fp32. LoRA freezes the weights, so that they have no
gradient and no moments and may be kept in bfloat16. QLoRA keeps those of the blocks in NF4.

Activations are not counted here: they are the same three times.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.adapt.format import AdapterConfig
from fledge.adapt.lora import add_adapter
from fledge.adapt.quantised import keep_frozen_in, quantise_blocks
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer


@dataclass(frozen=True)
class Settings:
    method: str = param("lora", choices=("full", "lora", "qlora"), zh="怎样微调", en="how it is fine-tuned")
    rank: int = param(8, low=1, high=64, zh="秩", en="rank")
    width: int = param(256, low=64, high=512, zh="模型的宽度", en="width of the model")
    frozen: bool = param(True, zh="权重冻结", en="the weights are frozen", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    config = ModelConfig(
        vocab_size=256,
        hidden_size=settings.width,
        intermediate_size=3 * settings.width,
        num_hidden_layers=4,
        num_attention_heads=4,
    )
    model = Transformer(config).init_weights(seed)
    count = config.num_parameters()["total"]
    if settings.method != "full" and settings.frozen:
        if settings.method == "qlora":
            quantise_blocks(model)
        add_adapter(model, "mine", AdapterConfig(r=settings.rank), seed)
        model.compute_dtype = torch.bfloat16
        keep_frozen_in(model, torch.bfloat16)
    ids = torch.randint(256, (1, 16), generator=torch.Generator().manual_seed(seed))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    model(ids).log_softmax(-1)[..., 0].mean().backward()
    optimizer.step()
    moments = [m for state in optimizer.state.values() for m in state.values() if m.dim()]
    sizes = {
        "weights": sum(p.nbytes for p in model.parameters()),
        "gradients": sum(p.grad.nbytes for p in trained if p.grad is not None),
        "moments": sum(m.nbytes for m in moments),
    }
    found = {name: size / count for name, size in sizes.items()}
    return {**found, "all": sum(found.values()), "trained": sum(p.numel() for p in trained) / count}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "all") for arm in results.arms])
    figure.name(axes, y=Text("每个参数几个字节", "bytes for a parameter"))


lab = Lab(
    title=Text("一个参数占多少内存？", "What does a parameter cost in memory?"),
    about_zh="""
        一个参数要占多少内存：全部微调、LoRA、QLoRA？

        同一个模型，各用 AdamW 走一步，再把内存里剩下的东西一个数一个数地数出来：权重、梯度、优化器的两个动量。
        全部微调每样各占 4 个字节（fp32）。LoRA 冻结权重，它们没有梯度也没有动量，可以存成 bfloat16。QLoRA 把各块的权重存成 NF4。

        激活不算在内：三种办法一样多。
        """,
    settings=Settings(),
    arms={name: {"method": name} for name in ("full", "lora", "qlora")},
    labels={"full": Text("全部微调", "full"), "lora": Text("LoRA", "LoRA"), "qlora": Text("QLoRA", "QLoRA")},
    run=run,
    metrics={
        "weights": Metric(Text("权重：每个参数几个字节", "weights: bytes for a parameter"), format=".2f"),
        "gradients": Metric(Text("梯度", "gradients"), format=".2f"),
        "moments": Metric(Text("优化器的动量", "the optimizer's moments"), format=".2f"),
        "all": Metric(Text("一共", "together"), format=".2f"),
        "trained": Metric(Text("训练的参数占几成", "share of the parameters that is trained"), format=".3f"),
    },
    claims=[
        Claim(
            "sixteen",
            Text(
                "全部微调每个参数 16 个字节，LoRA 不到它的四分之一",
                "Full fine-tuning takes 16 bytes for a parameter, LoRA less than a quarter of that",
            ),
            lambda arm: abs(arm["full"]["all"] - 16) < 0.01 and arm["lora"]["all"] < arm["full"]["all"] / 4,
        ),
        Claim(
            "four_bits",
            Text("QLoRA 的权重不到 LoRA 的一半", "QLoRA's weights take less than half of LoRA's"),
            lambda arm: arm["qlora"]["weights"] < arm["lora"]["weights"] / 2,
        ),
    ],
    sabotages=[
        Sabotage(
            {"frozen": False},
            ("sixteen", "four_bits"),
            Text("权重不冻结，全都训练", "nothing is frozen, everything is trained"),
        ),
    ],
    prediction=Prediction(
        Text(
            "LoRA 比全部微调省下几成内存（不算激活）？",
            "How much memory does LoRA save beside full fine-tuning (without activations)?",
        ),
        {"half": Text("一半左右", "about half"), "most": Text("四分之三以上", "more than three quarters")},
        lambda results: "most" if results.mean("lora", "all") < results.mean("full", "all") / 4 else "half",
    ),
    why=Text(
        "冻住的权重没有梯度，AdamW 也不用为它记两个矩，每个参数 16 字节里就省下了 12。剩下的是权重本身：LoRA"
        " 可以把它存成两个字节，QLoRA 存成半个字节多一点。",
        "A frozen weight has no gradient, and AdamW keeps no two moments for it: 12 of its 16 bytes are gone. What is "
        "left is the weight itself, which LoRA may keep in two bytes and QLoRA in a little more than half a byte.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
