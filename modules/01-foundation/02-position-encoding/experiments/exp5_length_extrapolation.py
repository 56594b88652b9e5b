"""A model was trained on short sentences. What happens beyond the trained length, and what do the remedies cost?

A made-up language: the two previous words decide the probabilities of the next, so nearby words matter and distant ones tell
nothing; its entropy is known. Fledge's model with two blocks learns it from sentences of 16 words, and then reads 8 times
that length without further training. A long text is no harder than a short one: whichever arm reads it worse does so because
of its length alone.

Arms: RoPE as trained; RoPE as trained, but no word looks back farther than training did (a sliding window); three known ways
of stretching its frequencies by 8 AFTER training, spelled as in `ModelConfig`: linear interpolation (Chen et al., 2023:
every frequency divided by 8), "NTK-aware" (bloc97, 2023: a larger base, so that only the slowest pair is divided by 8) and
YaRN (Peng et al., 2023: fast pairs kept, slow ones divided); and ALiBi (Press et al., 2022), which has no RoPE and subtracts
from every score a slope times the distance. All but ALiBi read with the very same weights. (The papers train a little more
after stretching; here nothing is trained, so that the price shows.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import batches, language, plain_attention, tiny_model, train_at_best
from fledge.model.rope import rope_frequencies
from fledge.model.transformer import Transformer
from fledge.parts import REFERENCE
from fledge.parts.reference import causal_mask, explicit_attention

VOCAB, HEADS, ROWS, TEST_ROWS = 8, 4, 16, 64
RATES = (1e-2, 3e-3)


@dataclass(frozen=True)
class Settings:
    length: int = param(16, low=8, high=64, zh="训练时的句长", en="sentence length in training")
    times: int = param(8, low=8, high=16, zh="测试时长到几倍", en="how many times that length is read")
    steps: int = param(150, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(
        2, low=1, high=2, zh="试几个学习率（0.01、0.003）", en="how many learning rates are tried (0.01, 0.003)"
    )
    position: str = param(
        "rope", choices=("rope", "window", "linear", "ntk", "yarn", "alibi"), zh="位置编码", en="position encoding"
    )
    kind: str = param("sum", choices=("one", "sum"), zh="语言", en="which language", hidden=True)


def alibi(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
    """Causal attention whose scores lose slope times distance; slopes 1/4, 1/16, 1/64, 1/256 for four heads."""
    H, T = q_BHTD.shape[1:3]
    slopes = torch.tensor([2 ** (-8 * (head + 1) / H) for head in range(H)])
    positions = torch.arange(T)
    distance = (positions[:, None] - positions).clamp(min=0)
    return explicit_attention(q_BHTD, k_BHSD, v_BHSD, causal_mask(T, q_BHTD) - slopes[:, None, None] * distance)


def new_model(position: str, seed: int) -> Transformer:
    model = tiny_model(VOCAB, seed, heads=HEADS)
    if position == "alibi":
        for block in model.model.layers:
            block.self_attn.parts = replace(REFERENCE, apply_rope=lambda x, cos, sin: x, attention=alibi)
    return model


@functools.lru_cache(maxsize=2)
def trained(settings: Settings, seed: int) -> Transformer:
    """The model at the rate that ends lowest; four arms read with the same one."""

    def new() -> Transformer:
        torch.manual_seed(seed)
        return new_model(settings.position, seed)

    data = batches(VOCAB, settings.steps, seed, rows=ROWS, length=settings.length, kind=settings.kind)
    return train_at_best(new, RATES[: settings.rates], data)  # type: ignore[return-value]


def window(length: int) -> Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]:
    """Causal attention that looks back no farther than training did."""

    def attention(q_BHTD: Tensor, k_BHSD: Tensor, v_BHSD: Tensor, mask: Tensor | None) -> Tensor:
        positions = torch.arange(q_BHTD.shape[2])
        far = positions[:, None] - positions >= length
        return explicit_attention(
            q_BHTD, k_BHSD, v_BHSD, causal_mask(len(positions), q_BHTD).masked_fill(far, float("-inf"))
        )

    return attention


def stretch(model: Transformer, settings: Settings) -> None:
    """Give the trained model the frequencies of the arm, or its window; the weights stay as they are."""
    config, factor = model.config, settings.times
    assert config.head_dim
    scaling = {"rope_type": settings.position, "factor": factor, "original_max_position_embeddings": settings.length}
    theta = 10000.0 * factor ** (config.head_dim / (config.head_dim - 2))
    config = {
        "ntk": replace(config, rope_theta=theta),
        "linear": replace(config, rope_scaling=scaling),
        "yarn": replace(config, rope_scaling=scaling),
    }.get(settings.position, config)
    model.inv_freq, model.rope_factor = rope_frequencies(config)
    if settings.position != "alibi":
        look = window(settings.length) if settings.position == "window" else plain_attention
        for block in model.model.layers:
            block.self_attn.parts = replace(block.self_attn.parts, attention=look)


@torch.no_grad()
def loss_by_position(model: Transformer, settings: Settings, seed: int) -> Tensor:
    rows = language(VOCAB, settings.kind).rows(TEST_ROWS, settings.times * settings.length + 1, seed + 1000)
    losses = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
    return losses.view(TEST_ROWS, -1).mean(0)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    """Losses as shares of what can be learnt: 0 is the entropy, 1 is guessing."""
    weights = "alibi" if settings.position == "alibi" else "rope"
    model = trained(replace(settings, position=weights), seed)
    stretch(model, settings)
    floor = language(VOCAB, settings.kind).entropy
    lost = (loss_by_position(model, settings, seed) - floor) / (math.log(VOCAB) - floor)
    short, long = lost[settings.length // 2 : settings.length], lost[len(lost) // 2 :]
    return {
        "short": short.mean().item(),
        "double": lost[settings.length : 2 * settings.length].mean().item(),
        "middle": lost[2 * settings.length : 4 * settings.length].mean().item(),
        "long": long.mean().item(),
        "worse": (long.mean() - short.mean()).item(),
        "by_position": [part.mean().item() for part in lost.split(settings.length // 2)],
    }


def draw(results: Results, figure: Figure) -> None:
    axes, settings = figure.axes(width=7.6, height=4.2), results.settings
    half = settings.length // 2
    for arm in results.arms:
        mean, low, high = results.band(arm, "by_position")
        figure.line(axes, [half * (n + 0.5) for n in range(len(mean))], mean, low, high, label=results.label(arm))
    figure.floor(axes, 1, Text("瞎猜", "guessing"))
    axes.axvline(settings.length, color="0.45", linestyle=":", linewidth=1)
    axes.set_ylim(0, None)
    loss = Text("离熵有多远（瞎猜为 1）", "gap to the entropy (guessing: 1)")
    figure.name(axes, x=Text("位置（点线：训练到此为止）", "position (dotted: end of training)"), y=loss)


def outcome(results: Results) -> str:
    worse = results.mean("rope", "worse")
    return "same" if worse < 0.1 else "worse" if results.mean("rope", "long") < 0.7 else "guessing"


lab = Lab(
    title=Text("句子比训练时长，模型还读得懂吗？", "Can a model read beyond the length it was trained on?"),
    about_zh="""
        模型只在短句子上训练过。过了训练时的长度，会怎样？几种补救办法又要付出什么代价？

        语言是编出来的：下一个词的概率由前两个词决定，近处的词有用，远处的词什么也说明不了；它的熵是知道的。
        Fledge 的模型有两个块，在 16 个词的句子上学会它，然后读 8 倍长的文字，中间不再训练。
        长的文字并不比短的难：谁读得更差，原因就只有长度。

        各组：RoPE，原样；RoPE 原样，但每个词只看训练时看过的那么远（滑动窗口）；
        三种有名的办法，都在训练之后改频率，好容下 8 倍的长度，写法和 `ModelConfig` 一样：
        线性内插（Chen 等，2023：每个频率都除以 8），“NTK-aware”（bloc97，2023：换一个更大的底数，只有最慢的一对才除以 8），
        YaRN（Peng 等，2023：快的不动，慢的除以 8）；还有 ALiBi（Press 等，2022），它没有 RoPE，
        从每个分数里扣掉“斜率乘距离”。除了 ALiBi，各组读的时候用的是完全相同的权重。
        （论文里改完以后会再训练一小段；这里一点也不训练，代价才看得见。）
        """,
    settings=Settings(),
    arms={name: {"position": name} for name in ("rope", "window", "linear", "ntk", "yarn", "alibi")},
    labels={
        "rope": Text("RoPE，原样", "RoPE as trained"),
        "window": Text("RoPE，只看训练过的距离", "RoPE, trained window"),
        "linear": Text("线性内插", "linear interpolation"),
        "ntk": Text("NTK-aware 缩放", "NTK-aware"),
        "yarn": Text("YaRN 分段内插", "YaRN"),
        "alibi": Text("ALiBi 偏置", "ALiBi"),
    },
    seeds=3,
    run=run,
    metrics={
        "short": Metric(
            Text("训练过的长度之内：离熵多远", "within the trained length: gap to the entropy"),
            chance=1,
            floor=0,
        ),
        "double": Metric(Text("从 1 倍到 2 倍长：离熵多远", "from 1 to 2 times that length: gap"), chance=1, floor=0),
        "middle": Metric(Text("从 2 倍到 4 倍长：离熵多远", "from 2 to 4 times that length: gap"), chance=1, floor=0),
        "long": Metric(Text("读到的后一半：离熵多远", "second half of what is read: gap"), chance=1, floor=0),
        "worse": Metric(Text("后一半比训练过的长度之内差多少", "how much worse the second half is")),
        "by_position": Metric(Text("各个位置离熵多远", "gap to the entropy by position")),
    },
    claims=[
        Claim(
            "not_for_free",
            Text(
                "读到 8 倍长：原样的 RoPE 比训练过的长度之内差 0.2 以上（可学部分的两成），ALiBi 差不到 0.1",
                "At 8 times the length, RoPE as trained is worse than within the trained length by more than 0.2 "
                "of what there is to learn, ALiBi by less than 0.1",
            ),
            lambda arm: arm["rope"]["worse"] > 0.2 and arm["alibi"]["worse"] < 0.1,
        ),
        Claim(
            "distances_not_length",
            Text(
                "权重不变，但每个词只看训练过的距离：后一半比训练过的长度之内差不到 0.1",
                "With the same weights, but no word looking back farther than in training, the second half is "
                "worse by less than 0.1",
            ),
            lambda arm: arm["rope"]["worse"] > 0.2 and arm["window"]["worse"] < 0.1,
        ),
        Claim(
            "interpolation_blurs",
            Text(
                "线性内插：在训练过的长度之内就比原样的 RoPE 差 0.2 以上",
                "Linear interpolation is more than 0.2 worse than RoPE as trained even within the trained length",
            ),
            lambda arm: arm["linear"]["short"] > arm["rope"]["short"] + 0.2,
        ),
        Claim(
            "yarn_between",
            Text(
                "YaRN：后一半比原样的 RoPE 好 0.1 以上；在训练过的长度之内比原样的差 0.05 以上，比线性内插好 0.1 以上",
                "YaRN is more than 0.1 better than RoPE as trained in the second half; within the trained length "
                "it is more than 0.05 worse than as trained and more than 0.1 better than linear interpolation",
            ),
            lambda arm: (
                arm["yarn"]["long"] < arm["rope"]["long"] - 0.1
                and arm["rope"]["short"] + 0.05 < arm["yarn"]["short"] < arm["linear"]["short"] - 0.1
            ),
        ),
        Claim(
            "ntk_later",
            Text(
                "NTK-aware：在训练过的长度之内与原样的 RoPE 相差不到 0.1；从 2 倍到 4 倍长比它好 0.1 以上；后一半"
                "仍然差 0.2 以上",
                "NTK-aware is within 0.1 of RoPE as trained inside the trained length and more than 0.1 better "
                "from 2 to 4 times that length; the second half is still worse by more than 0.2",
            ),
            lambda arm: (
                abs(arm["ntk"]["short"] - arm["rope"]["short"]) < 0.1
                and arm["ntk"]["middle"] < arm["rope"]["middle"] - 0.1
                and arm["ntk"]["worse"] > 0.2
            ),
        ),
    ],
    sabotages=[
        Sabotage(
            {"kind": "one"},
            ("not_for_free", "distances_not_length", "interpolation_blurs", "yarn_between", "ntk_later"),
            Text(
                "换一种语言：下一个词只取决于眼前这个词，注意力用不着看位置",
                "another language: the next word depends on the current one alone, so positions do not matter",
            ),
        )
    ],
    prediction=Prediction(
        Text(
            "用 RoPE 在 16 个词的句子上训练，然后读 128 个词。规律没变，只是更长。读到后一半，损失会怎样？",
            "A model trained with RoPE on sentences of 16 words now reads 128. The rules are the same, there are "
            "just more words. What happens to the loss in the second half?",
        ),
        {
            "same": Text(
                "一样：RoPE 只看距离，近处的词没变",
                "the same: RoPE only sees distances, and nearby words are as before",
            ),
            "worse": Text("差一些", "somewhat worse"),
            "guessing": Text("差得多，快到瞎猜了", "much worse, close to guessing"),
        },
        outcome,
    ),
    why=Text(
        "同样的权重，只要不看比训练时更远的词就一点也不变差，所以出错的是那些训练时没见过的距离，不是句子长"
        "。哪一根针出的错，exp6_hand_by_hand 一根一根地查。",
        "With the same weights, nothing gets worse as long as no word looks farther back than in training: what "
        "fails is the distances that training never showed, not the length of the text. exp6_hand_by_hand finds "
        "out which frequency is to blame.",
    ),
    figure=draw,
    quick={"steps": 60, "rates": 1},
)

if __name__ == "__main__":
    lab.main()
