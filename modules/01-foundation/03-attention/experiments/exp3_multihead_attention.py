"""One head or several, with the same number of parameters, when two things must be looked up at once?

The hand of cards from experiment 1, but the question names two cards in order: "the number of A, then the number of B".
All arms have the same four matrices; heads only split the width of 32 into 1 x 32, 2 x 16 or 4 x 8 columns. One head has
one set of weights that add up to 1. It can look at both cards only by mixing their values, and then cannot tell which
number belongs to which card; or it can look at one card and give up on the other. What the heads bring back is read by two
linear layers, one per answer, with nothing non-linear in between, so that the heads themselves must do the work.

Guessing both numbers from the hand is right one time in 56 (8 × 7 ordered pairs of cards); reading one card exactly and
guessing the other is right one time in 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

NAMES = NUMBERS = 16
BATCH = 64
RATES = (3e-3, 1e-2)
"""Learning rates tried for every arm; the better one is reported."""


@dataclass(frozen=True)
class Settings:
    cards: int = param(8, low=2, high=16, zh="一手牌的张数", en="cards in a hand")
    width: int = param(32, low=16, high=128, zh="向量宽度（所有头合起来）", en="vector width, all heads together")
    steps: int = param(200, low=50, high=3000, zh="训练步数", en="training steps")
    heads: int = param(2, low=1, high=8, zh="头的个数", en="number of heads")
    look: str = param(
        "apart",
        choices=("apart", "same"),
        zh="各个头各看各的，还是看同一处",
        en="do heads look separately or at the same place",
        hidden=True,
    )


class Reader(nn.Module):
    """Multi-head attention from one question over a hand of cards, and two linear readers of what comes back."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.settings = settings
        width = settings.width
        self.name, self.number = nn.Embedding(NAMES, width), nn.Embedding(NUMBERS, width)
        self.first, self.second = nn.Embedding(NAMES, width), nn.Embedding(NAMES, width)  # "A, then B" has an order
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.answers = nn.ModuleList(nn.Linear(width, NUMBERS) for _ in range(2))

    def look(self, hand: tuple[Tensor, Tensor], asked_B2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query [B, H, 1, D], keys and values [B, H, S, D]."""
        cards_BSD = self.name(hand[0]) + self.number(hand[1])
        question_B1D = (self.first(asked_B2[:, 0]) + self.second(asked_B2[:, 1]))[:, None]
        query, key, value = (
            layer(x).unflatten(2, (self.settings.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, question_B1D), (self.key, cards_BSD), (self.value, cards_BSD))
        )
        if self.settings.look == "same":  # every head uses the query and the keys of the first
            query, key = query[:, :1].expand_as(query), key[:, :1].expand_as(key)
        return query, key, value

    def forward(self, hand: tuple[Tensor, Tensor], asked_B2: Tensor) -> Tensor:
        """Logits [B, 2, numbers] for the two answers."""
        brought_BHD = REFERENCE.attention(*self.look(hand, asked_B2), None)[:, :, 0]
        brought_BD = self.out(brought_BHD.flatten(1))
        return torch.stack([answer(brought_BD) for answer in self.answers], 1)

    def attention_weights(self, hand: tuple[Tensor, Tensor], asked_B2: Tensor) -> Tensor:
        """[B, H, S]: attention over values that are unit vectors brings back the weights themselves."""
        query, key, _ = self.look(hand, asked_B2)
        unit = torch.eye(key.shape[2]).expand(*key.shape[:2], -1, -1)
        return REFERENCE.attention(query, key, unit, None)[:, :, 0]


def deal(count: int, settings: Settings, generator: torch.Generator) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """`count` hands (names, numbers), each [count, cards] without repeats, and the places [count, 2] of two cards."""
    names, numbers, places = (
        torch.rand(count, size, generator=generator).argsort(1) for size in (NAMES, NUMBERS, settings.cards)
    )
    return (names[:, : settings.cards], numbers[:, : settings.cards]), places[:, :2]


def train(settings: Settings, seed: int, rate: float) -> Reader:
    torch.manual_seed(seed)
    model, generator = Reader(settings), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    for _ in range(settings.steps):
        hand, places = deal(BATCH, settings, generator)
        logits = model(hand, hand[0].gather(1, places))
        loss = F.cross_entropy(logits.flatten(0, 1), hand[1].gather(1, places).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def measure(model: Reader, settings: Settings, seed: int) -> dict:
    hand, places = deal(2000, settings, torch.Generator().manual_seed(1000 + seed))
    asked = hand[0].gather(1, places)
    right = model(hand, asked).argmax(2) == hand[1].gather(1, places)
    weights_BHS = model.attention_weights(hand, asked)
    on_asked = weights_BHS.gather(2, places[:, None].expand(-1, settings.heads, -1))  # [B, H, 2]
    example = weights_BHS[0].gather(
        1, torch.cat((places[0], others(places[0], settings.cards))).expand(settings.heads, -1)
    )
    return {
        "both": right.all(1).float().mean().item(),
        "one_of_two": right.float().mean().item(),
        "seen": on_asked.max(1).values.min(1).values.mean().item(),
        "map": example.tolist(),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def others(places: Tensor, cards: int) -> Tensor:
    """The places of the cards that are not asked for."""
    return torch.tensor([place for place in range(cards) if place not in places.tolist()])


def run(settings: Settings, seed: int) -> dict:
    return max((measure(train(settings, seed, rate), settings, seed) for rate in RATES), key=lambda m: m["both"])


def draw(results: Results, figure: Figure) -> None:
    left, *maps = figure.axes(1, 3, width=4.6)
    arms = results.arms
    mean, low, high = zip(*(results.band(arm, "both") for arm in arms))
    errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    figure.bars(left, [results.label(arm) for arm in arms], mean, errors)
    figure.name(left, y=Text("两个数都报对的比例", "both numbers right"))
    cards = [Text("A", "A"), Text("B", "B")] + [Text("·", "·")] * (results.settings.cards - 2)
    for axes, arm in zip(maps, ("one", "two")):
        weights = results.values(arm, "map")[0]  # of the first seed: which head takes which card is chance
        heads = [Text(f"头 {n + 1}", f"head {n + 1}") for n in range(len(weights))]
        figure.heatmap(axes, weights, x=cards, y=heads, vmin=0, vmax=1)
        figure.name(axes, x=Text("牌（问的是 A 和 B）", "card (A and B are asked for)"))
        axes.set_title(figure.words(results.label(arm)))


def best(results: Results) -> str:
    gain = results.mean("two", "both") - results.mean("one", "both")
    return "two" if gain > 0.1 else "one" if gain < -0.1 else "same"


lab = Lab(
    title=Text(
        "参数一样多，一个头和几个头有什么不同？", "With the same parameters, what can several heads do that one cannot?"
    ),
    about_zh="""
        参数一样多，要同时查两样东西：用一个头，还是几个头？

        还是实验 1 的那手牌，不过问题按先后报出两张牌：“先报 A 的数，再报 B 的数”。各组都是同样的四个矩阵；
        分头只是把宽度 32 切成 1 x 32、2 x 16 或 4 x 8 列。一个头只有一组权重，加起来等于 1：要看两张牌，只能把两个 value
        混在一起，于是不知道哪个数是谁的；要么只看一张，放弃另一张。各个头取回的东西由两个线性层来读，一个答案一层，
        中间没有任何非线性的东西，所以活儿只能由头自己来干。

        在手里的牌中瞎猜，两个数都对的机会是 1/56（有次序的两张牌共 8 × 7 种）；看准一张、另一张靠猜，是 1/7。
        """,
    settings=Settings(),
    arms={"one": {"heads": 1}, "two": {"heads": 2}, "four": {"heads": 4}},
    labels={"one": Text("1 个头", "1 head"), "two": Text("2 个头", "2 heads"), "four": Text("4 个头", "4 heads")},
    seeds=3,
    run=run,
    metrics={
        "both": Metric(
            Text("两个数都对", "both numbers right"),
            chance=lambda settings: 1 / (settings.cards * (settings.cards - 1)),
        ),
        "one_of_two": Metric(Text("单看每个数", "each number on its own"), chance=lambda settings: 1 / settings.cards),
        "seen": Metric(
            Text("少看的那张的权重", "weight on the less-seen card"),
            chance=lambda settings: 1 / settings.cards,
        ),
        "parameters": Metric(Text("参数个数", "parameters"), format=".0f"),
        "map": Metric(Text("一个问题上各个头的权重", "weights of each head for one question")),
    },
    claims=[
        Claim(
            "both",
            Text(
                "两个头把两个数都报对的比例，比一个头高出 0.3 以上",
                "Two heads get both numbers right more often than one head, by more than 0.3",
            ),
            lambda arm: arm["two"]["both"] > arm["one"]["both"] + 0.3,
        ),
        Claim(
            "apart",
            Text(
                "两个头时，两张牌各有一个头给它 0.7 以上的权重（平均；一个头至多 0.5）",
                "With two heads, each of the two cards has a head that gives it more than 0.7 of its weight on "
                "average (one head: at most 0.5)",
            ),
            lambda arm: arm["two"]["seen"] > 0.7 and arm["one"]["seen"] <= 0.5,
        ),
    ],
    sabotages=[
        Sabotage(
            {"look": "same"},
            ("both", "apart"),
            Text(
                "所有的头都用第一个头的 Q 和 K：看同一处",
                "all heads use the first head's query and keys: they look at the same place",
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "总宽度 32 不变，把一个宽 32 的头切成两个宽 16 的头，参数一个不多。两个数都报对的比例会怎样？",
            "One head of width 32 is split into two of width 16, without adding a single parameter. What happens "
            "to the share of questions with both numbers right?",
        ),
        {
            "one": Text("变低：每个头更窄了", "lower: each head is narrower"),
            "same": Text("差不多：参数一样多", "about the same: the number of parameters is the same"),
            "two": Text("明显变高", "clearly higher"),
        },
        best,
    ),
    why=Text(
        "一个头只有一组加起来等于 1 的权重，看两张牌就得把两个 value 混起来；两个头各有一组权重，可以各看一张。",
        "One head has a single set of weights that add up to 1, so looking at two cards mixes their values. Two "
        "heads have a set each, and can look at one card each.",
    ),
    figure=draw,
    quick={"steps": 150},
)

if __name__ == "__main__":
    lab.main()
