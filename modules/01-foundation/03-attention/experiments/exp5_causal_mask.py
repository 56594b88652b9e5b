"""What happens when the causal mask leaks? The loss becomes better than possible, and the model becomes worse.

The language is random over 16 letters: every letter has four possible followers, with probabilities 0.4, 0.3, 0.2 and 0.1,
and they appear two places after it. Even someone who knows the language perfectly loses H = -sum p ln p = 1.28 nats per
letter; nobody who cannot see the future can do better. So we know the floor of the loss, and a loss below it is proof of a
leak. The distance is two places so that attention is needed: with `--back 1` the current letter decides, every model picks
that up in passing, and the text that a leaking model writes gives little away. Its loss still does.

The model is the engine's own Transformer, with its attention replaced by one that may look `ahead` places into the future:
0 is correct, 1 is the off-by-one slip (triu(2) for triu(1)), 64 is no mask at all. Each is then judged where there is no
future to see: it reads a prefix and predicts the next letter, and it writes text of its own.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE

LETTERS, LENGTH, BATCH = 16, 16, 32
PROBABILITIES = (0.4, 0.3, 0.2, 0.1)
ENTROPY = -sum(p * math.log(p) for p in PROBABILITIES)
RATES = (1e-2, 3e-3)
"""Learning rates tried for every arm; the one with the better loss is reported, as anybody would choose."""
EVERY = 10


@dataclass(frozen=True)
class Settings:
    back: int = param(2, low=1, high=4, zh="往回第几个字母决定下一个", en="how far back the deciding letter is")
    width: int = param(32, low=16, high=128, zh="向量宽度", en="vector width")
    steps: int = param(120, low=50, high=2000, zh="训练步数", en="training steps")
    rates: int = param(2, low=1, high=2, zh="试几个学习率", en="learning rates to try")
    ahead: int = param(0, low=0, high=64, zh="能偷看后面几个位置", en="how many positions ahead the model may look")


def followers(seed: int) -> Tensor:
    """The language [16, 4]: the four letters that may follow each letter, `back` places after it."""
    return torch.rand(LETTERS, LETTERS, generator=torch.Generator().manual_seed(seed)).argsort(1)[
        :, : len(PROBABILITIES)
    ]


def write(language: Tensor, count: int, back: int, generator: torch.Generator) -> Tensor:
    """`count` texts [count, LENGTH + 1]; the first `back` letters are any."""
    letters = list(torch.randint(LETTERS, (back, count), generator=generator))
    number = (LENGTH + 1 - back) * count
    which = torch.multinomial(torch.tensor(PROBABILITIES), number, replacement=True, generator=generator)
    for choice in which.view(-1, count):
        letters.append(language[letters[-back], choice])
    return torch.stack(letters, 1)


def new_model(settings: Settings, seed: int) -> Transformer:
    def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        T = q.shape[2]
        return REFERENCE.attention(q, k, v, torch.ones(T, T, dtype=torch.bool).tril(settings.ahead))

    config = ModelConfig(
        model_type="llama", vocab_size=LETTERS, hidden_size=settings.width, intermediate_size=2 * settings.width,
        num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    return Transformer(config, dataclasses.replace(REFERENCE, attention=attention)).init_weights(seed)


def loss_of(model: Transformer, texts: Tensor, back: int) -> Tensor:
    """Mean loss of the letters that are decided, the whole text given at once: what a training run looks at."""
    return F.cross_entropy(model(texts[:, :-1])[:, back - 1 :].flatten(0, 1), texts[:, back:].flatten())


def train(settings: Settings, seed: int, rate: float) -> tuple[Transformer, list[float]]:
    language, generator = followers(seed), torch.Generator().manual_seed(seed)
    model = new_model(settings, seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, fused=True)
    curve = []
    for step in range(settings.steps):
        loss = loss_of(model, write(language, BATCH, settings.back, generator), settings.back)
        if step % EVERY == 0:
            curve.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, curve


@torch.no_grad()
def measure(model: Transformer, curve: list[float], back: int, seed: int) -> dict:
    language, generator = followers(seed), torch.Generator().manual_seed(1000 + seed)
    texts = write(language, 500, back, generator)
    lengths = range(4, LENGTH, 3)
    alone = [F.cross_entropy(model(texts[:, :n])[:, -1], texts[:, n]).item() for n in lengths]
    return {
        "gap": loss_of(model, texts, back).item() - ENTROPY,
        "alone": sum(alone) / len(alone) - ENTROPY,
        "impossible": impossible(model, language, texts[:100, :4], back, generator),
        "curve": curve,
    }


def impossible(model: Transformer, language: Tensor, begun: Tensor, back: int, generator: torch.Generator) -> float:
    """The model writes on, letter by letter; the share of its letters that the language never puts there."""
    texts = begun
    for _ in range(LENGTH - begun.shape[1]):
        drawn = torch.multinomial(model(texts)[:, -1].softmax(-1), 1, generator=generator)
        texts = torch.cat((texts, drawn), 1)
    written, before = texts[:, begun.shape[1] :], texts[:, begun.shape[1] - back : -back]
    return 1 - (language[before] == written[:, :, None]).any(-1).float().mean().item()


def run(settings: Settings, seed: int) -> dict:
    return min(
        (measure(*train(settings, seed, rate), settings.back, seed) for rate in RATES[: settings.rates]),
        key=lambda m: m["gap"],
    )


def draw(results: Results, figure: Figure) -> None:
    left, middle, right = figure.axes(1, 3, width=4.6)
    for arm in results.arms:
        mean, low, high = results.band(arm, "curve")
        figure.line(left, range(0, EVERY * len(mean), EVERY), mean, low, high, label=results.label(arm))
    figure.floor(left, ENTROPY, Text("语言的熵：诚实的下限", "entropy of the language: the honest floor"))
    figure.name(left, x=Text("训练步", "training step"), y=Text("训练损失（nat）", "training loss (nats)"))
    left.set_ylim(0, 3.6)  # room for the legend
    labels = [results.label(arm) for arm in results.arms]
    for axes, metric, name in (
        (middle, "alone", Text("没有未来可看时，损失高出熵多少", "loss above the entropy with no future to see")),
        (right, "impossible", Text("自己写的字母里不可能出现的比例", "impossible letters in its own text")),
    ):
        mean, low, high = zip(*(results.band(arm, metric) for arm in results.arms))
        figure.bars(axes, labels, mean, [[m - a for m, a in zip(mean, low)], [b - m for m, b in zip(mean, high)]])
        figure.name(axes, y=name)
    figure.floor(right, 1 - len(PROBABILITIES) / LETTERS, Text("瞎写", "random letters"))
    right.set_ylim(0, 1)
    figure.name(right)


def where_to(results: Results) -> str:
    gap = results.mean("none", "gap")
    return "below" if gap < -0.1 else "above" if gap > 0.1 else "same"


LEAKS = ("slip", "none")

lab = Lab(
    title=Text("因果掩码漏了会怎样？", "What happens when the causal mask leaks?"),
    about_zh="""
        因果掩码漏了会怎样？损失好到不可能的程度，模型却更差了。

        语言是随机编的，有 16 个字母：每个字母后面有四种可能的字母，概率是 0.4、0.3、0.2 和 0.1，出现在它后面第二位。
        完全懂这门语言的人，平均每个字母也要损失 H = -sum p ln p = 1.28 nat；看不到未来，谁也不会比这更好。
        所以损失的下限我们是知道的，低于它就证明有泄漏。放在第二位，是为了用得着注意力：换成 `--back 1`，
        眼前这个字母就决定下一个，哪个模型都能顺手学会，从漏了掩码的模型自己写的文本里也看不出多少毛病。
        看它的损失，还是看得出来。

        模型是引擎自己的 Transformer，只换了注意力那一部分，让它可以往未来多看 `ahead` 位：0 是对的，1 是差一位的笔误
        （把 triu(1) 写成 triu(2)），64 就是完全没有掩码。然后在没有未来可看的地方评判每个模型：读一段前文，预测下一个字母；
        再自己写文本。
        """,
    settings=Settings(),
    arms={"causal": {"ahead": 0}, "slip": {"ahead": 1}, "none": {"ahead": 64}},
    labels={
        "causal": Text("因果掩码", "causal mask"),
        "slip": Text("多看一位", "off by one"),
        "none": Text("没有掩码", "no mask"),
    },
    seeds=3,
    run=run,
    metrics={
        "gap": Metric(
            Text("损失 − 熵（nat）", "loss − entropy (nats)"),
            chance=math.log(LETTERS) - ENTROPY,
            floor=0.0,
        ),
        "alone": Metric(
            Text("只给前文时（nat）", "with a prefix only (nats)"),
            chance=math.log(LETTERS) - ENTROPY,
            floor=0.0,
        ),
        "impossible": Metric(
            Text("不可能的字母", "impossible letters"),
            chance=1 - len(PROBABILITIES) / LETTERS,
        ),
        "curve": Metric(Text("训练损失", "training loss")),
    },
    claims=[
        Claim(
            "below",
            Text(
                "两种泄漏的损失都低于熵 0.3 nat 以上；有因果掩码的没有低过 0.03 nat",
                "Both leaks bring the loss more than 0.3 nats below the entropy; with the mask it never goes "
                "even 0.03 below",
            ),
            lambda arm: all(arm[leak]["gap"] < -0.3 for leak in LEAKS) and arm["causal"]["gap"] > -0.03,
        ),
        Claim(
            "alone",
            Text(
                "没有未来可看时，两个泄漏的模型都比有掩码的差 0.5 nat 以上",
                "With no future to see, both leaking models are more than 0.5 nats worse than the masked one",
            ),
            lambda arm: all(arm[leak]["alone"] > arm["causal"]["alone"] + 0.5 for leak in LEAKS),
        ),
        Claim(
            "nonsense",
            Text(
                "自己写文本时，两个泄漏的模型写出的不可能的字母的比例都比有掩码的高 0.2 以上",
                "In their own text, both leaking models write more impossible letters than the masked one, by "
                "more than 0.2 of all letters",
            ),
            lambda arm: all(arm[leak]["impossible"] > arm["causal"]["impossible"] + 0.2 for leak in LEAKS),
        ),
    ],
    sabotages=[
        Sabotage(
            {"ahead": 0},
            ("below", "alone", "nonsense"),
            Text("把掩码补上：谁都看不到未来", "the mask is back: no arm sees ahead"),
        )
    ],
    prediction=Prediction(
        Text(
            "忘了因果掩码。诚实的模型最低能到 1.28 nat。训练损失会怎样？",
            "You forgot the causal mask. The best honest model reaches 1.28 nats. What does your training loss do?",
        ),
        {
            "above": Text("停在 1.28 以上：模型被搞糊涂了", "it stays above 1.28: the model is confused"),
            "same": Text("也到 1.28 左右", "it also reaches about 1.28"),
            "below": Text("降到 1.28 以下，看上去特别好", "it falls below 1.28 and looks splendid"),
        },
        where_to,
    ),
    why=Text(
        "看得到后一个字母，照抄就行，用不着学规律；到了真正使用的时候后面什么也没有，抄无可抄。低于熵的损失"
        "只可能是偷看来的。",
        "A model that sees the next letter can copy it instead of learning the rule. In use there is no next "
        "letter to copy. A loss below the entropy can only come from looking.",
    ),
    figure=draw,
    quick={"steps": 100, "rates": 1},
)

if __name__ == "__main__":
    lab.main()
