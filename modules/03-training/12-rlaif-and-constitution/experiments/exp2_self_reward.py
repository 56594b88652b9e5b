"""May a model be its own judge?

The policy has twelve answers to each of 200 questions, one right, all of some length. In each round it writes pairs, a
judge says which is better, DPO trains on that, and the next round begins with the new model. One judge is the model itself:
better is what it finds likelier a token. The other knows what is right. After three rounds: how much is right, how much the
model likes its own answers, how long they are, and how sure it is where its first choice is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

QUESTIONS, ANSWERS = 200, 12


@dataclass(frozen=True)
class Settings:
    judge: str = param("self", choices=("self", "other"), zh="谁来评", en="who judges")
    rounds: int = param(3, low=1, high=10, zh="几轮", en="rounds")
    pairs: int = param(8, low=1, high=100, zh="每个问题写几对", en="pairs written to a question")
    beta: float = param(0.2, low=0.01, high=5.0, zh="DPO 的 β", en="DPO's beta")
    knowing: bool = param(False, zh="两个评审都知道对错", en="both judges know what is right", hidden=True)


def tuned(logits: Tensor, asked: Tensor, chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """The policy after a hundred steps of DPO on those pairs, from `logits`, which are the reference too."""
    policy, reference = logits.clone().requires_grad_(), logits.log_softmax(-1)
    optimizer = torch.optim.Adam([policy], lr=0.05)
    for _ in range(100):
        logp = policy.log_softmax(-1)
        ref = reference[asked, chosen], reference[asked, rejected]
        loss = REFERENCE.dpo_loss(logp[asked, chosen], logp[asked, rejected], *ref, beta).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return policy.detach()


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    number, right = torch.arange(QUESTIONS), torch.randint(ANSWERS, (QUESTIONS,))
    length = torch.randint(1, 21, (QUESTIONS, ANSWERS)).float()
    logits = torch.randn(QUESTIONS, ANSWERS)
    logits[number, right] += 1.0
    truth = F.one_hot(right, ANSWERS).float()

    def look() -> tuple[float, float, float]:
        odds, own = logits.softmax(-1), logits.log_softmax(-1) / length
        return (
            (odds * truth).sum(1).mean().item(),
            (odds * own).sum(1).mean().item(),
            (odds * length).sum(1).mean().item(),
        )

    before = look()
    for _ in range(settings.rounds):
        own = settings.judge == "self" and not settings.knowing
        worth = logits.log_softmax(-1) / length if own else truth
        asked = number.repeat(settings.pairs)
        pair = torch.multinomial(logits.softmax(-1)[asked], 2, replacement=True)
        first, second = worth[asked, pair[:, 0]], worth[asked, pair[:, 1]]
        differ = first != second
        better = torch.where(first > second, pair[:, 0], pair[:, 1])[differ]
        worse = torch.where(first > second, pair[:, 1], pair[:, 0])[differ]
        logits = tuned(logits, asked[differ], better, worse, settings.beta)
    after, best = look(), logits.softmax(-1).max(1)
    return {
        "right": after[0],
        "gained": after[0] - before[0],
        "liking": after[1] - before[1],
        "longer": after[2] / before[2],
        "sure_and_wrong": best.values[best.indices != right].mean().item() if (best.indices != right).any() else 0.0,
    }


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    names = (("right", Text("答对的概率", "right")), ("sure_and_wrong", Text("错的时候有多确信", "sure where wrong")))
    for place, (name, label) in zip((-0.2, 0.2), names):
        heights = [results.mean(arm, name) for arm in results.arms]
        axes.bar([n + place for n in range(len(heights))], heights, width=0.36, label=figure.words(label))
    axes.set_xticks(range(len(results.arms)), [figure.words(results.label(arm)) for arm in results.arms])
    figure.name(axes, x=Text("谁来评", "who judges"), y=Text("三轮以后", "after three rounds"))


lab = Lab(
    title=Text("自己给自己当评审", "A model as its own judge"),
    about_zh="""
        模型能给自己当评审吗？

        200 个问题，每个问题策略有十二个回答可选，一个是对的，长短不一。每一轮，它写出成对的回答，评审说哪个好，DPO 照着训练，
        下一轮从新的模型开始。一个评审是模型自己：平均每个词元它觉得更可能的，就更好。另一个知道对错。三轮以后看：答对多少，模型有多喜欢自己的
        回答，回答多长，首选是错的时候它有多确信。
        """,
    settings=Settings(),
    arms={"self": {"judge": "self"}, "other": {"judge": "other"}},
    labels={"self": Text("自己", "itself"), "other": Text("知道对错的", "one that knows")},
    run=run,
    metrics={
        "right": Metric(Text("答对的概率", "probability of a right answer"), format=".1%"),
        "gained": Metric(Text("比开始时多答对", "gained in right answers"), format="+.1%"),
        "liking": Metric(Text("自己的评分升了多少", "gained in its own score"), format="+.2f"),
        "longer": Metric(Text("长度是开始时的几倍", "length, times the start's"), format=".2f"),
        "sure_and_wrong": Metric(Text("首选错的时候，它的概率", "probability of a wrong first choice"), format=".1%"),
    },
    claims=[
        Claim(
            "truth",
            Text(
                "自己的评分两组都升；答对的，自己评只多了不到另一个评审的五分之一",
                "Its own score rises with both judges; in right answers it gains less than a fifth of what the other judge brings",
            ),
            lambda arm: (
                min(arm["self"]["liking"], arm["other"]["liking"]) > 0.2
                and arm["self"]["gained"] < arm["other"]["gained"] / 5
            ),
        ),
        Claim(
            "drift",
            Text(
                "自己评的，首选错的时候也有九成以上的确信，而且长了两成以上；另一组不到六成的确信，也没有长两成",
                "Its own judge, it is over 90 % sure of wrong first choices and over 20 % longer; with the other under 60 %, not",
            ),
            lambda arm: (
                arm["self"]["sure_and_wrong"] > 0.9
                and arm["other"]["sure_and_wrong"] < 0.6
                and arm["self"]["longer"] > 1.2 > arm["other"]["longer"]
            ),
        ),
    ],
    sabotages=[
        Sabotage({"knowing": True}, ("truth", "drift"), Text("两个评审都知道对错", "both judges know what is right")),
    ],
    prediction=Prediction(
        Text(
            "自己评三轮以后，答对的概率会怎样？",
            "After three rounds as its own judge: what of the share of right answers?",
        ),
        {
            "falls": Text("下降", "it falls"),
            "little": Text("升一点，不到 20 个百分点", "it rises by less than 20 points"),
            "much": Text("升 20 个百分点以上", "it rises by more"),
        },
        lambda results: (
            "falls"
            if results.mean("self", "gained") < 0
            else "little"
            if results.mean("self", "gained") < 0.2
            else "much"
        ),
    ),
    why=Text(
        "自己的评分里没有新的消息：它只说得出模型已经相信什么，训练把相信变成确信，对的错的都一样。开头本来就偏向对的题因此多对一点，仅此而已。"
        "按词元平均的分又偏爱长的。",
        "Its own score holds no news: it tells what the model believes already, and training turns "
        "belief into certainty, right or wrong. "
        "Where the belief was right to begin with, a little is gained, and no more. And a mean over tokens likes length.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
