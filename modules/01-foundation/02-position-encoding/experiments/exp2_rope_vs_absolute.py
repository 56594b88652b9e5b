"""A model has learnt "three places before me". Does it still know that at positions where no training sentence stood?

The task depends on nothing but a distance: at every word, name the word three places earlier. Sentences are random, so their
content gives nothing away. In training, a sentence is 16 words long and begins at position 0, 16 or 32: every position from
0 to 47 is trained, but the two sides of 16 (and of 32) never appear in one sentence. Then the same model is tested on
sentences that begin anywhere from 0 to 48.

The arms differ in how position is supplied: by a table of learnt vectors, one per position, added to the words (BERT,
GPT-2); by the fixed sines of Vaswani et al. (2017), also added; or by RoPE (Su et al., 2021). The rest is Fledge's model
with one block. All arms are trained at the same rates, and the rate with the lowest training loss is tested. The learnt
table has parameters of its own (64 x width); the other two have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.lab.tiny import tiny_model
from fledge.model.rope import rope_tables
from fledge.parts import REFERENCE

VOCAB, LENGTH, TRAINED, POSITIONS = 8, 16, (0, 16, 32), 64
RATES = (1e-2, 3e-3)
ROWS, TEST_ROWS = 24, 64
STARTS = range(0, 49, 4)  # where test sentences begin


@dataclass(frozen=True)
class Settings:
    width: int = param(32, low=8, high=64, zh="模型的宽度（4 的倍数）", en="width of the model (a multiple of 4)")
    distance: int = param(3, low=1, high=8, zh="要找的词在前面第几个", en="how far back the wanted word is")
    steps: int = param(120, low=20, high=1000, zh="训练步数", en="training steps")
    rates: int = param(
        2, low=1, high=2, zh="试几个学习率（0.01、0.003）", en="how many learning rates are tried (0.01, 0.003)"
    )
    position: str = param(
        "learned", choices=("none", "learned", "sinusoidal", "rope"), zh="位置编码", en="position encoding"
    )


def sines(width: int) -> Tensor:
    """The table of Vaswani et al., [positions, width]."""
    angles = torch.arange(POSITIONS)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)


class Reader(nn.Module):
    """Fledge's model. A row is the position of the first word, then the words: [B, 1 + T] -> logits [B, T, V]."""

    def __init__(self, settings: Settings, seed: int):
        super().__init__()
        parts = REFERENCE if settings.position == "rope" else replace(REFERENCE, apply_rope=lambda x, cos, sin: x)
        self.model = tiny_model(VOCAB, seed, width=settings.width, layers=1, parts=parts)
        self.learned = nn.Embedding(POSITIONS, settings.width) if settings.position == "learned" else None
        self.fixed = sines(settings.width) if settings.position == "sinusoidal" else None

    def forward(self, rows: Tensor) -> Tensor:
        positions, body = rows[:, :1] + torch.arange(rows.shape[1] - 1), self.model.model
        x = body.embed_tokens(rows[:, 1:])
        if self.learned is not None:
            x = x + self.learned(positions)
        if self.fixed is not None:
            x = x + self.fixed[positions]
        rope = rope_tables(self.model.inv_freq, positions, 1.0, x.dtype)
        for block in body.layers:
            x = block(x, rope, None, None, None)
        return self.model.head(body.norm(x))


def sentences(starts: Tensor, draw: torch.Generator) -> Tensor:
    """A random sentence for every start, [B, 1 + length]."""
    return torch.cat((starts[:, None], torch.randint(VOCAB, (len(starts), LENGTH), generator=draw)), 1)


def train(settings: Settings, seed: int, rate: float) -> tuple[float, Reader]:
    """A new model, trained at this rate: its mean loss in the last tenth of the steps, and itself."""
    torch.manual_seed(seed)
    model, history = Reader(settings, seed), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    draw = torch.Generator().manual_seed(seed)  # the same sentences for every arm
    for _ in range(settings.steps):
        starts = torch.tensor(TRAINED)[torch.randint(len(TRAINED), (ROWS,), generator=draw)]
        rows = sentences(starts, draw)
        logits = model(rows)[:, settings.distance :]
        loss = F.cross_entropy(logits.flatten(0, 1), wanted(rows, settings).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    last = history[-max(settings.steps // 10, 1) :]
    return sum(last) / len(last), model


def wanted(rows: Tensor, settings: Settings) -> Tensor:
    """The answers of all words that have one."""
    return rows[:, 1 : -settings.distance]


@torch.no_grad()
def right(model: Reader, settings: Settings, start: int, draw: torch.Generator) -> Tensor:
    """Share of right answers of every word that has one, over sentences that begin at `start`, [answers]."""
    rows = sentences(torch.full((TEST_ROWS,), start), draw)
    answers = model(rows)[:, settings.distance :].argmax(-1)
    return (answers == wanted(rows, settings)).double().mean(0)


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    last, model = min((train(settings, seed, rate) for rate in RATES[: settings.rates]), key=lambda found: found[0])
    draw = torch.Generator().manual_seed(seed + 1000)
    found = {start: right(model, settings, start, draw) for start in STARTS}
    # A sentence from 8 to 23: word `settings.distance` places on, the answers for positions 16, 17, … cross over from 15.
    first = LENGTH // 2 - settings.distance
    crossing = [found[start][first : first + settings.distance] for start in (8, 24)]
    return {
        "loss": last,
        "trained": torch.stack([found[start] for start in TRAINED]).mean().item(),
        "crossing": torch.stack(crossing).mean().item(),
        "beyond": found[48].mean().item(),
        "by_start": [found[start].mean().item() for start in STARTS],
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes(width=7.2)
    for arm in results.arms:
        figure.line(axes, list(STARTS), *results.band(arm, "by_start"), label=results.label(arm))
    figure.floor(axes, 1 / VOCAB, Text("瞎猜", "guessing"))
    for start in TRAINED:
        axes.axvline(start, color="0.45", linestyle=":", linewidth=1)
    axes.set_ylim(0, 1.05)
    start = Text(
        "句子从哪个位置开始（点线：训练时的开头）", "position where the sentence begins (dotted: as in training)"
    )
    figure.name(axes, x=start, y=Text("答对的比例", "correct answers"))
    axes.get_legend().set_loc((0.06, 0.16))  # above the line of guessing


def outcome(results: Results) -> str:
    share = results.mean("learned", "crossing")
    return "most" if share > 0.9 else "some" if share > 0.5 else "few"


lab = Lab(
    title=Text("换一个位置，学会的距离还在吗？", "Does a learnt distance carry over to other positions?"),
    about_zh="""
        模型学会了“前面第三个词”。换到训练时句子从没站过的地方，它还会吗？

        这道题只和距离有关：在每个词上，说出它前面第三个词。句子是随机的，内容什么也说明不了。
        训练时，一句话有 16 个词，从位置 0、16 或 32 开始：0 到 47 的每个位置都练过，
        但 16 的两边（还有 32 的两边）从没出现在同一句话里。然后测试同一个模型，句子可以从 0 到 48 之间的各处开始。

        各组的差别在于怎样把位置告诉模型：学出来的位置表，每个位置一个向量，加到词上（BERT、GPT-2）；
        Vaswani 等（2017）写死的正弦，也是加上去；或者 RoPE（Su 等，2021）。其余的都一样，是 Fledge 的模型，只有一个块。
        各组都试同样的几个学习率，拿训练损失最低的那个来测试。学出来的位置表自己有参数（64 x 宽度），另外两种没有。
        """,
    settings=Settings(),
    arms={name: {"position": name} for name in ("learned", "sinusoidal", "rope")},
    labels={
        "learned": Text("学出来的位置表", "learnt table"),
        "sinusoidal": Text("加上正弦", "added sines"),
        "rope": Text("用 RoPE", "RoPE"),
    },
    seeds=3,
    run=run,
    metrics={
        "loss": Metric(Text("训练最后的损失", "final training loss"), floor=0),
        "trained": Metric(
            Text("训练过的开头：答对的比例", "starts seen in training: correct answers"), format=".0%", chance=1 / VOCAB
        ),
        "crossing": Metric(
            Text(
                "两个位置都训练过，但从没同时出现过：答对的比例",
                "positions trained, never together: correct answers",
            ),
            format=".0%",
            chance=1 / VOCAB,
        ),
        "beyond": Metric(
            Text("从没训练过的位置：答对的比例", "positions never trained: correct answers"),
            format=".0%",
            chance=1 / VOCAB,
        ),
        "by_start": Metric(Text("各个开头：答对的比例", "correct answers by starting position")),
    },
    claims=[
        Claim(
            "both_learn",
            Text(
                "在训练过的开头，学出来的位置表和 RoPE 都答对九成以上",
                "At starting positions seen in training, the learnt table and RoPE both get more than 90% right",
            ),
            lambda arm: all(arm[name]["trained"] > 0.9 for name in ("learned", "rope")),
            absolute=True,
        ),
        Claim(
            "never_together",
            Text(
                "两个位置从没同时出现过：RoPE 答对九成以上，学出来的位置表不到六成",
                "At positions that were trained but never together, RoPE gets more than 90% right and the learnt "
                "table less than 60%",
            ),
            lambda arm: arm["rope"]["crossing"] > 0.9 and arm["learned"]["crossing"] < 0.6,
        ),
        Claim(
            "never_trained",
            Text(
                "从没训练过的位置：RoPE 答对九成以上，学出来的位置表不到六成",
                "At positions never trained, RoPE gets more than 90% right and the learnt table less than 60%",
            ),
            lambda arm: arm["rope"]["beyond"] > 0.9 and arm["learned"]["beyond"] < 0.6,
        ),
    ],
    sabotages=[
        Sabotage(
            {"position": "none"},
            ("both_learn", "never_together", "never_trained"),
            Text("三组都没有位置编码", "none of the three arms has positions"),
        ),
        Sabotage(
            {"position": "learned"},
            ("never_together", "never_trained"),
            Text("三组都用学出来的位置表", "all three arms use a learnt table"),
        ),
    ],
    prediction=Prediction(
        Text(
            "学出来的位置表：位置 15 和 16 都训练过，但从没出现在同一句话里。跨过这条缝去找前面第三个词，能答对多少？",
            "Learnt table: positions 15 and 16 were both trained, but never in the same sentence. How often is "
            "'the third word before' right across that seam?",
        ),
        {
            "most": Text("几乎全对", "almost always"),
            "some": Text("一半以上", "more than half the time"),
            "few": Text("不到一半", "less than half the time"),
        },
        outcome,
    ),
    why=Text(
        "位置表里每个位置各有一个互不相干的向量，“相隔三个”要一对一对地学；RoPE 的分数里只有距离，在一处学会"
        "，处处都会。",
        "A table holds an unrelated vector for every position, so 'three apart' has to be learnt pair by pair. "
        "With RoPE only the distance enters the score: learnt in one place, it is known everywhere.",
    ),
    figure=draw,
    quick={"steps": 40, "distance": 2, "rates": 1},
)

if __name__ == "__main__":
    lab.main()
