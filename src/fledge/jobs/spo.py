"""SPO: one answer a prompt, compared with what that prompt's answers were worth before. No groups, no critic."""

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
class SPOConfig(OnlineConfig):
    """Single-stream policy optimization, from a trained model."""

    batch_size: int = 128
    """Prompts per forward pass."""
    group_size: int = 1
    """Answers to every prompt."""
    memory: float = 0.9
    """How much a prompt's earlier rewards still count after another one: its baseline is their weighted mean."""

    ranges: ClassVar[list[Range]] = [
        *OnlineConfig.ranges,
        (("memory",), lambda value: 0 <= value < 1, N_("from 0 to below 1")),
    ]


def objective(setting: Setting) -> Objective:
    import torch

    from fledge.jobs.online import OnlineLearning
    from fledge.rollout.advantages import Baseline, whiten

    class SPO(OnlineLearning):
        def __init__(self, setting):
            self.baseline = Baseline(setting.config.memory)
            super().__init__(setting)

        def credit(self, prompts, episodes, totals, samples):
            asked = [prompts[episode.group] for episode in episodes]
            expected = [self.baseline.expected(prompt) for prompt in asked]  # all before any of them is learned from
            surprise = torch.tensor([total - mean for total, mean in zip(totals, expected)], dtype=torch.float64)
            for sample, advantage in zip(samples, whiten(surprise).tolist()):
                sample.fill("advantage", advantage)
            for prompt, total in zip(asked, totals):
                self.baseline.learn(prompt, total)
            zero = int((surprise == 0).sum())
            return {"expected": (sum(expected), len(expected)), "zero_signal": (zero, len(totals))}

        def state_dict(self):
            return self.baseline.state_dict()

        def load_state_dict(self, state):
            self.baseline.load_state_dict(state)

    return SPO(setting)


JOB = dataclasses.replace(
    grpo.JOB,
    name="spo",
    about=N_("reinforcement learning: better than this prompt's answers before (SPO)"),
    config=SPOConfig,
    planning=dataclasses.replace(grpo.JOB.planning, job="spo"),
    objective=objective,
)
