"""Two attention layers learn to copy what came before; one layer does not.

A text begins with eight different letters, drawn anew for every text. Then it jumps back to a random place among them and
copies five letters; it does so three times in all. Within a copy, every letter can be known to a model that finds where the
current letter stood before and reads what came after it. That takes two steps: one layer has to note at every place which
letter came before it, so that the next layer can look for "the place after the letter I am". Together they form an induction
head (Elhage et al., 2021; Olsson et al., 2022).

(Repeating the whole round over and over would be a simpler task, but one layer has a shortcut there: when all letters of a
round are different, the next one is the one not seen for longest. The jumps close that shortcut.)

Both arms are attention only, built from the engine's `Attention` and `RMSNorm`, with four heads in all: four in one layer,
or two in each of two layers, so that the attention has the same number of parameters.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.layers import Attention, RMSNorm
from fledge.model.rope import rope_frequencies, rope_tables
from fledge.parts import REFERENCE

LETTERS, FIRST, COPY, COPIES = 20, 8, 5, 3
LENGTH, BATCH = FIRST + COPIES * COPY, 32
KNOWN = [place for place in range(FIRST, LENGTH - 1) if (place - FIRST + 1) % COPY]
"""Places within a copy, whose next letter can be known."""
HEADS, HEAD_DIM = 4, 16
RATES = (8e-3, 5e-3)
"""Learning rates tried for every arm; the better one is reported."""


@dataclass(frozen=True)
class Settings:
    layers: int = param(2, low=1, high=4, zh="注意力层数（四个头平分）", en="attention layers (sharing four heads)")
    steps: int = param(160, low=50, high=5000, zh="训练步数", en="training steps")
    rates: int = param(2, low=1, high=2, zh="试几个学习率", en="learning rates to try")
    stacked: str = param(
        "yes", choices=("yes", "no"), zh="第二层读不读得到第一层", en="can layer 2 read layer 1", hidden=True
    )


class Copier(nn.Module):
    """Embedding, attention layers on a residual stream, head; no feed-forward layer."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.settings = settings
        self.seen: list[Tensor] = []
        self.config = ModelConfig(
            model_type="llama", vocab_size=LETTERS, hidden_size=HEADS * HEAD_DIM, head_dim=HEAD_DIM,
            num_attention_heads=HEADS // settings.layers, num_key_value_heads=HEADS // settings.layers,
        )  # fmt: skip
        parts = dataclasses.replace(REFERENCE, attention=self.attention)
        width, eps = self.config.hidden_size, self.config.rms_norm_eps
        self.embed = nn.Embedding(LETTERS, width)
        self.layers = nn.ModuleList(Attention(self.config, n, parts) for n in range(settings.layers))
        self.norms = nn.ModuleList(RMSNorm(width, eps, parts) for _ in range(settings.layers + 1))
        self.head = nn.Linear(width, LETTERS, bias=False)

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        if not torch.is_grad_enabled():  # when it is judged: keep the weights, which are what unit vectors bring back
            unit = torch.eye(q.shape[2]).expand(*q.shape[:2], -1, -1)
            self.seen.append(REFERENCE.attention(q, k, unit, None))
        return REFERENCE.attention(q, k, v, mask)

    def forward(self, ids_BT: Tensor) -> Tensor:
        x_BTD = tokens_BTD = self.embed(ids_BT)
        inv_freq, factor = rope_frequencies(self.config)
        rope = rope_tables(inv_freq, torch.arange(ids_BT.shape[1]), factor, x_BTD.dtype)
        for norm, layer in zip(self.norms, self.layers):
            read_BTD = x_BTD if self.settings.stacked == "yes" else tokens_BTD
            x_BTD = x_BTD + layer(norm(read_BTD), rope, None, None)
        return self.head(self.norms[-1](x_BTD))


def write(count: int, generator: torch.Generator) -> Tensor:
    """Texts [count, LENGTH]."""
    first = torch.rand(count, LETTERS, generator=generator).argsort(1)[:, :FIRST]
    begins = torch.randint(FIRST - COPY + 1, (count, COPIES, 1), generator=generator)
    places = (begins + torch.arange(COPY)).flatten(1)
    return torch.cat((first, first.gather(1, places)), 1)


def loss_of(model: Copier, texts: Tensor) -> Tensor:
    """[B, LENGTH - 1]: the loss of every next letter."""
    return F.cross_entropy(model(texts[:, :-1]).transpose(1, 2), texts[:, 1:], reduction="none")


def train(settings: Settings, seed: int, rate: float) -> Copier:
    torch.manual_seed(seed)
    model, generator = Copier(settings), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = rate * REFERENCE.lr_at(step / settings.steps, warmup=0.1, schedule="constant")
        loss = loss_of(model, write(BATCH, generator)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def measure(model: Copier, seed: int) -> dict:
    texts = write(500, torch.Generator().manual_seed(1000 + seed))
    model.seen.clear()
    loss_T = loss_of(model, texts).mean(0)
    weights_BHTT = model.seen[-1]  # of the last layer
    present, before = texts[:, :-1, None], texts[:, None, :-1].roll(1, 2)
    after_same_BTT = (present == before).tril()  # looked at: the letter before it is the present letter
    after_same_BTT[:, :, 0] = False  # nothing stands before the first
    on_next_HT = (weights_BHTT * after_same_BTT[:, None]).sum(3).mean(0)
    best = on_next_HT[:, KNOWN].mean(1).argmax()
    return {
        "copies": loss_T[KNOWN].mean().item(),
        "on_next": on_next_HT[best, KNOWN].mean().item(),
        "by_place": loss_T.tolist(),
        "map": weights_BHTT[0, best].tolist(),
    }


def run(settings: Settings, seed: int) -> dict:
    return min(
        (measure(train(settings, seed, rate), seed) for rate in RATES[: settings.rates]),
        key=lambda found: found["copies"],
    )


def draw(results: Results, figure: Figure) -> None:
    left, *maps = figure.axes(1, 3, width=4.8)
    for arm in results.arms:
        mean, low, high = results.band(arm, "by_place")
        figure.line(left, range(1, LENGTH), mean, low, high, label=results.label(arm))
    for begin in range(FIRST, LENGTH, COPY):
        left.axvspan(begin + 0.5, begin + COPY - 0.5, color="0.93")
    figure.floor(left, math.log(FIRST), Text("只知道有哪 8 个字母", "knowing only which 8 letters there are"))
    figure.name(
        left,
        x=Text("位置（灰色：抄写之中）", "place (grey: within a copy)"),
        y=Text("预测下一个字母的损失（nat）", "loss on the next letter (nats)"),
    )
    for axes, arm in zip(maps, results.arms):
        places = (0.5, LENGTH - 0.5)  # the first place is 1
        figure.heatmap(axes, results.values(arm, "map")[0], vmin=0, vmax=1, extent=(*places, *places[::-1]))
        figure.name(axes, x=Text("看向的位置", "place looked at"), y=Text("正在读的位置", "place that looks"))
        axes.set_title(figure.words(results.label(arm)))
        axes.yaxis.get_major_locator().set_params(integer=True)


def who_copies(results: Results) -> str:
    one, two = (results.mean(arm, "copies") < 1 for arm in ("one", "two"))
    return "both" if one and two else "two" if two else "one" if one else "neither"


lab = Lab(
    title=Text("照抄前文，要几层注意力？", "How many layers of attention does copying take?"),
    about_zh="""
        两层注意力能学会照抄前文，一层不能。

        一段文本先是八个不同的字母，每段都重新抽。然后跳回其中任意一处，照抄五个字母；再跳，再抄，一共三次。抄写之中，
        只要找到眼前的字母以前出现在哪里，读出它后面是什么，就知道下一个字母。这要分两步：
        一层先在每个位置记下前一个字母是谁，下一层才能去找“和我相同的那个字母，它后面的位置”。
        两层合起来就是归纳头（induction head；Elhage 等，2021；Olsson 等，2022）。

        （把整段一遍遍原样重复，任务会更简单，可是一层就有捷径可走：一段里的字母各不相同时，下一个就是最久没出现的那一个。
        跳着抄，就堵住了这条路。）

        两组都只有注意力，用引擎的 `Attention` 和 `RMSNorm` 搭成，一共四个头：四个都在一层里，或者两层各两个，
        所以注意力的参数一样多。
        """,
    settings=Settings(),
    arms={"one": {"layers": 1}, "two": {"layers": 2}},
    labels={
        "one": Text("一层，四个头", "one layer, 4 heads"),
        "two": Text("两层，各两个头", "two layers, 2 heads each"),
    },
    seeds=3,
    run=run,
    metrics={
        "copies": Metric(Text("抄写中的损失", "loss within the copies"), chance=math.log(LETTERS), floor=0.0),
        "on_next": Metric(Text("看对地方的权重", "weight on the right place")),
        "by_place": Metric(Text("每个位置的损失", "loss at every place")),
        "map": Metric(Text("最后一层一个头的权重", "weights of one head in the last layer")),
    },
    claims=[
        Claim(
            "copies",
            Text(
                "抄写部分的损失：两层低于 1 nat，一层比它再高 1 nat 以上",
                "Within the copies, the loss is below 1 nat with two layers, and more than 1 nat higher with one",
            ),
            lambda arm: arm["two"]["copies"] < 1 and arm["one"]["copies"] > arm["two"]["copies"] + 1,
        ),
        Claim(
            "looks",
            Text(
                "两层时，有一个头把一半以上的权重放在“同一字母以前出现之后的字母”上；一层时不到三成",
                "With two layers, some head puts more than half of its weight on letters that followed an "
                "earlier occurrence of the current one; with one layer, less than 0.3",
            ),
            lambda arm: arm["two"]["on_next"] > 0.5 and arm["one"]["on_next"] < 0.3,
        ),
    ],
    sabotages=[
        Sabotage(
            {"stacked": "no"},
            ("copies", "looks"),
            Text("第二层读不到第一层写下的东西", "the second layer cannot read what the first has written"),
        )
    ],
    prediction=Prediction(
        Text(
            "八个随机字母之后，文本跳回去照抄。只有注意力的模型，要几层才能跟上（损失低于 1 nat）？",
            "After eight random letters the text jumps back and copies. How many attention layers does it take "
            "to follow (loss below 1 nat)?",
        ),
        {
            "both": Text("一层就够", "one is enough"),
            "two": Text("一层不行，两层行", "one is not enough, two are"),
            "neither": Text("两层也不行", "not even two"),
            "one": Text("一层行，两层反而不行", "one is enough, two are not"),
        },
        who_copies,
    ),
    why=Text(
        "要照抄，得先知道“谁的前一个是我”，再去读它；一层注意力只能按内容找词元，找不到“前面是某某的位置”。"
        "两层时，第一层把“我前面是谁”写进每个位置，第二层就能按它来找。",
        "To copy, you first have to know whose predecessor you are, and then read there. One layer can only look "
        "tokens up by what they are, not by what precedes them. With two layers, the first writes 'who came "
        "before me' into every place, and the second looks that up.",
    ),
    figure=draw,
    quick={"rates": 1},
)

if __name__ == "__main__":
    lab.main()
