"""Deep and narrow, or shallow and wide? Two layers against eight, with almost the same number of parameters and the same tokens.

The parameters of the blocks grow with layers × width². Two layers of width 48 and eight of width 24 have almost the same
number; the lab checks that. Seed, data, steps and learning rates are equal, and the best rate counts. What is compared is
the whole curve: a comparison that stops early shows who learns faster, not who gets further.

Every layer has to wait for the layer below, so depth costs time that no faster chip gives back: we count how many matrix
products have to wait for one another. In this language only the two previous words matter; a task that needs more steps
than there are layers would turn out differently (see the induction heads of the attention topic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import batches, final, language, sweep, tiny_model

RATES = (3e-3, 1e-2, 3e-2)


@dataclass(frozen=True)
class Settings:
    vocab: int = param(6, low=4, high=16, zh="语言里有多少个词", en="words in the language")
    rows: int = param(48, low=4, high=128, zh="一批有几行", en="rows per batch")
    steps: int = param(60, low=20, high=1000, zh="训练步数", en="training steps")
    layers: int = param(2, low=1, high=8, zh="层数", en="number of layers")
    equal: bool = param(True, zh="参数一样多", en="equal number of parameters", hidden=True)

    @property
    def width(self) -> int:
        """48 for two layers; for others the width that gives as many parameters, in steps of 4."""
        return round(48 * math.sqrt(2 / self.layers) / 4) * 4 if self.equal else 48


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """The loss, the parameters, and how many matrix products of one forward pass must wait for one another."""
    model = tiny_model(settings.vocab, seed, width=settings.width, layers=settings.layers)
    data = batches(settings.vocab, settings.steps, seed, rows=settings.rows, length=12, kind="pair")
    losses = sweep(model, RATES, data)
    last = final(losses, worst=2 * math.log(settings.vocab))
    best = losses[:, last.index(min(last))]
    waiting = (
        settings.layers * 6 + 1
    )  # a block: q (k, v), scores, weighted values, o, gate (up), down; at the end the head
    parameters = float(sum(weight.numel() for weight in model.model.layers.parameters()))
    return {
        "early": best[: len(best) // 2].mean().item(),
        "loss": min(last),
        "parameters": parameters,
        "in_a_row": float(waiting),
        "curve": best[: len(best) // 5 * 5].view(-1, 5).mean(1).tolist(),
    }


def draw(results: Results, figure: Figure) -> None:
    axes, settings = figure.axes(width=7.2), results.settings
    for arm in results.arms:
        mean, low, high = results.band(arm, "curve")
        figure.line(axes, [5 * i + 3 for i in range(len(mean))], mean, low, high, label=results.label(arm))
    figure.floor(axes, math.log(settings.vocab), Text("瞎猜 ln V", "guessing, ln V"))
    figure.floor(axes, language(settings.vocab, "pair").entropy, Text("下限（熵）", "floor (entropy)"))
    figure.name(axes, x=Text("步（每五步平均）", "step (averaged over five)"), y=Text("损失", "loss"))
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def outcome(results: Results) -> str:
    more = results.mean("deep", "loss") - results.mean("shallow", "loss")
    return "shallow" if more > 0.05 else "deep" if more < -0.05 else "same"


lab = Lab(
    title=Text(
        "同样多的参数，两层宽的好，还是八层窄的好？", "With equal parameters, two wide layers or eight narrow ones?"
    ),
    about_zh="""
        深而窄好，还是浅而宽好？两层对八层，参数几乎一样多，词元也一样。

        各块的参数与 层数 × 宽度² 成正比。两层宽 48 和八层宽 24，参数几乎一样多，实验会核对。
        种子、数据、步数、学习率都一样，取最好的学习率。要比的是整条曲线：早停的比较，比的是谁学得快，不是谁走得远。

        每层都要等下面一层算完，所以深要花时间，换更快的芯片也省不回来：这里数的是，有多少个矩阵乘法必须一个接一个算。
        在这种语言里，只有前面两个词要紧；如果一个任务需要的步数比层数还多，结论就会不同（见注意力主题的归纳头）。
        """,
    settings=Settings(),
    arms={"shallow": {"layers": 2}, "deep": {"layers": 8}},
    labels={"shallow": Text("2 层 × 48", "2 layers × 48"), "deep": Text("8 层 × 24", "8 layers × 24")},
    seeds=3,
    run=run,
    metrics={
        "early": Metric(
            Text("前一半步数的平均损失", "mean loss over the first half of training"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab, "pair").entropy,
        ),
        "loss": Metric(
            Text("最后的损失", "final loss"),
            chance=lambda settings: math.log(settings.vocab),
            floor=lambda settings: language(settings.vocab, "pair").entropy,
        ),
        "parameters": Metric(Text("各块的参数", "parameters in the blocks"), format=",.0f"),
        "in_a_row": Metric(Text("必须一个接一个算的矩阵乘法", "matrix products in a row"), format=".0f"),
        "curve": Metric(Text("损失，每五步平均", "loss, averaged over five steps")),
    },
    claims=[
        Claim(
            "equal",
            Text("两个模型各块的参数相差不到 2%", "The parameters in the blocks differ by less than 2 %"),
            lambda arm: abs(arm["deep"]["parameters"] / arm["shallow"]["parameters"] - 1) < 0.02,
            absolute=True,
        ),
        Claim(
            "faster",
            Text(
                "两层学得更快：前一半步数的平均损失至少低 0.02",
                "Two layers learn faster: their mean loss over the first half of training is at least 0.02 lower",
            ),
            lambda arm: arm["shallow"]["early"] < arm["deep"]["early"] - 0.02,
        ),
        Claim(
            "waiting",
            Text(
                "八层要一个接一个算的矩阵乘法是三倍以上",
                "With eight layers, more than three times as many products have to wait for one another",
            ),
            lambda arm: arm["deep"]["in_a_row"] > 3 * arm["shallow"]["in_a_row"],
        ),
    ],
    sabotages=[
        Sabotage({"layers": 2}, ("faster", "waiting"), Text("两组都是两层", "both arms have two layers")),
        Sabotage({"equal": False}, ("equal",), Text("八层的也一样宽", "the eight layers are as wide as the two")),
    ],
    prediction=Prediction(
        Text(
            "参数和词元都一样多，最后哪个的损失低？",
            "Equal parameters, equal tokens: which one ends with the lower loss?",
        ),
        {
            "shallow": Text("两层宽的", "two wide layers"),
            "same": Text("差不多（相差不到 0.05）", "about the same (within 0.05)"),
            "deep": Text("八层窄的", "eight narrow layers"),
        },
        outcome,
    ),
    why=Text(
        "每一层要等下面一层算完，所以一个接一个的矩阵乘法与层数成正比。这门语言只要“取来、合起来”两步，多出"
        "来的层没有活干，却要多训练一阵才跟得上。",
        "Every layer waits for the one below, so the number of products in a row is proportional to the number "
        "of layers. This language takes only two steps, fetch and combine; the extra layers have nothing to do, "
        "and only take longer to train.",
    ),
    figure=draw,
    quick={"steps": 25, "rows": 32},
)

if __name__ == "__main__":
    lab.main()
