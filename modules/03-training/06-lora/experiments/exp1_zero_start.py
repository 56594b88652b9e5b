"""Why does LoRA's B begin at zero, and A not?

The update is B A. The model is the engine's own Transformer with weights that stand for a trained one, and the engine's own
adapter on all linear layers of its blocks. Three beginnings:

    B = 0         A random, B zero, as LoRA has it (Hu et al., 2021)
    both random   both random
    both 0        both zero

We measure how far the logits move before the first step, over the size of the logits themselves, and how large the gradient of
A and B together is in the first step. Where B is 0, A's gradient is 0 (it is multiplied with B) but B's is not; where both are
0, neither has one, and the adapter can never learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.adapt.format import AdapterConfig
from fledge.adapt.lora import adapter_tensors, add_adapter
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer


@dataclass(frozen=True)
class Settings:
    start: str = param("B", choices=("B", "none", "both"), zh="哪些从 0 开始", en="what begins at 0")
    rank: int = param(8, low=1, high=64, zh="秩", en="rank")
    width: int = param(64, low=16, high=256, zh="模型的宽度", en="width of the model")
    alpha: float = param(16.0, low=0.0, high=64.0, zh="alpha", en="alpha", hidden=True)


def trained_like(width: int, seed: int) -> Transformer:
    """A model none of whose matrices is zero, as after training."""
    config = ModelConfig(
        vocab_size=256, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=4, num_attention_heads=4
    )
    model, draw = Transformer(config).init_weights(seed), torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.data = torch.randn(weight.shape, generator=draw) * weight.shape[1] ** -0.5
    return model


def run(settings: Settings, seed: int) -> dict[str, float]:
    model = trained_like(settings.width, seed)
    ids = torch.randint(256, (4, 32), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        before = model(ids)
    add_adapter(model, "mine", AdapterConfig(r=settings.rank, lora_alpha=settings.alpha), seed)
    draw = torch.Generator().manual_seed(seed + 1)
    for name, part in adapter_tensors(model, "mine").items():
        if "lora_B" in name and settings.start == "none":
            part.data = torch.randn(part.shape, generator=draw) * part.shape[1] ** -0.5
        elif settings.start == "both":
            part.data.zero_()
    after = model(ids)
    loss = torch.nn.functional.cross_entropy(after[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    grads = {name: part.grad.norm().item() for name, part in adapter_tensors(model, "mine").items()}
    return {
        "shift": ((after - before).norm() / before.norm()).item(),
        "gradient_A": sum(size**2 for name, size in grads.items() if "lora_A" in name) ** 0.5,
        "gradient_B": sum(size**2 for name, size in grads.items() if "lora_B" in name) ** 0.5,
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "shift") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "gradient_B") for arm in results.arms])
    figure.name(left, y=Text("训练之前 logits 偏了多少", "how far the logits move before training"))
    figure.name(right, y=Text("B 的第一个梯度", "first gradient of B"))


lab = Lab(
    title=Text("LoRA 的 B 为什么从 0 开始？", "Why does LoRA's B begin at zero?"),
    about_zh="""
        LoRA 的 B 为什么从 0 开始，A 却不是？

        更新是 B A。模型是引擎自己的 Transformer，权重都不是 0，就像训练过一样；各块的所有线性层上加引擎自己的适配器。三种开头：

            B 是 0       A 随机，B 是 0，LoRA 就是这样（Hu 等，2021）
            都随机       两个都随机
            都是 0       两个都是 0

        量两件事：第一步之前 logits 偏了多少（与 logits 本身的大小相比），第一步里 A、B 的梯度有多大。B 是 0 时 A 的梯度是 0
        （它要乘 B），但 B 有梯度；两个都是 0 时谁也没有梯度，适配器永远学不动。
        """,
    settings=Settings(),
    arms={"B": {"start": "B"}, "none": {"start": "none"}, "both": {"start": "both"}},
    labels={
        "B": Text("B 是 0", "B = 0"),
        "none": Text("都随机", "both random"),
        "both": Text("都是 0", "both 0"),
    },
    run=run,
    metrics={
        "shift": Metric(Text("训练前 logits 的偏移", "shift of the logits before training"), floor=0.0),
        "gradient_A": Metric(Text("A 的梯度", "gradient of A"), format=".2g"),
        "gradient_B": Metric(Text("B 的梯度", "gradient of B"), format=".2g"),
    },
    claims=[
        Claim(
            "nothing_yet",
            Text(
                "B 从 0 开始，模型一点没变；都随机，logits 偏了一成以上",
                "With B = 0 the model is as it was; with both random the logits move by more than a tenth",
            ),
            lambda arm: arm["B"]["shift"] == 0 and arm["none"]["shift"] > 0.1,
        ),
        Claim(
            "one_must_move",
            Text(
                "两个都是 0 就没有梯度；只有 B 是 0 时，B 有梯度",
                "With both 0 there is no gradient; with B alone at 0, B has one",
            ),
            lambda arm: arm["both"]["gradient_A"] + arm["both"]["gradient_B"] == 0 and arm["B"]["gradient_B"] > 0,
        ),
    ],
    sabotages=[
        Sabotage(
            {"alpha": 0.0},
            ("nothing_yet", "one_must_move"),
            Text("alpha = 0：适配器没有接上", "alpha = 0: the adapter is not connected"),
        ),
    ],
    prediction=Prediction(
        Text(
            "A、B 都随机地开始，模型的 logits 会怎样？",
            "A and B both begin at random. What becomes of the model's logits?",
        ),
        {"same": Text("几乎不变", "next to nothing"), "moved": Text("偏了一成以上", "they move by more than a tenth")},
        lambda results: "moved" if results.mean("none", "shift") > 0.1 else "same",
    ),
    why=Text(
        "更新量是 B 乘 A。B 是 0，乘积就是 0，模型一点没变；B 的梯度里乘着 A，A 不是 0，所以第一步 B 就"
        "能动起来，之后 A 也有了梯度。两个都随机，乘积一开始就把 logits 推歪；两个都是 0，谁的梯度都是 0，永远"
        "不会动。",
        "The update is B times A. With B at 0 the product is 0 and the model has not changed; B's gradient is "
        "multiplied with A, which is not 0, so B moves in the first step and A from the second on. With both random "
        "the product pushes the logits away at once; with both at 0 neither gradient is anything but 0, and nothing "
        "ever moves.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
