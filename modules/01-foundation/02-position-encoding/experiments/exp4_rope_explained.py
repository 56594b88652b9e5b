"""Does RoPE's score depend only on distance? Do the two ways of pairing agree? Does RoPE prefer nearby words?

One query and one key with random numbers are placed at every pair of positions; their score (the dot product) goes into a
table of positions x positions. If a score depends on distance alone, every diagonal of that table holds a single number.
Arms: sines added to the word before it becomes query or key (Vaswani et al., 2017), or RoPE (Su et al., 2021). Nothing is
trained.

RoFormer pairs the numbers 2i and 2i + 1 of a head; Hugging Face and Fledge pair i and i + D/2. Both are RoPE: reorder the
numbers of queries and keys from one convention to the other, and the scores are the same. Without reordering they are not:
that is what happens when weights are loaded into code that pairs the other way.

"RoPE makes distant words count less" is often said. RoFormer bounds how large a score can be; whether it actually falls with
distance depends on the vectors. We measure two cases over many vectors: query and key are the same, and query and key are
unrelated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.model.config import ModelConfig
from fledge.model.rope import rope_frequencies, rope_tables
from fledge.parts import REFERENCE

DRAWS = 1000  # vectors over which the size of a score is averaged
SHOWN = 4  # the distance that the picture follows


@dataclass(frozen=True)
class Settings:
    positions: int = param(128, low=32, high=512, zh="多少个位置", en="how many positions")
    head: int = param(32, low=4, high=128, zh="一个头的维数（偶数）", en="head size (even)")
    position: str = param("sinusoidal", choices=("sinusoidal", "rope"), zh="位置编码", en="position encoding")
    sort: str = param(
        "yes", choices=("yes", "no"), zh="换一种配对前先重排", en="reorder before switching the pairing", hidden=True
    )
    key: str = param("other", choices=("other", "same"), zh="键", en="key of the unrelated pair", hidden=True)


def frequencies(settings: Settings) -> Tensor:
    return rope_frequencies(ModelConfig(head_dim=settings.head))[0]


def turn(x: Tensor, settings: Settings, positions: Tensor) -> Tensor:
    """Fledge's RoPE for x [..., positions, D]."""
    return REFERENCE.apply_rope(x, *rope_tables(frequencies(settings), positions, 1.0, x.dtype))


def turn_interleaved(x: Tensor, settings: Settings, positions: Tensor) -> Tensor:
    """The same with neighbours as pairs, as RoFormer writes it."""
    angles = positions[:, None] * frequencies(settings)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()), -1).flatten(-2)


def at_every_place(settings: Settings, positions: Tensor) -> tuple[Tensor, Tensor]:
    """One query and one key as they would be at every position, [positions, D] each."""
    words, weights = torch.randn(2, settings.head), torch.randn(2, settings.head, settings.head)
    weights /= settings.head**0.5
    if settings.position == "rope":
        q, k = (words[:, None] @ weights).expand(-1, len(positions), -1)
        return turn(q, settings, positions), turn(k, settings, positions)
    angles = positions[:, None] * frequencies(settings)
    places = torch.stack((angles.sin(), angles.cos()), -1).flatten(1)
    q, k = (words[:, None] + places) @ weights
    return q, k


def pairings_differ(settings: Settings, positions: Tensor) -> float:
    """Size of the difference between the scores of both pairings, over that of the scores."""
    q, k = torch.randn(2, len(positions), settings.head)
    half = turn(q, settings, positions) @ turn(k, settings, positions).T
    if settings.sort == "yes":  # from (0, 1, …, D-1) to (0, D/2, 1, D/2 + 1, …)
        order = torch.arange(settings.head).view(2, -1).T.flatten()
        q, k = q[:, order], k[:, order]
    other = turn_interleaved(q, settings, positions) @ turn_interleaved(k, settings, positions).T
    return ((other - half).norm() / half.norm()).item()


def size_by_distance(settings: Settings, positions: Tensor, key: str) -> Tensor:
    """Root mean square of RoPE's scores of many pairs of vectors, by distance; that at distance 0 is 1. [positions]"""
    q = torch.randn(DRAWS, 1, settings.head)
    k = q if key == "same" else torch.randn_like(q)
    scores = (turn(q.expand(-1, len(positions), -1), settings, positions) @ k.mT)[..., 0]  # the key stands at 0
    size = scores.square().mean(0).sqrt()
    return size / size[0]


def run(settings: Settings, seed: int) -> dict[str, float | list[float]]:
    positions = torch.arange(settings.positions)
    q, k = at_every_place(settings, positions)
    scores = q @ k.T
    distances = range(1 - settings.positions // 2, settings.positions // 2)  # diagonals with enough numbers on them
    diagonals = [scores.diagonal(distance) for distance in distances]
    within = torch.stack([line.var(correction=0) for line in diagonals]).mean().sqrt()
    between = torch.stack([line.mean() for line in diagonals]).std(correction=0)
    sizes = q.norm(dim=1)
    related = size_by_distance(settings, positions, "same")
    unrelated = size_by_distance(settings, positions, settings.key)
    half = settings.positions // 2
    followed = scores.diagonal(-SHOWN)  # the key stands so many places before the query
    return {
        "spread": (within / between).item(),
        "length": (sizes / sizes[0] - 1).abs().max().item(),
        "pairings": pairings_differ(settings, positions),
        "far_same": related[half:].mean().item(),
        "far_other": unrelated[half:].mean().item(),
        "followed": (followed / scores.std()).tolist(),
        "same_by_distance": related.tolist(),
        "other_by_distance": unrelated.tolist(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    for arm in results.arms:
        line = results.values(arm, "followed")[0]  # one seed: every seed has other words
        figure.line(left, range(SHOWN, SHOWN + len(line)), line, label=results.label(arm))
    distance = Text(f"同样两个词，相隔 {SHOWN}", f"the same two words, {SHOWN} apart")
    score = Text("分数 ÷ 全表的标准差", "score ÷ standard deviation of the table")
    figure.name(left, x=Text("查询的位置", "position of the query"), y=score, title=distance)
    names = {
        "same_by_distance": Text("查询和键相同", "query and key equal"),
        "other_by_distance": Text("查询和键无关", "query and key unrelated"),
    }
    for metric, name in names.items():
        mean, low, high = results.band("rope", metric)
        figure.line(right, range(len(mean)), mean, low, high, label=name)
    right.set_ylim(0, None)
    size = Text("分数的大小（距离 0 为 1）", "size of the score (1 at distance 0)")
    figure.name(right, x=Text("距离", "distance"), y=size, title=Text("RoPE", "RoPE"))


def outcome(results: Results) -> str:
    far = results.mean("rope", "far_other")
    return "falls" if far < 0.8 else "stays" if far < 1.25 else "grows"


lab = Lab(
    title=Text(
        "RoPE 的分数只取决于距离吗？越远就越小吗？",
        "Does RoPE's score depend only on distance, and does it fall with it?",
    ),
    about_zh="""
        RoPE 的分数只取决于距离吗？两种配对的结果一样吗？RoPE 偏爱近处的词吗？

        一个 query（查询）和一个 key（键），里面都是随机数，让它们站到每一对位置上；分数（点积）写进一张“位置 x 位置”的表。
        如果分数只取决于距离，表里每条对角线上就都是同一个数。两组：词变成 query 或 key 之前，先加上正弦
        （Vaswani 等，2017）；或者用 RoPE（Su 等，2021）。不训练。

        RoFormer 把一个头里的第 2i 个和第 2i + 1 个数配成一对；Hugging Face 和 Fledge 把第 i 个和第 i + D/2 个配成一对。
        两种都是 RoPE：把 query 和 key 的各维从一种次序重排成另一种，分数就一样。不重排就不一样：
        把权重放进另一种配对的代码里，就是这个结果。

        “RoPE 让远处的词分数变小”，常有人这样说。RoFormer 给出的是分数大小的上限；分数会不会随距离变小，要看是什么向量。
        我们用许多向量量两种情形：query 和 key 是同一个向量，或者两者毫无关系。
        """,
    settings=Settings(),
    arms={"sinusoidal": {"position": "sinusoidal"}, "rope": {"position": "rope"}},
    labels={"sinusoidal": Text("加上正弦", "added sines"), "rope": Text("用 RoPE", "RoPE")},
    seeds=5,
    run=run,
    metrics={
        "spread": Metric(
            Text("分数的差异：同一距离之内 ÷ 不同距离之间", "spread of scores at one distance ÷ between distances"),
            format=".1e",
        ),
        "length": Metric(Text("查询的长度随位置变化多少", "change in the query's length with position"), format=".1e"),
        "pairings": Metric(Text("两种配对的分数相差多少", "difference between the two pairings"), format=".1e"),
        "far_same": Metric(Text("查询和键相同：远处的分数（近处为 1）", "equal vectors: far scores (near: 1)")),
        "far_other": Metric(Text("查询和键无关：远处的分数（近处为 1）", "unrelated vectors: far scores (near: 1)")),
        "followed": Metric(Text("同一距离的分数，沿位置", "scores at one distance, by position")),
        "same_by_distance": Metric(Text("查询和键相同：各个距离", "equal vectors: by distance")),
        "other_by_distance": Metric(Text("查询和键无关：各个距离", "unrelated vectors: by distance")),
    },
    claims=[
        Claim(
            "distance_alone",
            Text(
                "同一距离之内的差异，与不同距离之间的相比：RoPE 不到万分之一，加上正弦超过十分之一",
                "The spread of scores at one distance, relative to that between distances, is below 1e-4 with "
                "RoPE and above a tenth with sines",
            ),
            lambda arm: arm["rope"]["spread"] < 1e-4 and arm["sinusoidal"]["spread"] > 0.1,
        ),
        Claim(
            "length_kept",
            Text(
                "RoPE 不改变查询的长度（不到十万分之一）；加上正弦会改变百分之一以上",
                "RoPE preserves a query's length to within 1e-5; sines change it by more than a hundredth",
            ),
            lambda arm: arm["rope"]["length"] < 1e-5 and arm["sinusoidal"]["length"] > 0.01,
        ),
        Claim(
            "pairings",
            Text(
                "把各维重排以后，两种配对的分数相差不到十万分之一",
                "After reordering, the scores of the two pairings differ by less than 1e-5",
            ),
            lambda arm: arm["rope"]["pairings"] < 1e-5,
            absolute=True,
        ),
        Claim(
            "no_preference",
            Text(
                "RoPE：查询和键相同，远处的分数不到近处的 0.8；两者无关，远处的是近处的 0.9 到 1.1",
                "With RoPE, far scores of equal vectors are below 0.8 of the near score; those of unrelated "
                "vectors are between 0.9 and 1.1",
            ),
            lambda arm: arm["rope"]["far_same"] < 0.8 and 0.9 < arm["rope"]["far_other"] < 1.1,
            absolute=True,
        ),
    ],
    sabotages=[
        Sabotage(
            {"position": "sinusoidal"},
            ("distance_alone", "length_kept"),
            Text("两组都加上正弦", "both arms add sines"),
        ),
        Sabotage({"sort": "no"}, ("pairings",), Text("不重排", "the numbers are not reordered")),
        Sabotage(
            {"key": "same"},
            ("no_preference",),
            Text("“无关”的键其实就是查询", "the 'unrelated' key is really the query"),
        ),
    ],
    prediction=Prediction(
        Text(
            "查询和键是两个无关的随机向量。用 RoPE，它们相隔越远，分数平均会怎样？",
            "Query and key are unrelated random vectors. With RoPE, as they move farther apart, the score on average …",
        ),
        {
            "falls": Text("越小", "gets smaller"),
            "stays": Text("一样大", "stays the same size"),
            "grows": Text("越大", "gets larger"),
        },
        outcome,
    ),
    why=Text(
        "两支箭头各转各的，夹角只取决于位置之差，所以分数只看距离。两个向量毫无关系时，夹角本来就是随机的，"
        "再转多少还是随机的，分数的大小也就不随距离变化。",
        "Each arrow is turned by its own position, so the angle between them depends only on the difference, and "
        "so does the score. If the vectors are unrelated, that angle is random to begin with and stays random, "
        "so the size of the score does not change with distance.",
    ),
    figure=draw,
    quick={"positions": 64},
)

if __name__ == "__main__":
    lab.main()
