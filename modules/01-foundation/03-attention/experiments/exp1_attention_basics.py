"""Which token matters? A trained attention layer finds out; an average of all tokens cannot.

The task is a hand of eight cards. Every card carries a name and a number; a question names one card and asks for its
number. Cards are dealt anew for every example, so there is nothing to memorise: the model has to look. Both arms are the
same module with the same parameters, data, steps and learning rates. In the arm "average" the query is multiplied by 0, so
that all scores are equal and every card gets the same weight. The numbers in a hand are all different: knowing the hand
but not the card is right one time in eight. There are no positions here; the previous topic was about those.
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
    width: int = param(32, low=8, high=128, zh="向量宽度", en="vector width")
    steps: int = param(150, low=50, high=2000, zh="训练步数", en="training steps")
    weights: str = param("learned", choices=("average", "learned"), zh="权重从哪里来", en="where the weights come from")
    question: str = param(
        "heard", choices=("heard", "lost"), zh="问题里有没有名字", en="does the question contain a name", hidden=True
    )


class Reader(nn.Module):
    """One attention head: the question looks at the cards, and what it brings back is read as a number."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.settings = settings
        width = settings.width
        self.name, self.number = nn.Embedding(NAMES, width), nn.Embedding(NUMBERS, width)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.answer = nn.Linear(width, NUMBERS)

    def look(self, hand: tuple[Tensor, Tensor], asked_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query [B, 1, 1, D], keys and values [B, 1, S, D] for S cards."""
        cards_BSD = self.name(hand[0]) + self.number(hand[1])
        if self.settings.question == "lost":
            asked_B = torch.zeros_like(asked_B)
        query_BD = self.query(self.name(asked_B))
        if self.settings.weights == "average":
            query_BD = query_BD * 0
        return query_BD[:, None, None], self.key(cards_BSD)[:, None], self.value(cards_BSD)[:, None]

    def forward(self, hand: tuple[Tensor, Tensor], asked_B: Tensor) -> Tensor:
        return self.answer(REFERENCE.attention(*self.look(hand, asked_B), None)[:, 0, 0])

    def attention_weights(self, hand: tuple[Tensor, Tensor], asked_B: Tensor) -> Tensor:
        """[B, S]: attention over values that are unit vectors brings back the weights themselves."""
        query, key, _ = self.look(hand, asked_B)
        unit = torch.eye(key.shape[2]).expand(len(asked_B), 1, -1, -1)
        return REFERENCE.attention(query, key, unit, None)[:, 0, 0]


def deal(count: int, settings: Settings, generator: torch.Generator) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """`count` hands (names, numbers), each [count, cards] without repeats, and the place of the card asked for."""
    names, numbers = (
        torch.rand(count, size, generator=generator).argsort(1)[:, : settings.cards] for size in (NAMES, NUMBERS)
    )
    return (names, numbers), torch.randint(settings.cards, (count,), generator=generator)


def at(table_BS: Tensor, place_B: Tensor) -> Tensor:
    return table_BS.gather(1, place_B[:, None])[:, 0]


def train(settings: Settings, seed: int, rate: float) -> Reader:
    torch.manual_seed(seed)
    model, generator = Reader(settings), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    for _ in range(settings.steps):
        hand, place_B = deal(BATCH, settings, generator)
        loss = F.cross_entropy(model(hand, at(hand[0], place_B)), at(hand[1], place_B))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def measure(model: Reader, settings: Settings, seed: int) -> dict:
    generator = torch.Generator().manual_seed(1000 + seed)  # hands that training never dealt
    hand, place_B = deal(2000, settings, generator)
    asked_B = at(hand[0], place_B)
    right_B = model(hand, asked_B).argmax(1) == at(hand[1], place_B)
    one_hand = tuple(table[:1].expand(settings.cards, -1) for table in hand)  # the same hand, every card asked once
    return {
        "accuracy": right_B.float().mean().item(),
        "on_card": at(model.attention_weights(hand, asked_B), place_B).mean().item(),
        "map": model.attention_weights(one_hand, one_hand[0][0]).tolist(),
    }


def run(settings: Settings, seed: int) -> dict:
    return max((measure(train(settings, seed, rate), settings, seed) for rate in RATES), key=lambda m: m["accuracy"])


def draw(results: Results, figure: Figure) -> None:
    left, *maps = figure.axes(1, 3, width=4.6)
    arms = results.arms
    mean, low, high = zip(*(results.band(arm, "accuracy") for arm in arms))
    errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    figure.bars(left, [results.label(arm) for arm in arms], mean, errors)
    figure.floor(left, 1 / results.settings.cards, Text("只知道手里有哪些数", "knowing only the hand"))
    figure.name(left, y=Text("答对的比例", "correct answers"))
    ticks = [str(n + 1) for n in range(results.settings.cards)]
    for axes, arm in zip(maps, arms):
        figure.heatmap(axes, results.mean(arm, "map"), x=ticks, y=ticks, vmin=0, vmax=1)
        figure.name(axes, x=Text("看向第几张牌", "card looked at"), y=Text("问的是第几张牌", "card asked for"))
        axes.set_title(figure.words(results.label(arm)))


def how_good(results: Results) -> str:
    accuracy = results.mean("average", "accuracy")
    return "blind" if accuracy < 0.09 else "hand" if accuracy < 0.25 else "half" if accuracy < 0.75 else "most"


lab = Lab(
    title=Text("注意力能学会看向该看的那个词元吗？", "Can attention learn to look at the token that matters?"),
    about_zh="""
        哪个词元要紧？训练过的注意力层找得到它；把所有词元取平均，就找不到。

        任务是一手八张牌。每张牌上有一个名字和一个数；问题报出一张牌的名字，要的是它的数。每一局都重新发牌，背不下来：
        模型只能去看。两组是同一个模块，参数、数据、步数和学习率都相同。在“average”（取平均）这一组里，query 乘以 0，
        于是所有分数相等，每张牌的权重都一样。一手牌里的数各不相同：知道手里有哪些数，却不知道是哪一张，八次里能答对一次。
        这里没有位置，位置是上一个主题讲的。
        """,
    settings=Settings(),
    arms={"average": {"weights": "average"}, "learned": {"weights": "learned"}},
    labels={"average": Text("所有牌取平均", "average of all cards"), "learned": Text("学到的权重", "learnt weights")},
    seeds=3,
    run=run,
    metrics={
        "accuracy": Metric(
            Text("答对的比例", "correct answers"), format=".3f", chance=lambda settings: 1 / settings.cards
        ),
        "on_card": Metric(
            Text("被问的牌的权重", "weight on the card asked for"), chance=lambda settings: 1 / settings.cards
        ),
        "map": Metric(Text("权重：问的牌 × 看的牌", "weights: card asked for × card looked at")),
    },
    claims=[
        Claim(
            "looks",
            Text(
                "训练后，被问的那张牌平均得到 0.8 以上的权重",
                "After training, the card asked for gets more than 0.8 of the weight on average",
            ),
            lambda arm: arm["learned"]["on_card"] > 0.8,
        ),
        Claim(
            "answers",
            Text(
                "学到的权重比取平均多答对一半以上的问题",
                "Learnt weights answer more questions than averaging does, by more than half of all questions",
            ),
            lambda arm: arm["learned"]["accuracy"] > arm["average"]["accuracy"] + 0.5,
        ),
    ],
    sabotages=[
        Sabotage(
            {"question": "lost"},
            ("looks", "answers"),
            Text(
                "问题里不再有名字：没有东西可以拿去比较",
                "the question no longer contains a name: there is nothing to compare",
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "手里有 8 张牌，16 种数。只能把 8 张牌取平均的模型，能答对多少问题？",
            "There are eight cards in the hand and 16 possible numbers. How many questions can a model that only "
            "averages the eight cards get right?",
        ),
        {
            "blind": Text("大约 1/16：和瞎猜一样", "about 1/16, like a blind guess"),
            "hand": Text("大约 1/8：只知道手里有哪些数", "about 1/8: it knows the hand but not the card"),
            "half": Text("大约一半", "about half"),
            "most": Text("大多数", "most of them"),
        },
        how_good,
    ),
    why=Text(
        "取平均的那一步把“哪个数写在哪张牌上”丢掉了，后面再怎么训练也找不回来；注意力在平均之前先比较，把权"
        "重放到名字相同的那张牌上。",
        "Averaging throws away which number belongs to which name, and no training can bring that back. "
        "Attention compares before it averages, and puts its weight on the card whose name matches.",
    ),
    figure=draw,
    quick={"steps": 100},
)

if __name__ == "__main__":
    lab.main()
