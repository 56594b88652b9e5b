"""Why three projections? Because what a token is looking for is not what it is.

Locks and keys: the token lock 3 looks for key 3, and key 3 looks for lock 3. Every token carries a random number from 0 to
7, and has to report its partner's number. A report is right when the answer the model finds most likely is that number;
guessing is right one time in eight. Four of eight pairs are dealt for every example; every token sees every token; there
are no positions.

The arms differ in which of the three projections are one and the same matrix. When the query is the key (Q = K),
score(a, b) = f(a)·f(b), and 2 f(a)·f(b) <= f(a)·f(a) + f(b)·f(b): over a pair, tokens are on average at least as similar to
themselves as to each other, so the mean weight on the partner cannot exceed 1/2, whatever is trained. The head is wider
where matrices are shared (16, 24 or 48), so that the projections of all arms hold the same number of parameters; the layer
that reads the answer out of a wider head is a little larger, which favours the arms that share.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

PAIRS, NUMBERS = 8, 8
BATCH = 64
RATES = (3e-3, 1e-2)
"""Learning rates tried for every arm; the better one is reported."""
HEAD = {"qkv": 48, "qk": 24, "kv": 24, "none": 16}
"""Width of the head, so that one, two or three matrices hold 48 columns together."""


@dataclass(frozen=True)
class Settings:
    pairs: int = param(4, low=2, high=PAIRS, zh="一局里有几对锁和钥匙", en="lock-and-key pairs in an example")
    width: int = param(32, low=16, high=128, zh="向量宽度", en="vector width")
    steps: int = param(100, low=50, high=2000, zh="训练步数", en="training steps")
    shared: str = param("none", choices=tuple(HEAD), zh="哪些投影共用一个矩阵", en="which projections share one matrix")
    wanted: str = param(
        "partner", choices=("partner", "itself"), zh="要报告谁的数", en="whose number to report", hidden=True
    )


class Matcher(nn.Module):
    """One attention head over tokens of a kind (lock 0, key 0, lock 1, …) that each carry a number."""

    def __init__(self, settings: Settings):
        super().__init__()
        width, head, shared = settings.width, HEAD[settings.shared], settings.shared
        self.kind, self.number = nn.Embedding(2 * PAIRS, width), nn.Embedding(NUMBERS, width)
        self.query = nn.Linear(width, head, bias=False)
        self.key = self.query if shared in ("qk", "qkv") else nn.Linear(width, head, bias=False)
        self.value = self.key if shared in ("kv", "qkv") else nn.Linear(width, head, bias=False)
        self.answer = nn.Linear(head, NUMBERS)

    def look(self, kinds_BT: Tensor, numbers_BT: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Query, key, value, each [B, 1, T, D], and a mask with which everyone sees everyone."""
        x_B1TD = (self.kind(kinds_BT) + self.number(numbers_BT))[:, None]
        everyone = torch.ones(kinds_BT.shape[1], kinds_BT.shape[1], dtype=torch.bool)
        return self.query(x_B1TD), self.key(x_B1TD), self.value(x_B1TD), everyone

    def forward(self, kinds_BT: Tensor, numbers_BT: Tensor) -> Tensor:
        return self.answer(REFERENCE.attention(*self.look(kinds_BT, numbers_BT))[:, 0])

    def attention_weights(self, kinds_BT: Tensor, numbers_BT: Tensor) -> Tensor:
        """[B, T, T]: attention over values that are unit vectors brings back the weights themselves."""
        query, key, _, everyone = self.look(kinds_BT, numbers_BT)
        unit = torch.eye(key.shape[2]).expand(len(kinds_BT), 1, -1, -1)
        return REFERENCE.attention(query, key, unit, everyone)[:, 0]


def deal(count: int, settings: Settings, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Kinds and numbers [count, T], lock beside its key, and the place [T] of the token whose number is wanted."""
    pairs = torch.rand(count, PAIRS, generator=generator).argsort(1)[:, : settings.pairs]
    kinds = torch.stack((2 * pairs, 2 * pairs + 1), 2).flatten(1)
    numbers = torch.randint(NUMBERS, kinds.shape, generator=generator)
    place = torch.arange(kinds.shape[1])
    return kinds, numbers, place ^ 1 if settings.wanted == "partner" else place


def train(settings: Settings, seed: int, rate: float) -> Matcher:
    torch.manual_seed(seed)
    model, generator = Matcher(settings), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    for _ in range(settings.steps):
        kinds, numbers, place = deal(BATCH, settings, generator)
        loss = F.cross_entropy(model(kinds, numbers).flatten(0, 1), numbers[:, place].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def measure(model: Matcher, settings: Settings, seed: int) -> dict:
    kinds, numbers, place = deal(1000, settings, torch.Generator().manual_seed(1000 + seed))
    weights_BTT = model.attention_weights(kinds, numbers)
    right = model(kinds, numbers).argmax(2) == numbers[:, place]
    return {
        "accuracy": right.float().mean().item(),
        "on_wanted": weights_BTT[:, torch.arange(len(place)), place].mean().item(),
        "map": weights_BTT.mean(0).tolist(),
        "projections": sum(
            p.numel() for p in {*model.query.parameters(), *model.key.parameters(), *model.value.parameters()}
        ),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def run(settings: Settings, seed: int) -> dict:
    return max((measure(train(settings, seed, rate), settings, seed) for rate in RATES), key=lambda m: m["accuracy"])


def draw(results: Results, figure: Figure) -> None:
    left, *maps = figure.axes(1, 3, width=4.8)
    arms = results.arms
    mean, low, high = zip(*(results.band(arm, "on_wanted") for arm in arms))
    errors = [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]]
    figure.bars(left, [results.label(arm) for arm in arms], mean, errors)
    figure.floor(left, 0.5, Text("Q = K 时不可能超过", "the most that Q = K allows"))
    figure.name(left, y=Text("落在伙伴身上的权重", "weight on the partner"))
    left.set_ylim(0, 1.15)
    ticks = [
        Text(f"{'锁钥'[n % 2]}{n // 2 + 1}", f"{'LK'[n % 2]}{n // 2 + 1}") for n in range(2 * results.settings.pairs)
    ]
    for axes, arm in zip(maps, ("qk", "none")):
        figure.heatmap(axes, results.mean(arm, "map"), x=ticks, y=ticks, vmin=0, vmax=1)
        figure.name(axes, x=Text("看向谁", "looked at"), y=Text("谁在看", "who looks"))
        axes.set_title(figure.words(results.label(arm)))


def fate_of_tied(results: Results) -> str:
    accuracy = results.mean("qk", "accuracy")
    return "same" if accuracy > 0.9 else "half" if accuracy > 0.3 else "chance"


lab = Lab(
    title=Text("为什么要三个投影？", "Why three projections?"),
    about_zh="""
        为什么要三个投影？因为一个词元要找的东西，和它自己是什么，是两回事。

        锁和钥匙：锁 3 这个词元要找钥匙 3，钥匙 3 要找锁 3。每个词元都带着一个 0 到 7 的随机数，
        要报出伙伴的数：模型认为最可能的那个答案正好是它，才算报对；瞎猜能对 1/8。
        每一局从八对里发四对；所有词元都互相看得见；没有位置。

        各组的差别是：三个投影里，哪几个是同一个矩阵。如果 query 就是 key（Q = K），那么 score(a, b) = f(a)·f(b)，
        而 2 f(a)·f(b) <= f(a)·f(a) + f(b)·f(b)：一对词元里，各自和自己的分数，平均起来不低于互相给的分数。
        所以不管怎么训练，伙伴平均得到的权重都不会超过 1/2。共用矩阵的组，头更宽（宽度是 16、24 或 48），
        这样各组的投影参数一样多；从更宽的头里读出答案的那一层会大一点点，这只会让共用矩阵的组占便宜。
        """,
    settings=Settings(),
    arms={"qkv": {"shared": "qkv"}, "qk": {"shared": "qk"}, "kv": {"shared": "kv"}, "none": {"shared": "none"}},
    labels={
        "qkv": Text("Q=K=V", "Q = K = V"),
        "qk": Text("Q=K", "Q = K"),
        "kv": Text("K=V", "K = V"),
        "none": Text("三个都独立", "all separate"),
    },
    seeds=3,
    run=run,
    metrics={
        "accuracy": Metric(Text("报对的比例", "correct reports"), chance=1 / NUMBERS),
        "on_wanted": Metric(
            Text("伙伴的权重", "weight on the partner"), chance=lambda settings: 1 / (2 * settings.pairs)
        ),
        "map": Metric(Text("权重：谁在看 × 看向谁", "weights: who looks × looked at")),
        "projections": Metric(Text("投影的参数", "parameters of the projections"), format=".0f"),
        "parameters": Metric(Text("全部参数", "all parameters"), format=".0f"),
    },
    claims=[
        Claim(
            "query_apart",
            Text(
                "Q 独立之后，报对的比例比 Q=K 高出 0.25 以上",
                "With a separate query, the share of correct reports is more than 0.25 higher than with Q = K",
            ),
            lambda arm: arm["none"]["accuracy"] > arm["qk"]["accuracy"] + 0.25,
        ),
        Claim(
            "bound",
            Text(
                "Q=K 时伙伴得到的权重不超过 1/2；三个独立时超过 0.9",
                "With Q = K the partner gets at most 1/2 of the weight; with all three separate, more than 0.9",
            ),
            lambda arm: arm["qk"]["on_wanted"] <= 0.5 and arm["none"]["on_wanted"] > 0.9,
        ),
        Claim(
            "value_shared",
            Text(
                "K=V、Q 独立时，报对的比例也在 0.9 以上：在这个任务上，V 不必有自己的矩阵",
                "With K = V and a separate query, more than 0.9 of the reports are also correct: in this task V "
                "does not need a matrix of its own",
            ),
            lambda arm: arm["kv"]["accuracy"] > 0.9,
        ),
    ],
    sabotages=[
        Sabotage(
            {"wanted": "itself"},
            ("query_apart", "bound"),
            Text("每个词元要找的就是它自己", "every token looks for itself: what it wants is what it is"),
        ),
        Sabotage(
            {"shared": "qk"},
            ("query_apart", "bound", "value_shared"),
            Text("谁的 Q 都不独立", "no arm has a separate query"),
        ),
    ],
    prediction=Prediction(
        Text(
            "锁要找钥匙，钥匙要找锁。如果 Q 和 K 用同一个矩阵，报对的比例会怎样？",
            "Locks look for keys and keys look for locks. If Q and K share one matrix, what happens to the share "
            "of correct reports?",
        ),
        {
            "same": Text("几乎不变：别的参数会补上", "hardly changes: other parameters make up for it"),
            "half": Text("掉到一半上下", "falls to about half"),
            "chance": Text("掉到瞎猜的 1/8", "falls to chance, 1/8"),
        },
        fate_of_tied,
    ),
    why=Text(
        "Q 和 K 是同一个矩阵时，分数就是“你和我有多像”，而和自己最像的总是自己，所以伙伴至多分到一半的权重。"
        "Q 独立之后，要找的东西就可以和自己不一样。",
        "When Q and K are one matrix, the score says how alike two tokens are, and nothing is more like a token "
        "than itself, so the partner gets half the weight at best. With a query of its own, a token can look for "
        "something that it is not.",
    ),
    figure=draw,
    quick={"steps": 75},
)

if __name__ == "__main__":
    lab.main()
