"""What the jobs of online reinforcement learning share: their settings, and the objective that rewards answers and learns.

GRPO, SPO and PPO differ in one thing, how much better than expected an answer was (`credit`), and in the loss of a token.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from fledge.errors import UserError, advice, flag
from fledge.jobs.own_answers import AnswersConfig, OwnAnswers, lengths, transcript
from fledge.lang import N_, _
from fledge.training.config import Range

if TYPE_CHECKING:
    from torch import Tensor

    from fledge.data.rows import TaskRow
    from fledge.jobs.job import Setting
    from fledge.rewards import Episode
    from fledge.rollout.batch import RolloutBatch, Sample
    from fledge.training.objective import Loss, Metrics


@dataclass
class OnlineConfig(AnswersConfig):
    """The model answers prompts, its answers are rewarded, and it learns from them."""

    rewards: list[str] = field(default_factory=lambda: ["verifier:1"])
    """What answers are worth, each with its weight: verifier:1 format:0.2 length=64:0.1 repetition:0.5 model=RUN:1 …"""
    beta: float = 0.02
    """Weight of the KL divergence from the model that the run starts from; 0 does without that model."""
    clip: float = 0.2
    """How far the probability of a token may move from its older self before it stops learning (only with `reuse` or
    `rollout_steps` above 1)."""

    ranges: ClassVar[list[Range]] = [
        *AnswersConfig.ranges,
        (("clip",), lambda value: value > 0, N_("above 0")),
        (("beta",), lambda value: value >= 0, N_("0 or more")),
    ]

    def check(self) -> None:
        super().check()
        from fledge.rewards import parse

        for word in self.rewards:
            parse(word)


def reward_models(config: OnlineConfig) -> list[str]:
    """The models that the rewards name, for the planner."""
    from fledge.rewards import parse

    return [argument for name, argument, _weight in map(parse, config.rewards) if name == "model" and argument]


class OnlineLearning(OwnAnswers):
    """Rewards episodes, and gives the loss of packed rows of them. A job says `credit`, and how tokens are averaged.

    Attributes:
        needs_old: whether the log-probabilities of the weights that wrote a row are kept, because others may train on it; otherwise
            the ratio is 1, with the gradient of a ratio.
    """

    needs_old = False

    def __init__(self, setting: Setting) -> None:
        from fledge.model.folder import load_model
        from fledge.rewards import compose

        config = setting.config
        self.reward = compose(config.rewards, setting.model, setting.tokenizer)
        if config.seq_len > self.reward.longest:
            raise UserError(
                _("{flag} is longer than the reward model's context of {longest} tokens: make it shorter.").format(
                    flag=flag("seq_len", config.seq_len), longest=self.reward.longest
                )
            )
        super().__init__(setting)
        self.reference = None
        if config.beta > 0:
            assert setting.base is not None, "an online job starts from a model"
            self.reference = load_model(setting.base).to(self.model.device).requires_grad_(False).eval()
            self.reference.compute_dtype = self.model.compute_dtype
        self.needs_old |= config.rollout_steps * config.reuse > 1

    def refuse(self, task: TaskRow) -> str:
        return self.reward.refuse(task)

    # -- what a job says ---------------------------------------------------------------------------------------------------

    def credit(
        self, prompts: list[int], episodes: list[Episode], totals: list[float], samples: list[Sample]
    ) -> Metrics:
        """Give every sample its column `advantage`; figures to log, as (sum, count)."""
        raise NotImplementedError

    def weights(self, samples: list[Sample]) -> None:
        """Give every sample its column `weight`: 1, so that a loss is a mean over tokens."""
        for sample in samples:
            sample.fill("weight", 1.0)

    def token_loss(self, logp_N: Tensor, column: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss of every token without KL, and which were clipped; `column` has old, advantage, …"""
        from fledge.rollout.policy import clipped_loss

        return clipped_loss(logp_N, column["old"], column["advantage"], self.config.clip, self.config.clip)

    def more_loss(self, hidden_ND: Tensor, column: dict[str, Tensor]) -> tuple[Tensor | float, Metrics]:
        """What is added to the summed loss (a critic's), from the hidden states of the chosen tokens' places."""
        return 0.0, {}

    def look(self, hidden_ND: Tensor) -> dict[str, Tensor]:
        """Further columns from the pass over a new rollout (a critic's values)."""
        return {}

    # -- what is learned from episodes ---------------------------------------------------------------------------------------

    def judge(self, prompts: list[int], episodes: list[Episode], chunks: list[list[Sample]]) -> Metrics:
        """Rewards, the log-probabilities that the loss needs, and the job's credit."""
        totals, parts = self.reward(episodes)
        if not self.batches.made and min(totals) == max(totals):
            print(f"  {_all_equal(totals[0])}", file=sys.stderr)
        self._look_back(chunks)
        samples = [sample for chunk in chunks for sample in chunk]
        metrics = self.credit(prompts, episodes, totals, samples)
        self.weights(samples)
        return metrics | worth(totals, parts)

    def _look_back(self, chunks: list[list[Sample]]) -> None:
        """Log-probabilities of the weights that wrote the samples and of the reference, packed as they will be trained."""
        import torch

        for chunk in chunks:
            batch = self.batch(chunk)
            with torch.no_grad():
                found = self._columns(batch)
            for name, values_N in found.items():
                for i, values in batch.by_sample(values_N).items():
                    chunk[i].columns[name] = values

    def _columns(self, batch: RolloutBatch) -> dict[str, Tensor]:
        from fledge.rollout.passes import logprobs, places_of

        found: dict[str, Tensor] = {}
        places, targets_N = places_of(batch, self.model.device)
        hidden_ND = self.hidden_of(self.model, batch).flatten(0, 1)[places] if self.needs_old else None
        if hidden_ND is not None:
            found["old"] = logprobs(self.model, hidden_ND, targets_N, self.config.temperature)
            found |= self.look(hidden_ND)
        if self.reference is not None:
            hidden_ND = self.hidden_of(self.reference, batch).flatten(0, 1)[places]
            found["reference"] = logprobs(self.reference, hidden_ND, targets_N, self.config.temperature)
        return found

    def loss(self, batch: RolloutBatch) -> Loss:
        """Sum over the chosen tokens of weight × (loss + β KL), and how the policy looks: entropy, KL, share clipped."""
        from fledge.rollout.passes import Look, places_of
        from fledge.training.losses import chunked_loss
        from fledge.training.objective import Loss

        device = self.model.device
        places, targets_N = places_of(batch, device)
        column = {name: c.to(device).flatten()[places] for name, c in batch.columns_BT.items()}
        hidden_ND = self.hidden_of(self.model, batch).flatten(0, 1)[places]
        look = Look(self, targets_N, column)
        total = chunked_loss(hidden_ND, self.model.lm_head.weight, look)
        more, metrics = self.more_loss(hidden_ND, column)
        return Loss(total + more, batch.count, batch.metrics | look.metrics() | metrics)

    def validate(self, max_tokens: int | None, splits: int = 1) -> dict[str, Any]:
        """The rewards of greedy answers to held-out prompts."""
        episodes = self.answered(max_tokens, temperature=0.0)
        totals, parts = self.reward(episodes)
        each = ", ".join(f"{name} {values[0]:.2f}" for name, values in parts.items())
        self.transcript = [transcript(episodes[0], f"{totals[0]:.2f}: {each}")]
        found = worth(totals, parts) | lengths(episodes)
        return {f"val_{name}": float(total / n) for name, (total, n) in found.items()}


def worth(totals: Sequence[float], parts: dict[str, list[float]]) -> Metrics:
    """Mean reward, and each of its parts."""
    found: Metrics = {"reward": (sum(totals), len(totals))}
    if len(parts) > 1:
        found |= {f"reward_{name}": (sum(values), len(values)) for name, values in parts.items()}
    return found


def _all_equal(reward: float) -> str:
    ways = advice(
        ("", _("easier prompts among them")), ("rewards", _("a finer reward in {}")), ("temperature", _("a higher {}"))
    )
    return _(
        "Every answer of the first rollout is worth {reward:g}: while answers do not differ there is nothing to learn; "
        "if it stays so, try {ways}."
    ).format(reward=reward, ways=ways)
