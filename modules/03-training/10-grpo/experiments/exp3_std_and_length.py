"""What do the two divisions in GRPO, by the deviation of the group and by the length of the answer, favour?

Here an answer is right or wrong by a chance that no arm can change, and has nothing to learn but when to stop: the policy
is two numbers, how likely each further token ends a wrong answer, and a right one. Being long or short is not rewarded. A
fair loss leaves both lengths as they are. Beside it: how much a prompt counts that is answered rightly once in ten times,
compared with one in two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.rollout.advantages import group_advantage
from fledge.rollout.policy import RULES, clipped_loss

START = -2.0  # logit of stopping: answers of 8 tokens on average


@dataclass(frozen=True)
class Settings:
    loss: str = param("grpo", choices=("grpo", "dapo", "dr_grpo"), zh="哪一种损失", en="which loss")
    steps: int = param(200, low=20, high=2000, zh="训练多少步", en="steps")
    prompts: int = param(16, low=2, high=200, zh="每步几道题", en="prompts a step")
    answers: int = param(8, low=2, high=64, zh="每题几个回答", en="answers to a prompt")
    longest: int = param(32, low=8, high=256, zh="最多写几个词元", en="most tokens of an answer")
    rate: float = param(0.3, low=0.01, high=3.0, zh="学习率", en="learning rate")
    by_length: bool = param(True, zh="除以自己的长度", en="divide by one's own length", hidden=True)
    deviation: bool = param(True, zh="除以标准差", en="divide by the deviation", hidden=True)


def loss_of(settings: Settings, stop_2: Tensor) -> Tensor:
    """The loss of one batch of answers; `stop_2` are the logits of stopping in a wrong answer and in a right one."""
    rule, longest = RULES[settings.loss], settings.longest  # type: ignore[index]
    odds_G1 = torch.linspace(-2, 2, settings.prompts).sigmoid()[:, None]
    right_GN = (torch.rand(settings.prompts, settings.answers) < odds_G1).long()
    ends_GN = torch.distributions.Geometric(stop_2.detach().sigmoid()[right_GN]).sample() + 1
    length_GN = ends_GN.clamp(max=longest)
    stopped_GN = (ends_GN <= longest).float()
    advantage_GN = group_advantage(right_GN.float(), rule.normalise and settings.deviation)
    sums_GN = torch.zeros_like(advantage_GN)
    for times, sign in ((length_GN - stopped_GN, -1), (stopped_GN, 1)):  # tokens that go on; the one that stops
        logp_GN = F.logsigmoid(sign * stop_2)[right_GN]
        sums_GN = sums_GN + times * clipped_loss(logp_GN, logp_GN.detach(), advantage_GN, 0.2, rule.clip_high)[0]
    if rule.mean == "sequence":
        return (sums_GN / (length_GN if settings.by_length else length_GN.mean())).mean()
    return sums_GN.sum() / length_GN.sum() if rule.mean == "token" else (sums_GN / longest).mean()


def lengths(stop: Tensor, longest: int) -> Tensor:
    """Mean lengths of answers with these logits of stopping, cut at the longest."""
    chance = stop.sigmoid()
    return (1 - (1 - chance) ** longest) / chance


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    stop_2 = torch.full((2,), START, requires_grad=True)
    optimizer = torch.optim.SGD([stop_2], lr=settings.rate)
    for _ in range(settings.steps):
        optimizer.zero_grad()
        loss_of(settings, stop_2).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    wrong, right = lengths(stop_2.detach(), settings.longest).tolist()
    normalise = RULES[settings.loss].normalise and settings.deviation  # type: ignore[index]
    weights = [
        group_advantage((torch.rand(4000, settings.answers) < chance).float(), normalise).abs().mean().item()
        for chance in (0.1, 0.5)
    ]
    return {"wrong": wrong, "right": right, "rare": weights[0] / weights[1]}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    for place, name, label in (
        (-0.2, "wrong", Text("错的回答", "wrong answers")),
        (0.2, "right", Text("对的回答", "right answers")),
    ):
        heights = [results.mean(arm, name) for arm in results.arms]
        axes.bar([n + place for n in range(len(heights))], heights, width=0.36, label=figure.words(label))
    axes.set_xticks(range(len(results.arms)), [figure.words(results.label(arm)) for arm in results.arms])
    figure.floor(axes, lengths(torch.tensor(START), Settings().longest).item(), Text("训练前", "before training"))
    figure.name(axes, x=Text("损失", "loss"), y=Text("平均长度", "mean length"))


lab = Lab(
    title=Text("两次除法偏袒了谁？", "Whom do the two divisions favour?"),
    about_zh="""
        GRPO 里有两次除法，除以组的标准差，除以回答的长度。它们偏袒了谁？

        这里的回答对不对由天定，哪一组也改不了；能学的只有什么时候停：策略只有两个数，错的回答每多写一个词元就停下的可能，
        和对的回答停下的可能。长短没有奖励，公平的损失不该改变长度。另外量一件事：十次才对一次的题，和两次对一次的题相比，
        分量是几倍。
        """,
    settings=Settings(),
    arms={name: {"loss": name} for name in ("grpo", "dapo", "dr_grpo")},
    labels={
        "grpo": Text("GRPO（按回答平均）", "GRPO: answers"),
        "dapo": Text("DAPO（按词元平均）", "DAPO: tokens"),
        "dr_grpo": Text("Dr. GRPO（除以常数）", "Dr. GRPO: constant"),
    },
    run=run,
    metrics={
        "wrong": Metric(Text("错的回答，平均长度", "mean length of wrong answers"), format=".1f", floor=1.0),
        "right": Metric(Text("对的回答，平均长度", "mean length of right answers"), format=".1f", floor=1.0),
        "rare": Metric(Text("少见的对，分量是几倍", "weight of rare success"), format=".2f"),
    },
    claims=[
        Claim(
            "length",
            Text(
                "按回答平均，错的越写越长、对的越写越短，都差一倍以上；除以常数或按词元平均，错的长度变化不到三成",
                "A mean over answers makes wrong ones more than twice as long and right ones less than half; by a constant "
                "or by tokens, wrong ones change by less than 30 %",
            ),
            lambda arm: (
                arm["grpo"]["wrong"] > 2 * arm["dr_grpo"]["wrong"]
                and arm["grpo"]["right"] < arm["dr_grpo"]["right"] / 2
                and 0.7 < arm["dapo"]["wrong"] / arm["dr_grpo"]["wrong"] < 1.3
            ),
        ),
        Claim(
            "deviation",
            Text(
                "除以标准差，少见的对的分量多出两成以上",
                "Dividing by the deviation gives rare success more than 20 % more weight",
            ),
            lambda arm: arm["grpo"]["rare"] > 1.2 * arm["dr_grpo"]["rare"],
        ),
    ],
    sabotages=[
        Sabotage(
            {"by_length": False},
            ("length",),
            Text("除以平均的长度，不是自己的", "divided by the mean length, not by one's own"),
        ),
        Sabotage({"deviation": False}, ("deviation",), Text("谁也不除以标准差", "none divides by the deviation")),
    ],
    prediction=Prediction(
        Text(
            "长短没有奖励。按回答平均的 GRPO 练完以后，错的回答会变得多长？",
            "Length is not rewarded. What becomes of the length of wrong answers under GRPO's mean over answers?",
        ),
        {
            "same": Text("差不多", "about the same"),
            "shorter": Text("变短", "shorter"),
            "longer": Text("变长一倍以上", "more than twice as long"),
        },
        lambda results: (
            "longer"
            if results.mean("grpo", "wrong") > 16
            else "shorter"
            if results.mean("grpo", "wrong") < 6
            else "same"
        ),
    ),
    why=Text(
        "错的回答优势是负的，除以自己的长度，长的每个词元挨的罚就轻：躲罚的办法是写得更长，而不是写得更对。对的正好相反。分"
        "母对谁都一样时，长短的奖罚正好抵消。",
        "A wrong answer's advantage is negative, and divided by its own length it is spread thin over a long one: the way "
        "out of the punishment is to write longer, not better. With right answers it is the other way round. Where all "
        "have the same number below, long and short cancel.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
