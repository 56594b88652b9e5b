"""A sum over tokens, or their mean: what does the loss of DPO make of length?

An answer is some words and then a stop, about ten words long. It is worth the mean of its words: length is worth nothing, and
in the pairs the chosen answer is no longer than the rejected one, but for chance. The policy is as small as can be: a score for
every word, and one for stopping, so that the mean length of what it would write is known exactly.

Two arms: the log-probability of an answer is the sum over its tokens, as DPO has it, or their mean, as SimPO and ORPO have it
(here beside a reference, with β times ten, so that an answer of usual length weighs the same).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.parts import REFERENCE

VOCAB, LONGEST, USUAL = 20, 40, 10


@dataclass(frozen=True)
class Settings:
    over: str = param("sum", choices=("sum", "mean"), zh="对词元求和还是平均", en="sum or mean over tokens")
    pairs: int = param(500, low=50, high=5000, zh="多少对", en="pairs")
    steps: int = param(200, low=20, high=2000, zh="训练步数", en="training steps")
    beta: float = param(0.1, low=0.01, high=1.0, zh="β", en="β")
    even: bool = param(False, zh="回答都一样长", en="all answers are equally long", hidden=True)


def answers(settings: Settings) -> tuple[Tensor, Tensor]:
    """(how often every word stands in each answer [N, V], lengths [N])"""
    count = 2 * settings.pairs
    stops_N = torch.distributions.Geometric(torch.full((count,), 1 / USUAL)).sample()
    lengths_N = torch.full((count,), float(USUAL)) if settings.even else 1 + stops_N.clamp(max=LONGEST - 1)
    there_NT = (torch.arange(LONGEST) < lengths_N[:, None]).float()
    words_NT = torch.randint(VOCAB, (count, LONGEST))
    return torch.zeros(count, VOCAB).scatter_add(1, words_NT, there_NT), lengths_N


def run(settings: Settings, seed: int) -> dict[str, float]:
    """What the policy would write after the training."""
    worth_V = torch.randn(VOCAB)
    counts_NV, lengths_N = answers(settings)
    worth_N = counts_NV @ worth_V / lengths_N
    margin_P = worth_N[: settings.pairs] - worth_N[settings.pairs :]
    first_P = torch.rand(settings.pairs) < (3 * margin_P).sigmoid()  # who labels errs where it is close
    chosen_P = torch.arange(settings.pairs) + settings.pairs * (~first_P)
    rejected_P = (chosen_P + settings.pairs) % (2 * settings.pairs)
    words_V, stop = torch.zeros(VOCAB, requires_grad=True), torch.tensor(1 / USUAL).logit().requires_grad_()

    def logps() -> Tensor:
        total_N = counts_NV @ words_V.log_softmax(0) + (lengths_N - 1) * F.logsigmoid(-stop) + F.logsigmoid(stop)
        return total_N / lengths_N if settings.over == "mean" else total_N

    ref_N, beta = logps().detach(), settings.beta * (USUAL if settings.over == "mean" else 1)
    optimizer = torch.optim.AdamW([words_V, stop], lr=0.02, weight_decay=0.0)
    for _ in range(settings.steps):
        logp_N = logps()
        sides = logp_N[chosen_P], logp_N[rejected_P], ref_N[chosen_P], ref_N[rejected_P]
        loss = REFERENCE.dpo_loss(*sides, beta).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    logp_V = words_V.detach().log_softmax(0)
    return {
        "longer": (lengths_N[chosen_P] - lengths_N[rejected_P]).mean().item(),
        "length": 1 / stop.sigmoid().item(),
        "worth": (logp_V.exp() @ worth_V - worth_V.mean()).item(),
        "word": (logp_V.mean() + torch.tensor(float(VOCAB)).log()).item(),
        "going_on": (F.logsigmoid(-stop.detach()) - torch.tensor(1 - 1 / USUAL).log()).item(),
    }


def draw(results: Results, figure: Figure) -> None:
    left, right = figure.axes(1, 2)
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(left, labels, [results.mean(arm, "length") for arm in results.arms])
    figure.bars(right, labels, [results.mean(arm, "worth") for arm in results.arms])
    figure.floor(left, USUAL, Text("训练之前", "before the training"))
    figure.name(left, y=Text("会写多长（词）", "length that it would write (words)"))
    figure.name(right, y=Text("词的价值涨了多少", "gain in the worth of its words"))


lab = Lab(
    title=Text("求和还是平均：DPO 会越写越长吗？", "A sum or a mean: does DPO make answers longer?"),
    about_zh="""
        对词元求和，还是求平均：DPO 的损失会把长度学成什么样？

        一条回答是一些词，然后停下，大约十个词。它的价值是各个词的平均：长度一文不值，成对的数据里选中的也并不更长，差的只是偶然。
        策略小到不能再小：每个词一个分数，再加一个“停下”的分数，所以它会写多长，算得出来。

        两组：回答的对数概率是各词元之和，DPO 就是这样；或者是平均，SimPO 和 ORPO 是这样（这里仍带着参考模型，β 乘十，
        让平常长度的回答分量相同）。
        """,
    settings=Settings(),
    arms={"sum": {"over": "sum"}, "mean": {"over": "mean"}},
    labels={"sum": Text("求和", "sum"), "mean": Text("平均", "mean")},
    run=run,
    metrics={
        "longer": Metric(Text("数据里选中的长几个词", "chosen is longer by (words)"), format=".2f", chance=0.0),
        "length": Metric(Text("训练后会写多长（词）", "length after training (words)"), format=".1f", chance=10.0),
        "worth": Metric(Text("词的价值涨了多少", "gain in the worth of its words"), format=".2f", chance=0.0),
        "word": Metric(Text("随便一个词，对数概率变了多少", "change in log p of any word"), format=".2f"),
        "going_on": Metric(Text("接着写的对数概率变了多少", "change in log p of going on"), format=".3f"),
    },
    claims=[
        Claim(
            "a_sum_grows",
            Text(
                "求和：训练后会写的长度是原来的四倍以上；平均：不到两倍",
                "Sum: the length more than quadruples; mean: it less than doubles",
            ),
            lambda arm: arm["sum"]["length"] > 4 * USUAL and arm["mean"]["length"] < 2 * USUAL,
        ),
        Claim(
            "a_mean_learns_more",
            Text(
                "同样的步数，平均学到的词更好：多 0.3 以上",
                "In as many steps the mean learns better words, by over 0.3",
            ),
            lambda arm: arm["mean"]["worth"] > arm["sum"]["worth"] + 0.3,
        ),
    ],
    sabotages=[
        Sabotage(
            {"even": True},
            ("a_sum_grows", "a_mean_learns_more"),
            Text("回答都一样长，求和就是平均的十倍", "all answers are equally long: the sum is ten times the mean"),
        ),
    ],
    prediction=Prediction(
        Text(
            "数据里选中的并不更长。用求和的损失训练，模型会写多长？",
            "Chosen answers are no longer than rejected ones. How long does training with the sum make the model write?",
        ),
        {
            "same": Text("大约一样长", "about as long"),
            "longer": Text("长很多", "much longer"),
            "shorter": Text("更短", "shorter"),
        },
        lambda results: (
            "longer"
            if results.mean("sum", "length") > 15
            else "shorter"
            if results.mean("sum", "length") < 7
            else "same"
        ),
    ),
    why=Text(
        "好词的概率高了，随便一个词的对数概率平均就低了；求和时，回答每长一个词就多扣一次，可是长度和好坏无关，"
        "损失就用“接着写”的概率把它补回来，“停下”越来越少。平均时每条回答都除以自己的长度，不用补。",
        "Where good words rise, the log-probability of a word at random falls. In a sum every word more costs that once more; but "
        "length has nothing to do with what is better, so the loss makes up for it with the probability of going on, and "
        "stopping becomes rare. A mean divides by the length, and there is nothing to make up for.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
