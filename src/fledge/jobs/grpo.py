"""GRPO: every prompt is answered several times, and an answer that is better than its siblings becomes more likely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from fledge.jobs.job import Job, Setting
from fledge.jobs.online import OnlineConfig, reward_models
from fledge.lang import N_
from fledge.planning.facts import Planning
from fledge.training.config import Range

if TYPE_CHECKING:
    from fledge.training.objective import Objective


@dataclass
class GRPOConfig(OnlineConfig):
    """Group-relative policy optimization, from a trained model."""

    loss: Literal["grpo", "dr_grpo", "dapo", "cispo"] = "dapo"
    """grpo: every answer counts the same. dr_grpo: no division by the group's spread or an answer's length. dapo: every token
    counts the same, and the upper clip is higher. cispo: weights are clipped, and every token keeps its gradient."""
    clip_high: float | None = None
    """Upper clip, where it is another one than `clip`. Default: 0.28 for dapo; for cispo 5, the largest weight."""

    ranges: ClassVar[list[Range]] = [
        *OnlineConfig.ranges,
        (("group_size",), lambda value: value >= 2, N_("at least 2: an answer is compared with its siblings")),
        (("clip_high",), lambda value: value > 0, N_("above 0")),
    ]


def objective(setting: Setting) -> Objective:
    import torch

    from fledge.jobs.online import OnlineLearning
    from fledge.rollout.advantages import group_advantage, zero_signal
    from fledge.rollout.policy import RULES, policy_loss

    config = setting.config
    rule = RULES[config.loss]
    high = config.clip_high or (config.clip if config.loss in ("grpo", "dr_grpo") else rule.clip_high)

    class GRPO(OnlineLearning):
        def credit(self, prompts, episodes, totals, samples):
            rewards_GN = torch.tensor(totals, dtype=torch.float64).view(-1, config.group_size)
            for sample, advantage in zip(samples, group_advantage(rewards_GN, rule.normalise).flatten().tolist()):
                sample.fill("advantage", advantage)
            return {"zero_signal": (int(zero_signal(rewards_GN).sum()), len(rewards_GN))}

        def weights(self, samples):
            for sample in samples:
                length = {"token": 1, "sequence": sample.num_chosen, "constant": config.max_new_tokens}[rule.mean]
                sample.fill("weight", 1 / length)

        def count(self, samples):
            return super().count(samples) if rule.mean == "token" else len(samples)

        def token_loss(self, logp_N, column):
            return policy_loss(config.loss, logp_N, column["old"], column["advantage"], config.clip, high)

    return GRPO(setting)


JOB = Job(
    name="grpo",
    about=N_("reinforcement learning: better than its own other answers (GRPO, Dr. GRPO, DAPO, CISPO)"),
    config=GRPOConfig,
    rows="task",
    fresh=False,
    planning=Planning(
        job="grpo",
        kind="task",
        seq_len=((256, 256, 256), (256, 512, 1024)),
        epochs=(1, 2, 3),
        frozen=1,
        judges=reward_models,
        answers=True,
    ),
    objective=objective,
    next_command="fledge chat {run}",
    language=False,
    lowest_rate=1e-6,
)
