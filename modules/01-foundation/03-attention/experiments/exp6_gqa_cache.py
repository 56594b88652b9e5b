"""Fewer key and value heads: how much smaller is the cache, and what does the model pay for it?

Four query heads share 4, 2 or 1 key/value heads: multi-head, grouped-query (Ainslie et al., 2023) and multi-query attention
(Shazeer, 2019). The bytes are counted in the engine's own KV cache while the engine's own Transformer reads a text. The
number of parameters is equal: what the key and value projections save goes into a wider feed-forward layer, as Shazeer did.

All models are trained alike on a random language in which every letter is decided by a coin toss: by the letter two places
before it, or by the one three places before it. So there is more than one place to look. The probabilities are ours, so we
know the best possible loss on the very texts of the test, and how much there is to learn: ln 16 minus that loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.generate.cache import StaticCache
from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE

HEADS, HEAD_DIM = 4, 12
LETTERS, LENGTH, BATCH = 16, 16, 32
PROBABILITIES = (0.4, 0.3, 0.2, 0.1)
BACK = (2, 3)
"""How far back the two letters stand, one of which decides the next."""
RATES = (1e-2, 2e-2)
"""Learning rates tried for every arm; the better one is reported."""


@dataclass(frozen=True)
class Settings:
    groups: int = param(4, low=1, high=4, zh="键/值头的个数（4 的约数）", en="key/value heads (a divisor of 4)")
    layers: int = param(1, low=1, high=8, zh="层数", en="number of layers")
    steps: int = param(200, low=50, high=3000, zh="训练步数", en="training steps")
    rates: int = param(2, low=1, high=2, zh="试几个学习率", en="learning rates to try")


class CountingCache(StaticCache):
    """The engine's cache, which adds up the bytes of the keys and values that it holds."""

    bytes = 0

    def update(self, layer: int, k_BHTD: Tensor, v_BHTD: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        keys, values, mask = super().update(layer, k_BHTD, v_BHTD)
        self.bytes += keys.nbytes + values.nbytes
        return keys, values, mask


def new_language(seed: int) -> Tensor:
    """[2, 16, 4]: the four letters that may follow two places after a letter, and the four three places after it."""
    return torch.rand(2, LETTERS, LETTERS, generator=torch.Generator().manual_seed(seed)).argsort(2)[:, :, :4]


def write(language: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` texts [count, LENGTH + 1]; the first three letters are any."""
    letters = list(torch.randint(LETTERS, (3, count), generator=generator))
    shape = (LENGTH - 2, count)
    coins = torch.randint(2, shape, generator=generator)
    choices = torch.multinomial(torch.tensor(PROBABILITIES), coins.numel(), replacement=True, generator=generator)
    for coin, choice in zip(coins, choices.view(shape)):
        decides = torch.where(coin == 0, letters[-BACK[0]], letters[-BACK[1]])
        letters.append(language[coin, decides, choice])
    return torch.stack(letters, 1)


def best_loss(language: Tensor, texts: Tensor) -> float:
    """The loss on these texts of whoever knows the language perfectly."""
    known = torch.zeros(2, LETTERS, LETTERS).scatter(2, language, torch.tensor(PROBABILITIES).expand(language.shape))
    chances = [known[n, texts[:, 3 - back : texts.shape[1] - back], texts[:, 3:]] for n, back in enumerate(BACK)]
    return -(0.5 * (chances[0] + chances[1])).log().mean().item()


def new_model(settings: Settings, seed: int) -> Transformer:
    hidden = HEADS * HEAD_DIM
    saved = 2 * hidden * HEAD_DIM * (HEADS - settings.groups)  # parameters of the missing key and value heads
    config = ModelConfig(
        model_type="llama", vocab_size=LETTERS, num_hidden_layers=settings.layers, hidden_size=hidden,
        num_attention_heads=HEADS, num_key_value_heads=settings.groups,
        intermediate_size=2 * hidden + saved // (3 * hidden),
    )  # fmt: skip
    return Transformer(config).init_weights(seed)


def loss_of(model: Transformer, texts: Tensor) -> Tensor:
    """Mean loss of the letters that the language decides: all but the first three."""
    return F.cross_entropy(model(texts[:, :-1])[:, 2:].flatten(0, 1), texts[:, 3:].flatten())


def train(settings: Settings, seed: int, rate: float) -> Transformer:
    language, generator = new_language(seed), torch.Generator().manual_seed(seed)
    model = new_model(settings, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = rate * REFERENCE.lr_at(step / settings.steps, warmup=0.1, schedule="linear")
        loss = loss_of(model, write(language, BATCH, generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def measure(model: Transformer, seed: int) -> dict:
    language = new_language(seed)
    texts = write(language, 1000, torch.Generator().manual_seed(1000 + seed))
    cache = CountingCache(model.config, capacity=1, max_len=LENGTH)
    model.hidden(texts[:1, :LENGTH], positions_BT=torch.arange(LENGTH)[None], cache=cache)
    best = best_loss(language, texts)
    return {
        "bytes": cache.bytes / LENGTH,
        "gap": loss_of(model, texts).item() - best,
        "to_learn": math.log(LETTERS) - best,
        "parameters": model.config.num_parameters()["total"],
    }


def run(settings: Settings, seed: int) -> dict:
    return min(
        (measure(train(settings, seed, rate), seed) for rate in RATES[: settings.rates]), key=lambda found: found["gap"]
    )


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    for where, metric in zip(axes, ("bytes", "gap")):
        mean, low, high = zip(*(results.band(arm, metric) for arm in results.arms))
        figure.bars(where, labels, mean, [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]])
    figure.floor(axes[1], results.mean("mha", "to_learn"), Text("什么都没学到", "nothing learnt"))
    figure.name(axes[0], y=Text("每个词元占缓存多少字节", "bytes of cache per token"))
    figure.name(axes[1], y=Text("比最好的损失高多少（nat）", "loss above the best possible (nats)"))


def price(results: Results) -> str:
    extra = results.mean("mqa", "gap") - results.mean("mha", "gap")
    share = extra / results.mean("mha", "to_learn")
    return "nothing" if share < 0.1 else "some" if share < 0.5 else "much"


def nearly_free(arm: dict, fewer: str, times: int) -> bool:
    """At most 1/`times` of the cache, and the loss higher by less than a tenth of what there is to learn."""
    many, few = arm["mha"], arm[fewer]
    return times * few["bytes"] <= many["bytes"] and few["gap"] < many["gap"] + 0.1 * many["to_learn"]


lab = Lab(
    title=Text(
        "少几个键/值头：缓存小多少，损失高多少？",
        "Fewer key/value heads: how much smaller is the cache, how much higher the loss?",
    ),
    about_zh="""
        少几个键/值头：缓存小多少，模型为此付出多少？

        四个查询头共用 4 个、2 个或 1 个键/值头：分别是 multi-head、grouped-query（Ainslie 等，2023）和
        multi-query（Shazeer，2019）注意力。引擎自己的 Transformer 读一段文本，字节数就在引擎自己的 KV 缓存里数。
        参数一样多：键和值的投影省下的参数，都用来加宽前馈层，和 Shazeer 的做法一样。

        所有模型的训练都一样，语言是随机编的，每个字母抛硬币决定：要么由前面第二个字母决定，要么由前面第三个。
        所以要看的地方不止一处。语言的概率是我们定的，所以在测试的这些文本上，最好的损失是多少，我们知道；
        一共可学多少，也就知道了：ln 16 减去它。
        """,
    settings=Settings(),
    arms={"mha": {"groups": 4}, "gqa": {"groups": 2}, "mqa": {"groups": 1}},
    labels={
        "mha": Text("MHA（4 组）", "MHA (4)"),
        "gqa": Text("GQA（2 组）", "GQA (2)"),
        "mqa": Text("MQA（1 组）", "MQA (1)"),
    },
    seeds=3,
    run=run,
    metrics={
        "bytes": Metric(Text("缓存字节 / 词元", "cache bytes per token"), format=".0f"),
        "gap": Metric(Text("损失 − 最好（nat）", "loss − best (nats)"), floor=0.0),
        "to_learn": Metric(Text("一共可学（nat）", "to learn (nats)")),
        "parameters": Metric(Text("参数个数", "parameters"), format=".0f"),
    },
    claims=[
        Claim(
            "bytes",
            Text(
                "GQA 的缓存正好是 MHA 的一半，MQA 的正好是四分之一",
                "GQA's cache is exactly half of MHA's, and MQA's exactly a quarter",
            ),
            lambda arm: arm["mha"]["bytes"] == 2 * arm["gqa"]["bytes"] == 4 * arm["mqa"]["bytes"],
        ),
        Claim(
            "cheap",
            Text(
                "缓存只有 1/2 和 1/4，而 GQA 和 MQA 的损失都没有比 MHA 高出“一共可学的”的十分之一",
                "With 1/2 and 1/4 of the cache, neither GQA nor MQA has a loss more than a tenth of what there "
                "is to learn above MHA's",
            ),
            lambda arm: nearly_free(arm, "gqa", 2) and nearly_free(arm, "mqa", 4),
        ),
    ],
    sabotages=[
        Sabotage(
            {"groups": 4},
            ("bytes", "cheap"),
            Text("每个查询头都有自己的键和值", "every query head has its own keys and values"),
        )
    ],
    prediction=Prediction(
        Text(
            "四个查询头共用一个键/值头（MQA），参数总数不变。损失会高出“一共可学的”的多少？",
            "Four query heads share one key/value head (MQA), with the same number of parameters. By how much of "
            "what there is to learn does the loss rise?",
        ),
        {
            "nothing": Text("不到十分之一", "less than a tenth"),
            "some": Text("十分之一到一半", "a tenth to a half"),
            "much": Text("一半以上", "more than half"),
        },
        price,
    ),
    why=Text(
        "缓存只存键和值，大小与键/值头的个数成正比，与查询头无关。损失这里看不出差别，是因为这门语言只有两处"
        "要看，一个键/值头就够用；这说明不了大模型。",
        "The cache holds only keys and values, so its size is proportional to the number of key/value heads and "
        "has nothing to do with query heads. The loss shows no difference here because this language has only "
        "two places to look, which one key/value head can serve; that says nothing about large models.",
    ),
    figure=draw,
    quick={"rates": 1},
)

if __name__ == "__main__":
    lab.main()
