"""From which prompts does GRPO learn: from hard ones, from easy ones, or from those between?

An answer's advantage is its reward minus the mean of its group. A group in which all are right, or all are wrong, has advantages
of 0 only, and its prompt teaches nothing. Here a policy of one number answers, rightly with a probability that is the arm's. It is
measured how many groups have any signal, and how large the gradient of the policy is that comes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fledge.lab import Claim, Figure, Lab, Metric, Prediction, Results, Sabotage, Text, param
from fledge.rollout.advantages import group_advantage, zero_signal
from fledge.rollout.policy import clipped_loss


@dataclass(frozen=True)
class Settings:
    right: float = param(0.5, low=0.0, high=1.0, zh="答对的概率", en="probability of a right answer")
    answers: int = param(8, low=2, high=64, zh="每题几个回答", en="answers to a prompt")
    prompts: int = param(400, low=10, high=5000, zh="多少道题", en="prompts")
    noise: float = param(0.0, low=0.0, high=1.0, zh="奖励里的噪声", en="noise of the reward", hidden=True)
    share: float = param(1.0, low=0.0, high=1.0, zh="留多少差别", en="share of the differences", hidden=True)


def run(settings: Settings, seed: int) -> dict[str, float]:
    """One arm with one seed (torch is seeded already) -> every metric that the lab declares below."""
    logit = torch.logit(torch.tensor(settings.right, dtype=torch.float64)).requires_grad_()
    right_GN = torch.rand(settings.prompts, settings.answers) < settings.right
    logp_GN = torch.where(right_GN, torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit))
    rewards_GN = settings.share * right_GN.double() + settings.noise * torch.randn(right_GN.shape, dtype=torch.float64)
    advantage_GN = group_advantage(rewards_GN, normalise=False)
    loss_GN, _ = clipped_loss(logp_GN, logp_GN.detach(), advantage_GN, 0.2, 0.2)
    loss_GN.mean().backward()
    assert logit.grad is not None
    return {"silent": zero_signal(rewards_GN).double().mean().item(), "gradient": logit.grad.abs().item()}


def draw(results: Results, figure: Figure) -> None:
    axes = figure.axes()
    labels = [results.label(arm) for arm in results.arms]
    figure.bars(axes, labels, [results.mean(arm, "silent") for arm in results.arms])
    figure.name(axes, x=Text("题目", "prompts"), y=Text("没有信号的组", "groups without signal"))


lab = Lab(
    title=Text("全对或全错，就学不到东西", "All right or all wrong: nothing to learn"),
    about_zh="""
        GRPO 从什么样的题里学得到东西：难的、容易的，还是不难不易的？

        一个回答的优势，是它的奖励减去同组的平均。一组全对或全错，优势就全是 0，这道题什么也教不了。这里的策略只有一个数，
        答对的概率由各组设定；量的是多少组有信号，以及由此得到的梯度有多大。
        """,
    settings=Settings(),
    arms={"hard": {"right": 0.005}, "middle": {"right": 0.5}, "easy": {"right": 0.995}},
    labels={
        "hard": Text("太难：0.5% 答对", "too hard: 0.5 % right"),
        "middle": Text("正好：50% 答对", "between: 50 % right"),
        "easy": Text("太容易：99.5% 答对", "too easy: 99.5 % right"),
    },
    run=run,
    metrics={
        "silent": Metric(Text("没有信号的组", "groups without signal"), floor=0.0),
        "gradient": Metric(Text("梯度的大小", "size of the gradient"), floor=0.0, format=".4f"),
    },
    claims=[
        Claim(
            "silent",
            Text(
                "太难、太容易的题，九成以上的组没有信号；中间的不到一成",
                "Too hard or too easy, nine groups of ten are silent; between, not one",
            ),
            lambda arm: min(arm["hard"]["silent"], arm["easy"]["silent"]) > 0.9 and arm["middle"]["silent"] < 0.1,
        ),
        Claim(
            "gradient",
            Text("中间的题，梯度大十倍以上", "Prompts between give more than ten times the gradient"),
            lambda arm: arm["middle"]["gradient"] > 10 * max(arm["hard"]["gradient"], arm["easy"]["gradient"]),
        ),
    ],
    sabotages=[
        Sabotage(
            {"noise": 0.5},
            ("silent",),
            Text("奖励带噪声：每组都像有信号", "a noisy reward: every group seems to have a signal"),
        ),
        Sabotage(
            {"share": 0.0},
            ("gradient",),
            Text("奖励不分对错：哪里都没有梯度", "a reward that ignores what is right: no gradient anywhere"),
        ),
    ],
    prediction=Prediction(
        Text(
            "100 道题里有 99.5 道会答对的模型，大约有多少组没有信号？",
            "Of a model that is right in 99.5 % of cases: how many groups are silent?",
        ),
        {
            "few": Text("不到一成", "less than a tenth"),
            "half": Text("大约一半", "about half"),
            "most": Text("九成以上", "more than nine tenths"),
        },
        lambda results: (
            "most"
            if results.mean("easy", "silent") > 0.9
            else "half"
            if results.mean("easy", "silent") > 0.1
            else "few"
        ),
    ),
    why=Text(
        "优势是奖励减去同组的平均。全对或全错的组里，每个奖励都等于平均，优势全是 0。答对的概率是 p、每组 G 个回答，这"
        "样的组占 p^G + (1 − p)^G：p 在两头时接近 1，在中间时接近 0。",
        "An advantage is a reward minus the mean of its group. Where all are right, or all wrong, every reward is the "
        "mean and every advantage 0. With a chance p and G answers in a group, such groups are p^G + (1 - p)^G of "
        "all: nearly all of them at either end, hardly any in the middle.",
    ),
    figure=draw,
)

if __name__ == "__main__":
    lab.main()
