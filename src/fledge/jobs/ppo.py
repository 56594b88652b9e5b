"""PPO: a critic learns to expect the reward from every token on, and tokens after which more comes than that become more likely."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fledge.jobs import grpo
from fledge.jobs.job import Setting
from fledge.jobs.online import OnlineConfig
from fledge.lang import N_
from fledge.training.config import Range

if TYPE_CHECKING:
    from fledge.training.objective import Objective


@dataclass
class PPOConfig(OnlineConfig):
    """Proximal policy optimization with a critic, from a trained model."""

    group_size: int = 4
    """Answers to every prompt."""
    batch_size: int = 32
    """Prompts per forward pass."""
    reuse: int = 2
    """How often each answer is learned from."""
    gamma: float = 1.0
    """Discount of what comes one token later."""
    lam: float = 0.95
    """How far ahead the advantage looks: 0 trusts the critic, 1 the reward (GAE)."""
    value_weight: float = 0.5
    """Weight of the critic's loss."""
    value_clip: float = 0.2
    """How far a value may usefully move from its older self."""
    value_lr: float | None = None
    """AdamW rate of the critic's head at width 256."""

    ranges: ClassVar[list[Range]] = [
        *OnlineConfig.ranges,
        (("gamma", "lam"), lambda value: 0 <= value <= 1, N_("from 0 to 1")),
        (("value_weight", "value_lr"), lambda value: value >= 0, N_("0 or more")),
        (("value_clip",), lambda value: value > 0, N_("above 0")),
    ]
    rates: ClassVar[dict[str, dict[str, float]]] = {
        name: rates | {"value_lr": 0.003} for name, rates in OnlineConfig.rates.items()
    }


def objective(setting: Setting) -> Objective:
    import torch

    from fledge.jobs.online import OnlineLearning
    from fledge.rollout.advantages import gae, whiten
    from fledge.rollout.critic import add_critic
    from fledge.rollout.policy import value_loss

    config = setting.config
    critic = add_critic(setting.model)

    class PPO(OnlineLearning):
        needs_old = True  # the pass that tells the critic's values tells it too

        def look(self, hidden_ND):
            return {"value": critic(hidden_ND)}

        def credit(self, prompts, episodes, totals, samples):
            for sample, total in zip(samples, totals):
                values = sample.columns["value"]
                rewards = [0.0] * (len(values) - 1) + [total]  # all of it comes with the last token
                sample.columns["advantage"], sample.columns["return"] = gae(rewards, values, config.gamma, config.lam)
            flat = [a for sample in samples for a in sample.columns["advantage"]]
            scaled = iter(whiten(torch.tensor(flat, dtype=torch.float64)).tolist())
            for sample in samples:
                sample.columns["advantage"] = [next(scaled) for _ in range(sample.num_chosen)]
            begun = [sample.columns["value"][0] for sample in samples]
            return {"expected": (sum(begun), len(begun))}

        def more_loss(self, hidden_ND, column):
            value_N = critic(hidden_ND)
            loss = value_loss(value_N, column["value"], column["return"], config.value_clip).sum()
            return config.value_weight * loss, {"value_loss": (loss.detach(), len(value_N))}

    return PPO(setting)


JOB = dataclasses.replace(
    grpo.JOB,
    name="ppo",
    about=N_("reinforcement learning: better than a critic expected (PPO)"),
    config=PPOConfig,
    planning=dataclasses.replace(grpo.JOB.planning, job="ppo"),
    objective=objective,
)
